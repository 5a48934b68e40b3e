#include "ScoreDynamicsStepper.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "ContextChecks.h"
#include "Noise.h"
#include "RejectedStep.h"
#include "ScoreDynamicsIntegrator.h"
#include "ScoreDynamicsKernels.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/OSRngSeed.h"

namespace ScoreDynPlugin {

using OpenMM::ContextImpl;
using OpenMM::OpenMMException;
using OpenMM::Vec3;

namespace {

/// Rounding of positions, of the box edge and the coordinate, where OpenMM puts atoms in order.
constexpr float orderingUnit = 8 * std::numeric_limits<float>::epsilon();

uint32_t chooseSeed(int seed) {
    // Bits of a chosen seed beyond those of an int are dropped, so that it can be read and set again.
    return seed != 0 ? seed : std::max(1, osrngseed() & std::numeric_limits<int>::max());
}

}  // namespace

ScoreDynamicsStepper::ScoreDynamicsStepper(ContextImpl& context, const ScoreDynamicsIntegrator& integrator)
    : context_(context),
      integrator_(integrator),
      particles_(modelledParticles(integrator)),
      guard_(integrator.getModel().card().numParticles(), integrator.getModel().card().guard),
      centreMotion_(context.getSystem(), particles_),
      seedAsked_(integrator.getSeedSetting()),
      frameSize_(3 * particles_.size()),
      normals_(frameSize_) {
    state_.seed = chooseSeed(seedAsked_);
    prepareKernel();
    const auto selected = kernel().selectProgram();
    program_ = std::make_shared<ScoreProgram>(integrator.getModelPointer(), kernel().device());
    const Card& card = program_->card();
    history_ = std::make_unique<History>(program_->memory(), 1, card.historyLength, card.numParticles());
}

void ScoreDynamicsStepper::prepareKernel() {
    const Card& card = integrator_.getModel().card();
    kernel_ = context_.getPlatform().createKernel(IntegrateScoreDynamicsStepKernel::Name(), context_);
    kernel().initialize(context_.getSystem(),
                        {particles_, WholeMolecules(card.numParticles(), card.bonds()), card.periodic});
}

IntegrateScoreDynamicsStepKernel& ScoreDynamicsStepper::kernel() {
    return kernel_.getAs<IntegrateScoreDynamicsStepKernel>();
}

void ScoreDynamicsStepper::settingsChanged() {
    state_.counts = counts();
    sampler_.reset();
}

void ScoreDynamicsStepper::prepareSampler() {
    if (sampler_) return;
    program_->setNumThreads(integrator_.getNumThreads());
    sampler_ = std::make_unique<StepSampler>(
        program_, SamplerSettings{integrator_.getStepSize(), integrator_.getTemperature(),
                                  integrator_.getSamplingOptions(), state_.seed});
    sampler_->setCounts(state_.counts);
}

void ScoreDynamicsStepper::step() {
    checkStepSizeAndTemperature(integrator_);
    prepareSampler();
    // The one force we accept that changes the context at the start of a step, CMMotionRemover, changes
    // velocities only.
    const bool keepsVelocities = centreMotion_.isRemoved();
    if (keepsVelocities) context_.getVelocities(velocities_);
    try {
        context_.updateContextState();
        drawAndFinish();
    } catch (...) {
        if (keepsVelocities) context_.setVelocities(velocities_);
        throw;
    }
}

void ScoreDynamicsStepper::handOver(OpenMM::Integrator& dynamics, int steps) {
    if (context_.getSystem().getNumForces() == 0)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the System has no forces; expected those of the molecule, by which "
            "another integrator makes the steps that the model cannot; add them.");
    const long long before = context_.getStepCount();
    dynamics.step(steps);
    context_.setStepCount(before + 1);
    ++state_.handedOver;
    noiseUsed_ = std::max(noiseUsed_, ++state_.step);
}

void ScoreDynamicsStepper::drawAndFinish() {
    const auto selected = kernel().selectProgram();
    const float* const box = boxInMemory();
    const Frame frame = gatherFrame();
    takeUp(frame);
    sampler_->step(state_.step, 1, history_->data(), box, frame.inMemory);
    fillNormal({state_.seed, 0, state_.step, 0, velocityStage}, normals_.data(), normals_.size());
    centreMotion_.remove(normals_);
    kernel().finish(context_, frame.inMemory,
                    {normals_, integrator_.getTemperature(), integrator_.getStepSize(),
                     integrator_.getConstraintTolerance()});
    noiseUsed_ = std::max(noiseUsed_, ++state_.step);
    const Frame after = gatherFrame();
    history_->push(after.inMemory);
    keep(after);
}

ScoreDynamicsStepper::Frame ScoreDynamicsStepper::gatherFrame() {
    float* const gathered = kernel().gather(context_);
    return {gathered, program_->memory()->toHost(gathered, frameSize_, frameCopy_)};
}

