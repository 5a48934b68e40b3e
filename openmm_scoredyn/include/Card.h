#pragma once

#include <string>
#include <utility>
#include <vector>

#include "GuardRules.h"
#include "MatmulPrecision.h"

namespace ScoreDynPlugin {

/// Values of a physical quantity that a model knows: one, several, or all between two.
struct KnownValues {
    std::vector<double> values;  ///< ascending; of a range its two ends
    bool isRange = false;

    double first() const { return values.front(); }
    /// To a relative precision of 10^-6.
    bool contains(double value) const;
    /// "1 ps", "1, 10 or 100 ps" or "1 to 1000 ps".
    std::string describe(const std::string& unit) const;
};

/// An example that the program must reproduce; flat row-major arrays, nm. A model with a method `start` has
/// noise and what it makes of it; one with stages has latent, sigma and denoised. The positions are those of
/// `advance` from denoised, or from started where there are no stages.
struct Golden {
    std::vector<float> history, box, noise, started, latent, denoised, positions;
    double lagTimePs = 0, temperatureK = 0, sigma = 0;
};

/// What a score program says about itself: the parts of scoredyn.json that a simulation needs.
struct Card {
    std::string json;  ///< the whole text
    std::string formatVersion, name;

    // capabilities
    KnownValues lagTimesPs, temperaturesK;
    double lagTimePs;               ///< of a step unless another is asked for
    int historyLength, latentSize;  ///< frames; floats
    bool periodic, hasStart;
    double sigmaMin, sigmaMax, sigmaData;
    std::string solver;
    std::vector<std::string> solvers;  ///< the only ones that the program is right with; empty: any
    int denoisingSteps;                ///< 0: the step is made by `start` alone
    MatmulPrecision matmulPrecision = MatmulPrecision::Highest;

    // particles
    std::vector<std::string> types;  ///< an element's symbol, or the name of a bead
    std::vector<double> massesAmu;
    GuardRules guard;

    std::vector<Golden> golden;

    int numParticles() const { return static_cast<int>(types.size()); }
    const std::vector<std::pair<int, int>>& bonds() const { return guard.bonds; }
};

/// Read and check a card. Throws OpenMMException, in a sentence of its own for each field that is missing, of
/// the wrong kind or at odds with the others, and for a major format version other than 2.
Card parseCard(const std::string& json);

/// As `parseCard`, but for the golden examples, which export has not written yet.
Card parseIncompleteCard(const std::string& json);

/// The part of a card about particles, with their guard; the rest of the card is left as it is by default.
Card parseParticles(const std::string& json);

/// Throws OpenMMException where the program is not right with the solver of that name.
void requireSolver(const Card& card, const std::string& solver);

/// Throws OpenMMException where the model does not know the lag time, ps, or the temperature, K.
void requireKnown(const Card& card, double lagTimePs, double temperatureK);

}  // namespace ScoreDynPlugin
