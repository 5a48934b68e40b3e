#pragma once

#include <array>
#include <memory>
#include <vector>

#include "History.h"
#include "SamplerState.h"
#include "ScoreProgram.h"
#include "StepSampler.h"
#include "WholeMolecules.h"
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
    SamplerState state() const;
    void setState(const SamplerState& state);
    double computeKineticEnergy();

private:
    void prepareSampler();
    void drawAndFinish();
    void gatherFrame();
    void readBox();
    IntegrateScoreDynamicsStepKernel& kernel();

    OpenMM::ContextImpl& context_;
    const ScoreDynamicsIntegrator& integrator_;
    OpenMM::Kernel kernel_;
    std::shared_ptr<ScoreProgram> program_;
    std::unique_ptr<StepSampler> sampler_;
    SamplerState state_;  // its history is never current, its counts only while there is no sampler
    History history_;
    WholeMolecules wholeMolecules_;
    bool keepsVelocities_;  // whether velocities must be put back when a step fails
    std::array<OpenMM::Vec3, 3> boxVectors_;
    std::array<float, 9> box_{};
    std::vector<OpenMM::Vec3> positions_, velocities_;
    std::vector<float> frame_, proposal_, normals_;
};

}  // namespace ScoreDynPlugin