/// The history goes on only from the positions that the last step left, and with its step size; from others
/// it starts again, once they have passed the guard's rules.
void ScoreDynamicsStepper::takeUp(const Frame& frame) {
    const bool moved = !isWhereLastStepLeftIt(frame.onHost);
    if (moved) checkStart(frame.onHost);
    // Frames of another lag time say nothing of the way that the next step takes.
    if (moved || integrator_.getStepSize() != stepSizeOfHistory_)
        history_->fill(frame.inMemory);
    else
        history_->setNewest(frame.inMemory);
    keep(frame);
}

void ScoreDynamicsStepper::keep(const Frame& frame) {
    lastFrame_.assign(frame.onHost, frame.onHost + frameSize_);
    stepSizeOfHistory_ = integrator_.getStepSize();
}

bool ScoreDynamicsStepper::isWhereLastStepLeftIt(const float* frame) const {
    // When OpenMM puts atoms in order between steps, as after a change of a force, it moves molecules into
    // the box and rounds.
    const float unit = program_->card().periodic ? orderingUnit : 0;
    const float edge = std::max({box_[0], box_[4], box_[8]});
    return std::equal(
        frame, frame + frameSize_, lastFrame_.begin(), lastFrame_.end(),
        [&](float found, float left) { return std::abs(found - left) <= unit * (edge + std::abs(left)); });
}

void ScoreDynamicsStepper::checkStart(const float* frame) const {
    for (size_t i = 0; i < frameSize_; ++i)
        if (!std::isfinite(frame[i]))
            throw OpenMMException("ScoreDynamicsIntegrator: the position of the model's atom " +
                                  std::to_string(i / 3) + " is " + std::to_string(frame[i]) +
                                  "; expected a finite number; set the positions of the context.");
    if (frameSize_ > 3 && std::all_of(frame, frame + frameSize_, [](float value) { return value == 0; }))
        throw OpenMMException(
            "ScoreDynamicsIntegrator: all positions are zero; expected a molecule; "
            "call setPositions on the context before the first step.");
    if (const auto violation = guard_.checkFrame(frame, box_.data()))
        throw RejectedStep("ScoreDynamicsIntegrator: the positions are no structure of the model '" +
                           program_->card().name + "': " + violation->describe() +
                           " Set positions of the model's molecule, with its atoms in the model's order, and "
                           "minimise their energy if they were built by hand.");
}

/// The periodic box (3,3), nm, where the program can read it; zeros when the model is not periodic.
const float* ScoreDynamicsStepper::boxInMemory() {
    std::array<float, 9> box{};
    if (program_->card().periodic) {
        Vec3 vectors[3];
        context_.getPeriodicBoxVectors(vectors[0], vectors[1], vectors[2]);
        for (int i = 0; i < 9; ++i) box[i] = static_cast<float>(vectors[i / 3][i % 3]);
    }
    if (boxThere_.size == 0 || box != box_) {
        StepMemory& memory = *program_->memory();
        StepBuffer copy;
        memory.reserve(boxThere_, box.size());
        memory.copy(memory.fromHost(box.data(), box.size(), copy), box.size(), boxThere_.get());
        box_ = box;
    }
    return boxThere_.get();
}

double ScoreDynamicsStepper::computeKineticEnergy() { return kernel().computeKineticEnergy(context_); }

size_t ScoreDynamicsStepper::historySize() const { return history_->size(); }

std::vector<float> ScoreDynamicsStepper::history() {
    const auto selected = kernel().selectProgram();
    boxInMemory();
    const Frame frame = gatherFrame();
    std::vector<float> frames;
    if (isWhereLastStepLeftIt(frame.onHost) && integrator_.getStepSize() == stepSizeOfHistory_) {
        std::vector<float> copy;
        const float* const values = program_->memory()->toHost(history_->data(), historySize(), copy);
        frames.assign(values, values + historySize());
    } else {
        while (frames.size() < historySize())
            frames.insert(frames.end(), frame.onHost, frame.onHost + frameSize_);
    }
    return frames;
}

void ScoreDynamicsStepper::setHistory(const std::vector<float>& frames) {
    if (frames.size() != historySize())
        throw OpenMMException("ScoreDynamicsIntegrator: the history has " + std::to_string(frames.size()) +
                              " numbers; expected " + std::to_string(program_->card().historyLength) +
                              " frames of " + std::to_string(particles_.size()) + " atoms, which are " +
                              std::to_string(historySize()) + "; give frames of shape (H, N, 3).");
    boxInMemory();
    for (size_t begin = 0; begin < frames.size(); begin += frameSize_) {
        const float* const frame = frames.data() + begin;
        const float* const before = begin == 0 ? frame : frame - frameSize_;
        if (const auto violation = guard_.check(before, frame, box_.data()))
            throw OpenMMException("ScoreDynamicsIntegrator: frame " + std::to_string(begin / frameSize_) +
                                  " of the history is none of the model '" + program_->card().name +
                                  "': " + violation->describe() +
                                  " Give consecutive frames, whole molecules in nm, oldest first.");
    }
    placeParticles(frames.data() + frames.size() - frameSize_);
    SamplerState state = this->state();
    state.history = frames;
    setState(std::move(state));
}

