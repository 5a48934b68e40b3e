#pragma once

// A Gaussian whose optimal denoiser is closed form, so that what a solver plan draws from is known without
// sampling.

#include <algorithm>
#include <cmath>
#include <vector>

#include "SolverPlan.h"

namespace core_tests {

using namespace ScoreDynPlugin;

/// N(mean, spread^2), seen through variance-exploding noise.
struct Gaussian {
    double mean, spread;

    /// The optimal denoiser E[x | x + sigma eps = noised] is slope * noised + offset.
    double slope(double sigma) const { return spread * spread / (spread * spread + sigma * sigma); }
    double offset(double sigma) const { return (1 - slope(sigma)) * mean; }
};

/// A random number as a linear function of independent unit normals.
struct Affine {
    double mean = 0;
    std::vector<double> weights;

    double variance() const {
        double sum = 0;
        for (const double weight : weights) sum += weight * weight;
        return sum;
    }
    void add(double factor, const Affine& other) {
        mean += factor * other.mean;
        weights.resize(std::max(weights.size(), other.weights.size()));
        for (size_t i = 0; i < other.weights.size(); ++i) weights[i] += factor * other.weights[i];
    }
};

/// The distribution of x before every stage of the plan, and at last that of the result.
inline std::vector<Affine> propagate(const std::vector<Stage>& plan, const Gaussian& gaussian) {
    Affine x{0, {plan.front().sigma}}, anchor, previous;
    std::vector<Affine> states{x};
    for (size_t s = 0; s < plan.size(); ++s) {
        const Stage& stage = plan[s];
        Affine denoised{gaussian.offset(stage.sigma), {}}, normal, next;
        denoised.add(gaussian.slope(stage.sigma), x);
        normal.weights.resize(s + 2);
        normal.weights[s + 1] = 1;
        next.add(stage.current, x);
        next.add(stage.anchor, anchor);
        next.add(stage.denoised, denoised);
        next.add(stage.previous, previous);
        next.add(stage.noise, normal);
        previous = denoised;
        if (stage.setAnchor) anchor = x;
        states.push_back(x = next);
    }
    return states;
}

}  // namespace core_tests
