#pragma once

#include <cstdint>
#include <functional>

#include "History.h"
#include "StepSampler.h"

namespace ScoreDynPlugin {

/// Which part of a trajectory to draw.
struct RolloutLength {
    uint64_t firstStep;  ///< number of the first step in the noise; a run resumed here goes on as if unbroken
    int64_t numSteps;
    int64_t saveEvery;  ///< every saveEvery-th frame is stored
};

/// Draw `numSteps` steps for all replicas of `history`, which ends holding the last frames, and store the
/// frames (numSteps / saveEvery, B, N, 3) nm in `frames`. `betweenSteps` is called after every step; what it
/// throws ends the rollout. The boxes (B,3,3) are in nm, zeros when not periodic. Boxes and frames are on the
/// host.
void rollout(StepSampler& sampler, History& history, int batch, const float* box, const RolloutLength& length,
             float* frames, const std::function<void()>& betweenSteps);

}  // namespace ScoreDynPlugin
