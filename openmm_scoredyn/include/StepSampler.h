#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "Guard.h"
#include "ScoreProgram.h"
#include "SolverPlan.h"
#include "StepCounts.h"

namespace ScoreDynPlugin {

/// How steps are drawn. Which step of which replica is drawn is an argument of StepSampler::step.
struct SamplerSettings {
    Solver solver;
    int denoisingSteps;  ///< evaluations of the network per step
    int maxRedraws;      ///< draws allowed after the first one
    uint32_t seed;
    uint32_t firstReplica = 0;  ///< number of the first replica of the batch in the noise
};

/// Draws one lag-time step for a batch of replicas: noise, network, advance, guard, and new draws for those
/// replicas whose draw the guard refused. The integrator uses it with a batch of one, ScoreModel.sample with
/// any batch, so nothing of a step exists twice.
///
/// The noise is a function of seed, replica, step, redraw, stage and element only. Buffers grow to the
/// largest batch seen and are kept.
class StepSampler {
public:
    StepSampler(std::shared_ptr<const ScoreProgram> program, const SamplerSettings& settings);

    /// Draw the frames after `history` (B,H,N,3) nm, in the periodic box (3,3) nm (zeros when not periodic),
    /// into `after` (B,N,3) nm. Throws OpenMMException when the program fails, or when a replica has no
    /// acceptable draw within maxRedraws; `after` is then unspecified.
    void step(uint64_t step, int batch, const float* history, const float* box, float* after);

    const StepCounts& counts() const { return counts_; }
    void setCounts(const StepCounts& counts) { counts_ = counts; }

private:
    void reserve(int batch);
    const float* gatherHistory(int batch, const float* history);
    void propose(uint64_t step, uint32_t redraw, const float* history, const float* box);
    void runSolver(uint64_t step, uint32_t redraw, const float* history, const float* box);
    void drawSolverNoise(uint64_t step, uint32_t redraw);
    void drawNoise(uint64_t step, uint32_t redraw, uint32_t stage, size_t count, float* noise) const;
    void keepAccepted(uint64_t step, uint32_t redraw, const float* history, float* after);
    void markNotFinite(const float* values, size_t count, size_t stride);
    void count(const Violation& violation, uint32_t redraw);
    [[noreturn]] void giveUp(uint64_t step, int replica, const Violation& violation) const;

    std::shared_ptr<const ScoreProgram> program_;
    SamplerSettings settings_;
    std::vector<Stage> plan_;
    Guard guard_;
    StepCounts counts_;
    size_t historySize_, frameSize_, latentSize_, noiseSize_;  // floats per replica; noise: of a whole step
    std::vector<int> active_;                                  // replicas without an accepted draw
    std::vector<float> activeHistory_, latent_, anchor_, denoised_, previous_, noise_, proposal_;
};

}  // namespace ScoreDynPlugin
