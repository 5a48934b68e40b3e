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
      frameSize_(3 * size_t(integrator.getModel().card().numParticles())),
      keepsVelocities_(hasMotionRemover(context.getSystem())),
      // No position equals NaN, so the first step starts the history.
      lastFrame_(frameSize_, std::numeric_limits<float>::quiet_NaN()),
      normals_(frameSize_) {
    state_.seed = chooseSeed(integrator.getRandomNumberSeed());
    prepareKernel();
    const auto selected = kernel().selectProgram();
    program_ = std::make_shared<ScoreProgram>(integrator.getModelPointer(), kernel().device());
    const Card& card = program_->card();
    history_ = std::make_unique<History>(program_->memory(), 1, card.historyLength, card.numParticles());
    setHistory(std::vector<float>(history_->size(), lastFrame_[0]));
}

void ScoreDynamicsStepper::prepareKernel() {
    const Card& card = integrator_.getModel().card();
    std::vector<int> particles = integrator_.getParticles();
    if (particles.empty()) {
        particles.resize(card.numParticles());
        std::iota(particles.begin(), particles.end(), 0);
    }
    kernel_ = context_.getPlatform().createKernel(IntegrateScoreDynamicsStepKernel::Name(), context_);
    kernel().initialize(context_.getSystem(),
                        {particles, WholeMolecules(card.numParticles(), card.bonds()), card.periodic});
}

IntegrateScoreDynamicsStepKernel& ScoreDynamicsStepper::kernel() {
    return kernel_.getAs<IntegrateScoreDynamicsStepKernel>();
}

void ScoreDynamicsStepper::settingsChanged() {
    state_.counts = counts();
    sampler_.reset();
}

SamplerState ScoreDynamicsStepper::state() {
    const auto selected = kernel().selectProgram();
    SamplerState state = state_;
    state.counts = counts();
    std::vector<float> copy;
    const float* frames = program_->memory()->toHost(history_->data(), history_->size(), copy);
    state.history.assign(frames, frames + history_->size());
    return state;
}

void ScoreDynamicsStepper::setState(const SamplerState& state) {
    const auto selected = kernel().selectProgram();
    state_ = state;
    setHistory(state.history);
    sampler_.reset();
}

void ScoreDynamicsStepper::setHistory(const std::vector<float>& frames) {
    StepBuffer copy;
    StepMemory& memory = *program_->memory();
    memory.copy(memory.fromHost(frames.data(), frames.size(), copy), frames.size(), history_->data());
    lastFrame_.assign(frames.end() - frameSize_, frames.end());
}

void ScoreDynamicsStepper::prepareSampler() {
    if (sampler_) return;
    program_->setNumThreads(integrator_.getNumThreads());
    sampler_ = std::make_unique<StepSampler>(
        program_,
        SamplerSettings{integrator_.getStepSize(), integrator_.getTemperature(), integrator_.getSolver(),
                        integrator_.getDenoisingSteps(), integrator_.getMaxRedraws(), state_.seed});
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
    const auto selected = kernel().selectProgram();
    gatherFrame();
    checkFrame();
    // The history goes on only from the positions the last step left; whoever moved the molecule started it
    // anew.
    if (isWhereLastStepLeftIt())
        history_->setNewest(gathered_);
    else
        history_->fill(gathered_);

    sampler_->step(state_.step, 1, history_->data(), boxInMemory(), gathered_);
    fillNormal({state_.seed, 0, state_.step, 0, velocityStage}, normals_.data(), normals_.size());
    kernel().finish(context_, {normals_, integrator_.getTemperature(), integrator_.getStepSize(),
                               integrator_.getConstraintTolerance()});
    ++state_.step;
    if (program_->card().historyLength > 1) {
        gatherFrame();
        history_->push(gathered_);
        lastFrame_.assign(frame_, frame_ + frameSize_);
    }
}

/// Read the modelled particles, as whole molecules, and keep a copy for the host to look at.
void ScoreDynamicsStepper::gatherFrame() {
    gathered_ = kernel().gather(context_);
    frame_ = program_->memory()->toHost(gathered_, frameSize_, frameCopy_);
}

bool ScoreDynamicsStepper::isWhereLastStepLeftIt() const {
    // When OpenMM puts atoms in order between steps, as after a change of a force, it moves molecules into
    // the box and rounds.
    const float unit = program_->card().periodic ? 8 * std::numeric_limits<float>::epsilon() : 0;
    const float edge = std::max({box_[0], box_[4], box_[8]});
    return std::equal(frame_, frame_ + frameSize_, lastFrame_.begin(), [&](float found, float left) {
        return std::abs(found - left) <= unit * (edge + std::abs(left));
    });
}

void ScoreDynamicsStepper::checkFrame() const {
    bool allZero = true;
    for (size_t i = 0; i < frameSize_; ++i) {
        if (!std::isfinite(frame_[i]))
            throw OpenMMException("ScoreDynamicsIntegrator: the position of the model's atom " +
                                  std::to_string(i / 3) + " is " + std::to_string(frame_[i]) +
                                  "; expected a finite number; set the positions of the context.");
        allZero = allZero && frame_[i] == 0;
    }
    if (allZero && frameSize_ > 3)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: all positions are zero; expected a molecule; "
            "call setPositions on the context before the first step.");
}

/// The periodic box (3,3), nm, where the program can read it; zeros when the model is not periodic.
const float* ScoreDynamicsStepper::boxInMemory() {
    std::array<float, 9> box{};
    if (program_->card().periodic) {
        Vec3 vectors[3];
        context_.getPeriodicBoxVectors(vectors[0], vectors[1], vectors[2]);
        for (int i = 0; i < 9; ++i) box[i] = static_cast<float>(vectors[i / 3][i % 3]);
    }
    if (boxThere_ == nullptr || box != box_) {
        box_ = box;
        boxThere_ = program_->memory()->fromHost(box_.data(), box_.size(), boxCopy_);
    }
    return boxThere_;
}

double ScoreDynamicsStepper::computeKineticEnergy() { return kernel().computeKineticEnergy(context_); }

}  // namespace ScoreDynPlugin
