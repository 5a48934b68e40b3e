#include "ScoreDynamicsIntegrator.h"

#include <sstream>
#include <utility>

#include "ContextChecks.h"
#include "ScoreDynamicsKernels.h"
#include "ScoreDynamicsStepper.h"
#include "openmm/Context.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

void requireAtLeast(int minimum, int value, const char* what, const char* setter) {
    if (value >= minimum) return;
    std::ostringstream text;
    text << "ScoreDynamicsIntegrator: " << what << " is " << value << "; expected " << minimum
         << " or more; call " << setter << '(' << minimum << ").";
    throw OpenMMException(text.str());
}

}  // namespace

ScoreDynamicsIntegrator::ScoreDynamicsIntegrator(std::shared_ptr<const ScoreArchive> model)
    : model_(std::move(model)),
      temperature_(model_->card().temperaturesK.first()),
      solver_(parseSolver(model_->card().solver)),
      denoisingSteps_(model_->card().denoisingSteps) {
    setStepSize(model_->card().lagTimesPs.first());
    setConstraintTolerance(1e-5);
}

ScoreDynamicsIntegrator::ScoreDynamicsIntegrator(const std::string& path)
    : ScoreDynamicsIntegrator(ScoreArchive::fromFile(path)) {}

ScoreDynamicsIntegrator::~ScoreDynamicsIntegrator() = default;

void ScoreDynamicsIntegrator::setTemperature(double temperature) {
    if (!(temperature > 0))
        throw OpenMMException("ScoreDynamicsIntegrator: the temperature is " + std::to_string(temperature) +
                              " K; expected a positive number; set the model's.");
    temperature_ = temperature;
}

void ScoreDynamicsIntegrator::setSolver(Solver solver) {
    requireSolver(model_->card(), solverName(solver));
    solver_ = solver;
    if (stepper_) stepper_->settingsChanged();
}

void ScoreDynamicsIntegrator::setDenoisingSteps(int steps) {
    // A model that does its step in one go takes none.
    requireAtLeast(model_->card().denoisingSteps > 0, steps, "the number of denoising steps",
                   "setDenoisingSteps");
    denoisingSteps_ = steps;
    if (stepper_) stepper_->settingsChanged();
}

void ScoreDynamicsIntegrator::setRandomNumberSeed(int seed) {
    requireAtLeast(0, seed, "the random number seed", "setRandomNumberSeed");
    seed_ = seed;
}

void ScoreDynamicsIntegrator::setMaxRedraws(int redraws) {
    requireAtLeast(0, redraws, "the number of redraws", "setMaxRedraws");
    maxRedraws_ = redraws;
    if (stepper_) stepper_->settingsChanged();
}

void ScoreDynamicsIntegrator::setNumThreads(int threads) {
    requireAtLeast(1, threads, "the number of threads", "setNumThreads");
    numThreads_ = threads;
    if (stepper_) stepper_->settingsChanged();
}

void ScoreDynamicsIntegrator::setParticles(const std::vector<int>& particles) {
    for (int particle : particles)
        if (particle < 0)
            throw OpenMMException("ScoreDynamicsIntegrator: a particle index is " + std::to_string(particle) +
                                  "; expected 0 or more; correct the indices given to setParticles.");
    particles_ = particles;
}

StepCounts ScoreDynamicsIntegrator::getStepCounts() const {
    return stepper_ ? stepper_->counts() : StepCounts{};
}

std::string ScoreDynamicsIntegrator::getRecordingStatus() const {
    return stepper_ ? stepper_->recordingStatus() : "plain";
}

void ScoreDynamicsIntegrator::initialize(OpenMM::ContextImpl& contextImpl) {
    if (owner != nullptr && &contextImpl.getOwner() != owner)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: this integrator is already bound to a context; "
            "create one integrator per context.");
    checkContext(contextImpl.getSystem(), *this);
    stepper_ = std::make_unique<ScoreDynamicsStepper>(contextImpl, *this);
    context = &contextImpl;
    owner = &contextImpl.getOwner();
}

void ScoreDynamicsIntegrator::cleanup() { stepper_.reset(); }

std::vector<std::string> ScoreDynamicsIntegrator::getKernelNames() {
    return {IntegrateScoreDynamicsStepKernel::Name()};
}

double ScoreDynamicsIntegrator::computeKineticEnergy() { return stepper_->computeKineticEnergy(); }

void ScoreDynamicsIntegrator::step(int steps) {
    if (context == nullptr || !stepper_)
        throw OpenMMException(
            "ScoreDynamicsIntegrator: this integrator is not bound to a context; "
            "create a Context with it before calling step().");
    for (int i = 0; i < steps; ++i) stepper_->step();
}

void ScoreDynamicsIntegrator::createCheckpoint(std::ostream& stream) const {
    stepper_->state().write(stream);
}

void ScoreDynamicsIntegrator::loadCheckpoint(std::istream& stream) {
    SamplerState state = stepper_->state();
    state.read(stream);
    stepper_->setState(state);
}

void ScoreDynamicsIntegrator::serializeParameters(OpenMM::SerializationNode& node) const {
    stepper_->state().serialize(node);
}

void ScoreDynamicsIntegrator::deserializeParameters(const OpenMM::SerializationNode& node) {
    SamplerState state = stepper_->state();
    if (state.deserialize(node)) stepper_->setState(state);
}

}  // namespace ScoreDynPlugin
