#include "Rollout.h"

#include <algorithm>
#include <vector>

namespace ScoreDynPlugin {

void rollout(StepSampler& sampler, History& history, int batch, const float* box, const RolloutLength& length,
             float* frames, const std::function<void()>& betweenSteps) {
    std::vector<float> after(batch * history.frameSize());
    for (int64_t i = 0; i < length.numSteps; ++i) {
        sampler.step(length.firstStep + i, batch, history.data(), box, after.data());
        history.push(after.data());
        if ((i + 1) % length.saveEvery == 0) frames = std::copy(after.begin(), after.end(), frames);
        betweenSteps();
    }
}

}  // namespace ScoreDynPlugin
