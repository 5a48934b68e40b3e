#pragma once

#include <array>
#include <memory>
#include <vector>

#include "History.h"
#include "SamplerState.h"
#include "ScoreProgram.h"
#include "StepSampler.h"
#include "openmm/Kernel.h"
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

    /// The next step reads the integrator's solver, denoising steps, redraws and threads again.
    void settingsChanged();

    const StepCounts& counts() const { return sampler_ ? sampler_->counts() : state_.counts; }
    std::string recordingStatus() const { return sampler_ ? sampler_->recordingStatus() : "plain"; }
    SamplerState state();
    void setState(const SamplerState& state);
    double computeKineticEnergy();

private:
    void prepareKernel();
    void setHistory(const std::vector<float>& frames);
    void prepareSampler();
    void drawAndFinish();
    void gatherFrame();
    void checkFrame() const;
    bool isWhereLastStepLeftIt() const;
    const float* boxInMemory();
    IntegrateScoreDynamicsStepKernel& kernel();

    OpenMM::ContextImpl& context_;
    const ScoreDynamicsIntegrator& integrator_;
    OpenMM::Kernel kernel_;
    std::shared_ptr<ScoreProgram> program_;
    std::unique_ptr<StepSampler> sampler_;
    SamplerState state_;  // its history is never current, its counts only while there is no sampler
    std::unique_ptr<History> history_;
    size_t frameSize_;      // floats of a frame
    bool keepsVelocities_;  // whether velocities must be put back when a step fails
    std::array<float, 9> box_{};
    std::vector<OpenMM::Vec3> velocities_;
    float* gathered_ = nullptr;        // the frame, in the memory of the program
    const float* frame_ = nullptr;     // the same on the host
    const float* boxThere_ = nullptr;  // box_ in the memory of the program
    std::vector<float> lastFrame_;     // newest frame of the history, on the host
    std::vector<float> frameCopy_, normals_;
    StepBuffer boxCopy_;
};

}  // namespace ScoreDynPlugin
