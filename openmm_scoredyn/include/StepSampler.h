#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "Guard.h"
#include "RecordedWork.h"
#include "ReplicaThreads.h"
#include "SamplingOptions.h"
#include "ScoreProgram.h"
#include "SolverPlan.h"
#include "StepCounts.h"
#include "StepMemory.h"

namespace ScoreDynPlugin {

/// How steps are drawn. Which step of which replica is drawn is an argument of StepSampler::step.
struct SamplerSettings {
    double lagTimePs, temperatureK;  ///< among those that the card knows
    SamplingOptions options;
    uint32_t seed;
    uint32_t firstReplica = 0;  ///< number of the first replica of the batch in the noise
    bool guarded = true;        ///< false: nothing but what is not finite is rejected
};

/// Draws one lag-time step for a batch of replicas: noise, network, advance, guard, and new draws for those
/// replicas whose draw the guard rejected. The integrator uses it with a batch of one, ScoreModel.sample with
/// any batch, so nothing of a step exists twice.
///
/// The noise is a function of seed, replica, step, resample, stage and element only, and is made for a whole
/// draw at once. A rejected draw may be refined first (SamplingOptions::refinements): a little noise is added
/// to its latent and taken away again by the network, so that of a system of many bodies not all is drawn
/// anew for the sake of one. Noise and guard are shared among as many threads as the program may use, which
/// changes no result. Buffers grow to the largest batch seen and are kept. History, box and result are arrays
/// in the memory of the program; the guard reads copies of them on the host.
class StepSampler {
public:
    /// The memory is the program's unless another one of the same device is given.
    StepSampler(std::shared_ptr<const ScoreProgram> program, const SamplerSettings& settings,
                std::shared_ptr<StepMemory> memory = nullptr);

    /// Draw the frames after `history` (B,H,N,3) nm, in the boxes (B,3,3) nm (zeros when not periodic), into
    /// `after` (B,N,3) nm. Throws OpenMMException when the program fails, or when a replica has no acceptable
    /// draw within maxResamples; `after` is then unspecified.
    void step(uint64_t step, int batch, const float* history, const float* box, float* after);

    /// The memory of the arrays of step.
    StepMemory& memory() const { return *memory_; }

    const StepCounts& counts() const { return counts_; }
    void setCounts(const StepCounts& counts) { counts_ = counts; }
    /// Whether steps are recorded and replayed (RecordedWork::status).
    const std::string& recordingStatus() const { return proposing_.status(); }

private:
    void reserve(int batch);
    const float* gather(int batch, const float* values, size_t size, StepBuffer& buffer);
    void propose(int batch, const float* noise, const float* history, const float* box);
    void evaluate(const RecordedWork::Arrays& arrays);
    void takeCondition(const RecordedWork::Arrays& arrays);
    const float* denoiseAndAdvance(const std::vector<Stage>& plan, const RecordedWork::Arrays& arrays);
    void beginLatent(const RecordedWork::Arrays& arrays);
    const float* runSolver(const std::vector<Stage>& plan, const RecordedWork::Arrays& arrays);
    bool isRefinement(uint32_t resample) const;
    void refine(const float* noise, const float* history, const float* box);
    void planRefinement(const Card& card);
    const float* drawNoise(uint64_t step, uint32_t resample);
    const float* newestOnHost(const float* history);
    void judge(const float* history, const float* box);
    template <typename Work>
    void forActive(const Work& work);
    void keepAccepted(uint64_t step, uint32_t resample, const float* history, const float* box, float* after);
    void count(const Violation& violation, uint32_t resample);
    [[noreturn]] void giveUp(uint64_t step, int replica, const Violation& violation) const;

    std::shared_ptr<const ScoreProgram> program_;
    std::shared_ptr<StepMemory> memory_;
    SamplerSettings settings_;
    std::vector<Stage> plan_, refinementPlan_;
    double refinementSigma_ = 0;
    Guard guard_;
    StepCounts counts_;
    size_t historySize_, frameSize_, latentSize_;     // floats per replica
    std::vector<uint32_t> noiseStages_;               // stages that need one, in order
    std::vector<int> active_;                         // replicas without an accepted draw
    std::vector<std::optional<Violation>> verdicts_;  // on the proposals of the active replicas
    ReplicaThreads threads_;
    int reserved_ = 0;  // replicas the buffers are large enough for
    std::shared_ptr<ScoreProgram::Condition> condition_;
    RecordedWork proposing_;
    const float *drawn_ = nullptr, *proposed_ = nullptr;  // clean latents: of the last attempt, of draws
    StepBuffer activeHistory_, activeBox_, latent_, next_, anchor_, denoised_, previous_, noiseCopy_,
        proposal_, newest_, rejected_;
    std::vector<float> noise_, hostNewest_, hostLatent_, hostProposal_, hostBox_;
};

}  // namespace ScoreDynPlugin
