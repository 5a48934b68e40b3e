#include "Rollout.h"

#include <algorithm>
#include <vector>

namespace ScoreDynPlugin {

void rollout(StepSampler& sampler, History& history, int batch, const float* box, const RolloutLength& length,
             float* frames, const std::function<void()>& betweenSteps) {
    StepMemory& memory = sampler.memory();
    const size_t size = batch * history.frameSize();
    StepBuffer after, boxThere;
    std::vector<float> copy;
    memory.reserve(after, size);
    box = memory.fromHost(box, size_t(batch) * 9, boxThere);
    for (int64_t i = 0; i < length.numSteps; ++i) {
        sampler.step(length.firstStep + i, batch, history.data(), box, after.get());
        history.push(after.get());
        if ((i + 1) % length.saveEvery == 0)
            frames = std::copy_n(memory.toHost(after.get(), size, copy), size, frames);
        betweenSteps();
    }
}

}  // namespace ScoreDynPlugin
