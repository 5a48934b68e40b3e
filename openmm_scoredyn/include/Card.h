#pragma once

#include <string>
#include <utility>
#include <vector>

#include "MatmulPrecision.h"

namespace ScoreDynPlugin {

/// Three neighbours a, b, c of `centre`, ordered so that (a-centre).((b-centre)x(c-centre)) > 0.
struct ChiralCentre {
    int centre, a, b, c;
};

/// Input, noise and output that the program must reproduce; flat row-major arrays, nm. A denoiser has latent,
/// sigma and denoised (positions = advance(denoised)), a transition has noise.
struct Golden {
    std::vector<float> history, box, latent, noise, denoised, positions;
    double sigma = 0;
};

/// What a score program says about itself: the fields of scoredyn.json that a simulation needs.
struct Card {
    std::string json;  ///< the whole text
    std::string formatVersion, kind, name, solver;
    std::vector<std::string> solvers;  ///< the only ones that the program is right with; empty: any
    double lagTimePs, temperatureK;
    int historyLength, latentSize, noiseCount, denoisingSteps;
    double sigmaMin, sigmaMax, sigmaData;
    std::vector<std::string> elements;
    std::vector<double> massesAmu;
    std::vector<std::pair<int, int>> bonds;
    std::vector<double> bondLengthsNm;
    double bondTolerance;  ///< |r - r0| <= bondTolerance * r0
    std::vector<ChiralCentre> chiralCentres;
    double maxDisplacementNm;
    bool periodic;
    MatmulPrecision matmulPrecision = MatmulPrecision::Highest;
    Golden golden;

    int numParticles() const { return static_cast<int>(elements.size()); }
};

/// Read and check a card. Throws OpenMMException, in a sentence of its own for each field that is missing, of
/// the wrong kind or at odds with the others, and for a major format version other than 1.
Card parseCard(const std::string& json);

/// Throws OpenMMException where the program is not right with the solver of that name.
void requireSolver(const Card& card, const std::string& solver);

}  // namespace ScoreDynPlugin
