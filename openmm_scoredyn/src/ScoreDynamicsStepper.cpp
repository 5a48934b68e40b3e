#include "ScoreDynamicsStepper.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "ContextChecks.h"
#include "Noise.h"
#include "ScoreDynamicsIntegrator.h"
#include "ScoreDynamicsKernels.h"
#include "openmm/CMMotionRemover.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/OSRngSeed.h"

namespace ScoreDynPlugin {

using OpenMM::ContextImpl;
using OpenMM::OpenMMException;
using OpenMM::Vec3;

namespace {

bool hasMotionRemover(const OpenMM::System& system) {
    for (int i = 0; i < system.getNumForces(); ++i)
        if (dynamic_cast<const OpenMM::CMMotionRemover*>(&system.getForce(i))) return true;
    return false;
}

uint32_t chooseSeed(int seed) {
    // Bits of a chosen seed beyond those of an int are dropped, so that it can be read and set again.
    return seed != 0 ? seed : std::max(1, osrngseed() & std::numeric_limits<int>::max());
}

}  // namespace

ScoreDynamicsStepper::ScoreDynamicsStepper(ContextImpl& context, const ScoreDynamicsIntegrator& integrator)
    : context_(context),
      integrator_(integrator),
      program_(std::make_shared<ScoreProgram>(integrator.getModelPointer())),
      history_(1, program_->card().historyLength, program_->card().numParticles()),
      wholeMolecules_(program_->card().numParticles(), program_->card().bonds),
      keepsVelocities_(hasMotionRemover(context.getSystem())),
      positions_(program_->card().numParticles()),
      frame_(positions_.size() * 3, std::numeric_limits<float>::quiet_NaN()),
      proposal_(frame_.size()),
      normals_(frame_.size()) {
    state_.seed = chooseSeed(integrator.getRandomNumberSeed());
    history_.fill(frame_.data());  // no position equals NaN, so the first step starts the history
    std::vector<int> particles = integrator.getParticles();
    if (particles.empty()) {
        particles.resize(positions_.size());
        std::iota(particles.begin(), particles.end(), 0);
    }
    kernel_ = context.getPlatform().createKernel(IntegrateScoreDynamicsStepKernel::Name(), context);
    kernel().initialize(context.getSystem(), particles);
}

IntegrateScoreDynamicsStepKernel& ScoreDynamicsStepper::kernel() {
    return kernel_.getAs<IntegrateScoreDynamicsStepKernel>();
}

void ScoreDynamicsStepper::settingsChanged() {
    state_.counts = counts();
    sampler_.reset();
}

SamplerState ScoreDynamicsStepper::state() const {
    SamplerState state = state_;
    state.counts = counts();
    state.history.assign(history_.data(), history_.data() + history_.size());
    return state;
}

void ScoreDynamicsStepper::setState(const SamplerState& state) {
    state_ = state;
    std::copy(state.history.begin(), state.history.end(), history_.data());
    sampler_.reset();
}

void ScoreDynamicsStepper::prepareSampler() {
    if (sampler_) return;
    program_->setNumThreads(integrator_.getNumThreads());
    sampler_ = std::make_unique<StepSampler>(
        program_, SamplerSettings{integrator_.getSolver(), integrator_.getDenoisingSteps(),
                                  integrator_.getMaxRedraws(), state_.seed});
    sampler_->setCounts(state_.counts);
}

void ScoreDynamicsStepper::step() {
    checkStepSizeAndTemperature(integrator_);
    prepareSampler();
    // The one force we accept that changes the context at the start of a step changes velocities only.
    if (keepsVelocities_) context_.getVelocities(velocities_);
    try {
        context_.updateContextState();
        drawAndFinish();
    } catch (...) {
        if (keepsVelocities_) context_.setVelocities(velocities_);
        throw;
    }
}

void ScoreDynamicsStepper::drawAndFinish() {
    gatherFrame();
    // The history goes on only from the positions the last step left; whoever moved the molecule started it
    // anew.
    if (!std::equal(frame_.begin(), frame_.end(), history_.newest(0))) history_.fill(frame_.data());

    sampler_->step(state_.step, 1, history_.data(), box_.data(), proposal_.data());
    fillNormal({state_.seed, 0, state_.step, 0, velocityStage}, normals_.data(), normals_.size());
    kernel().finish(context_, proposal_, normals_, integrator_.getTemperature(), integrator_.getStepSize(),
                    integrator_.getConstraintTolerance());
    ++state_.step;
    if (program_->card().historyLength > 1) {
        gatherFrame();
        history_.push(frame_.data());
    }
}

/// Read the modelled particles, whole across periodic images, into frame_, and the box into box_.
void ScoreDynamicsStepper::gatherFrame() {
    kernel().gather(context_, positions_);
    if (program_->card().periodic) {
        readBox();
        wholeMolecules_.apply(positions_, boxVectors_);
    }
    bool allZero = true;
    for (size_t i = 0; i < positions_.size(); ++i)
        for (int axis = 0; axis < 3; ++axis) {
            const double value = positions_[i][axis];
            if (!std::isfinite(value))
                throw OpenMMException("ScoreDynamicsIntegrator: the position of the model's atom " +
                                      std::to_string(i) + " is " + std::to_string(value) +
                                      "; expected a finite number; set the positions of the context.");
            allZero = allZero && value == 0;
            frame_[3 * i + axis] = static_cast<float>(value);
        }
    if (allZero && positions_.size() > 1)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: all positions are zero; expected a molecule; "
            "call setPositions on the context before the first step.");
}

void ScoreDynamicsStepper::readBox() {
    context_.getPeriodicBoxVectors(boxVectors_[0], boxVectors_[1], boxVectors_[2]);
    for (int i = 0; i < 3; ++i)
        for (int axis = 0; axis < 3; ++axis) box_[3 * i + axis] = static_cast<float>(boxVectors_[i][axis]);
}

double ScoreDynamicsStepper::computeKineticEnergy() { return kernel().computeKineticEnergy(context_); }

}  // namespace ScoreDynPlugin
