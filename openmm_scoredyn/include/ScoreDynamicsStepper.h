#pragma once

#include <array>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "CentreMotion.h"
#include "Guard.h"
#include "History.h"
#include "SamplerState.h"
#include "ScoreProgram.h"
#include "StepSampler.h"
#include "openmm/Integrator.h"
#include "openmm/Kernel.h"
#include "openmm/State.h"
#include "openmm/Vec3.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

class ScoreDynamicsIntegrator;
class IntegrateScoreDynamicsStepKernel;

/// An integrator's life inside one context: the loaded program, the noise counter, the history and the
/// platform's kernel. It lives from the creation of the context (or its reinitialization) to its end.
class ScoreDynamicsStepper {
public:
    /// Load the program and set the platform up. Throws OpenMMException when the program is refused.
    ScoreDynamicsStepper(OpenMM::ContextImpl& context, const ScoreDynamicsIntegrator& integrator);

    /// Advance the context by one lag time. Nothing in the context changes when this throws.
    void step();

    /// Have another integrator of the context make the next step, in steps of its own. The noise of that step
    /// stays unused.
    void handOver(OpenMM::Integrator& dynamics, int steps);
    uint64_t numHandedOver() const { return state_.handedOver; }

    /// The next step reads the integrator's settings again.
    void settingsChanged();

    const StepCounts& counts() const { return sampler_ ? sampler_->counts() : state_.counts; }
    std::string recordingStatus() const { return sampler_ ? sampler_->recordingStatus() : "plain"; }
    double computeKineticEnergy();

    /// The integrator's seed that the noise was started with, and the seed in use: that one, or what was
    /// chosen in place of 0 or came with a checkpoint.
    int seedAsked() const { return seedAsked_; }
    uint32_t seed() const { return state_.seed; }

    /// The frames (H,N,3) nm that the next step is conditioned on, newest last.
    std::vector<float> history();
    /// Replace them, and move the modelled particles to the newest. Throws OpenMMException, with nothing
    /// changed, for another number of values or frames that the guard refuses.
    void setHistory(const std::vector<float>& frames);

    void writeCheckpoint(std::ostream& stream);
    /// Go on bit for bit, with the seed of the checkpoint. A seed that was set when it was made and had not
    /// taken effect yet does so in a context that was made with it.
    void readCheckpoint(std::istream& stream);
    void serialize(OpenMM::SerializationNode& node);
    /// Context::setState, or the user, has changed a part of the context.
    void contextChanged(OpenMM::State::DataType part);
    /// Take over the history and the counters. The noise goes on with the State if the seed is the
    /// integrator's, and otherwise follows the integrator's. A node of another kind of integrator changes
    /// nothing. Throws OpenMMException where the context does not hold what the State was saved with.
    void deserialize(const OpenMM::SerializationNode& node);

private:
    /// The modelled particles (N,3) nm, whole molecules: where the program reads them, and on the host.
    struct Frame {
        float* inMemory;
        const float* onHost;
    };

    void prepareKernel();
    void prepareSampler();
    void drawAndFinish();
    Frame gatherFrame();
    void takeUp(const Frame& frame);
    void keep(const Frame& frame);
    void checkStart(const float* frame) const;
    bool isWhereLastStepLeftIt(const float* frame) const;
    const float* boxInMemory();
    SamplerIdentity identity() const;
    size_t historySize() const;
    SamplerState state();
    SamplerState stateToSave();
    void requireWholeState(const ContextRecord& saved);
    void setState(SamplerState state);
    void placeParticles(const float* frame);
    IntegrateScoreDynamicsStepKernel& kernel();

    OpenMM::ContextImpl& context_;
    const ScoreDynamicsIntegrator& integrator_;
    std::vector<int> particles_;
    Guard guard_;
    CentreMotion centreMotion_;
    OpenMM::Kernel kernel_;
    std::shared_ptr<ScoreProgram> program_;
    std::unique_ptr<StepSampler> sampler_;
    SamplerState state_;  // its history is empty, its counts are current only while there is no sampler
    int seedAsked_;
    int setWithPositions_ = 0;  // parts of the context that were set since its positions, and these
    uint64_t noiseUsed_ = 0;    // end of the steps whose noise was drawn in this context
    std::unique_ptr<History> history_;
    double stepSizeOfHistory_ = 0;  // ps
    size_t frameSize_;              // floats of a frame
    std::array<float, 9> box_{};
    StepBuffer boxThere_;  // box_ in the memory of the program
    std::vector<OpenMM::Vec3> velocities_;
    std::vector<float> lastFrame_;  // newest frame of the history, on the host; empty without one
    std::vector<float> frameCopy_, normals_;
};

}  // namespace ScoreDynPlugin