void ScoreDynamicsStepper::placeParticles(const float* frame) {
    std::vector<Vec3> positions;
    context_.getPositions(positions);
    for (size_t i = 0; i < particles_.size(); ++i)
        positions[particles_[i]] = Vec3(frame[3 * i], frame[3 * i + 1], frame[3 * i + 2]);
    context_.setPositions(positions);
    context_.computeVirtualSites();
}

SamplerIdentity ScoreDynamicsStepper::identity() const {
    return {integrator_.getModel().sha256(), solverName(integrator_.getSolver()),
            integrator_.getDenoisingSteps(), integrator_.getTemperature(), integrator_.getStepSize()};
}

SamplerState ScoreDynamicsStepper::state() {
    const auto selected = kernel().selectProgram();
    SamplerState state = state_;
    state.identity = identity();
    if (const int asked = integrator_.getSeedSetting(); asked != seedAsked_) state.nextSeed = asked;
    state.counts = counts();
    if (lastFrame_.empty()) return state;
    std::vector<float> copy;
    const float* const frames = program_->memory()->toHost(history_->data(), historySize(), copy);
    state.history.assign(frames, frames + historySize());
    return state;
}

void ScoreDynamicsStepper::setState(SamplerState state) {
    const auto selected = kernel().selectProgram();
    const std::vector<float> frames = std::move(state.history);
    state_ = std::move(state);
    state_.history.clear();
    state_.nextSeed.reset();
    lastFrame_.clear();
    if (!frames.empty()) {
        StepBuffer copy;
        StepMemory& memory = *program_->memory();
        memory.copy(memory.fromHost(frames.data(), frames.size(), copy), frames.size(), history_->data());
        lastFrame_.assign(frames.end() - frameSize_, frames.end());
        stepSizeOfHistory_ = integrator_.getStepSize();
    }
    sampler_.reset();
}

SamplerState ScoreDynamicsStepper::stateToSave() {
    SamplerState state = this->state();
    state.context = ContextRecord::of(context_);
    return state;
}

void ScoreDynamicsStepper::writeCheckpoint(std::ostream& stream) { stateToSave().write(stream); }

void ScoreDynamicsStepper::readCheckpoint(std::istream& stream) {
    SamplerState read = readSamplerState(stream, identity(), historySize());
    if (const auto difference = read.context.differenceOfCheckpoint(ContextRecord::of(context_)))
        throw OpenMMException("ScoreDynamicsIntegrator: the checkpoint is damaged: " + *difference +
                              "; load an earlier one.");
    const bool takesNextSeed = read.nextSeed && *read.nextSeed == uint32_t(seedAsked_);
    if (takesNextSeed) read.seed = state_.seed;
    setState(std::move(read));
}

void ScoreDynamicsStepper::serialize(OpenMM::SerializationNode& node) {
    SamplerState state = stateToSave();
    state.nextSeed.reset();
    state.serialize(node);
}

void ScoreDynamicsStepper::contextChanged(OpenMM::State::DataType part) {
    // Context::setState sets positions first.
    if (part == OpenMM::State::Positions) setWithPositions_ = 0;
    setWithPositions_ |= part;
}

void ScoreDynamicsStepper::requireWholeState(const ContextRecord& saved) {
    const Card& card = program_->card();
    // Where atoms are put in order, molecules move into the box, and round. Frames of a longer history do not
    // move with them.
    const ContextRecord::Rounding rounding{card.periodic ? orderingUnit : 0,
                                           card.periodic && card.historyLength == 1};
    if (const auto difference =
            saved.differenceOfState(ContextRecord::of(context_), setWithPositions_, rounding))
        throw OpenMMException(
            "ScoreDynamicsIntegrator: the State is damaged, or was not saved with positions=True: " +
            *difference +
            "; load an undamaged one that was saved without enforcePeriodicBox, or take over its positions "
            "and velocities alone.");
}

void ScoreDynamicsStepper::deserialize(const OpenMM::SerializationNode& node) {
    std::optional<SamplerState> read = deserializeSamplerState(node, identity(), historySize());
    if (!read) return;
    requireWholeState(read->context);
    uint32_t seed = state_.seed;
    if (const int asked = integrator_.getSeedSetting(); asked != seedAsked_) {
        seed = chooseSeed(asked);
        seedAsked_ = asked;
    }
    if (seed != read->seed) {
        read->seed = seed;
        // Noise that this context has used with the seed is not used again.
        read->step = std::max(read->step, noiseUsed_);
    }
    setState(std::move(*read));
}

}  // namespace ScoreDynPlugin
