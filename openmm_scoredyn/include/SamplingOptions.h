#pragma once

#include <limits>
#include <string>
#include <vector>

#include "Card.h"
#include "SolverPlan.h"

namespace ScoreDynPlugin {

/// How steps are drawn, beside what the model fixes. This is the one list of such options: the integrator and
/// its XML, ScoreModel.sample and runs take them by name, so that a new one is a member, a row of numbers(),
/// and what StepSampler makes of it.
struct SamplingOptions {
    Solver solver;
    int denoisingSteps;      ///< evaluations of the network per step; 0 for a model that does without
    int maxResamples = 100;  ///< draws allowed for a step after the first one
    int refinements = 0;     ///< of a rejected draw, before another one is made in its place

    /// What the card recommends.
    static SamplingOptions recommended(const Card& card) {
        return {.solver = parseSolver(card.solver), .denoisingSteps = card.denoisingSteps};
    }

    /// An option that is a whole number.
    struct Number {
        std::string name;      ///< in Python and on the command line
        std::string property;  ///< in XML
        std::string meaning;   ///< in messages
        int SamplingOptions::* value;
        int (*least)(const Card& card);
        int (*most)(const Card& card);
    };

    static const std::vector<Number>& numbers() {
        static const std::vector<Number> all{
            {"denoising_steps", "denoisingSteps", "number of denoising steps",
             &SamplingOptions::denoisingSteps, [](const Card& card) { return int(card.denoisingSteps > 0); },
             [](const Card&) { return std::numeric_limits<int>::max(); }},
            {"max_resamples", "maxResamples", "number of resamples", &SamplingOptions::maxResamples,
             [](const Card&) { return 0; }, [](const Card&) { return 32768; }},
            {"refinements", "refinements", "number of refinements", &SamplingOptions::refinements,
             [](const Card&) { return 0; },
             [](const Card& card) { return card.denoisingSteps > 0 ? 64 : 0; }}};
        return all;
    }

    /// The number of that name. Throws OpenMMException, with the names there are, for another one.
    static const Number& number(const std::string& name);

    /// Take a number. Throws OpenMMException, in the name of `who`, for one out of range.
    void set(const std::string& who, const Card& card, const Number& number, int value);

    /// Take a solver. Throws OpenMMException for one that the model is not right with.
    void set(const Card& card, Solver chosen);
};

}  // namespace ScoreDynPlugin
