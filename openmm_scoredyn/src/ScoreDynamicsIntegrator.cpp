#include "ScoreDynamicsIntegrator.h"

#include <utility>

#include "ContextChecks.h"
#include "RejectedStep.h"
#include "ScoreDynamicsKernels.h"
#include "ScoreDynamicsStepper.h"
#include "Threads.h"
#include "openmm/Context.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

constexpr const char* className = "ScoreDynamicsIntegrator";

}  // namespace

ScoreDynamicsIntegrator::ScoreDynamicsIntegrator(std::shared_ptr<const ScoreArchive> model)
    : model_(std::move(model)),
      temperature_(model_->card().temperaturesK.first()),
      options_(SamplingOptions::recommended(model_->card())) {
    setStepSize(model_->card().lagTimePs);
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
    settingsChanged();
}

void ScoreDynamicsIntegrator::setStepSize(double size) {
    Integrator::setStepSize(size);
    settingsChanged();
}

void ScoreDynamicsIntegrator::setSolver(Solver solver) {
    options_.set(model_->card(), solver);
    settingsChanged();
}

void ScoreDynamicsIntegrator::setSamplingOption(const std::string& name, int value) {
    options_.set(className, model_->card(), SamplingOptions::number(name), value);
    settingsChanged();
}

int ScoreDynamicsIntegrator::getRandomNumberSeed() const {
    return stepper_ && stepper_->seedAsked() == seed_ ? static_cast<int>(stepper_->seed()) : seed_;
}

void ScoreDynamicsIntegrator::setRandomNumberSeed(int seed) {
    if (seed < 0)
        throw OpenMMException("ScoreDynamicsIntegrator: the random number seed is " + std::to_string(seed) +
                              "; expected 0 or more; call setRandomNumberSeed(0).");
    seed_ = seed;
}

void ScoreDynamicsIntegrator::setNumThreads(int threads) {
    requireThreadCount("ScoreDynamicsIntegrator", threads);
    numThreads_ = threads;
    settingsChanged();
}

void ScoreDynamicsIntegrator::setParticles(const std::vector<int>& particles) {
    for (int particle : particles)
        if (particle < 0)
            throw OpenMMException("ScoreDynamicsIntegrator: a particle index is " + std::to_string(particle) +
                                  "; expected 0 or more; correct the indices given to setParticles.");
    particles_ = particles;
}

void ScoreDynamicsIntegrator::settingsChanged() {
    const std::lock_guard lock(mutex_);
    if (stepper_) stepper_->settingsChanged();
}

ScoreDynamicsStepper& ScoreDynamicsIntegrator::stepper(const char* method) const {
    if (context != nullptr && stepper_) return *stepper_;
    throw OpenMMException(
        "ScoreDynamicsIntegrator: this integrator is not bound to a context; "
        "create a Context with it before calling " +
        std::string(method) + "().");
}

std::vector<float> ScoreDynamicsIntegrator::getHistory() const {
    const std::lock_guard lock(mutex_);
    return stepper("getHistory").history();
}

void ScoreDynamicsIntegrator::setHistory(const std::vector<float>& frames) {
    const std::lock_guard lock(mutex_);
    stepper("setHistory").setHistory(frames);
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

void ScoreDynamicsIntegrator::stateChanged(OpenMM::State::DataType changed) {
    // No lock: the stepper itself sets positions, and changing a context is no business of several threads.
    if (stepper_) stepper_->contextChanged(changed);
}

std::vector<std::string> ScoreDynamicsIntegrator::getKernelNames() {
    return {IntegrateScoreDynamicsStepKernel::Name()};
}

double ScoreDynamicsIntegrator::computeKineticEnergy() { return stepper_->computeKineticEnergy(); }

void ScoreDynamicsIntegrator::step(int steps) {
    for (int i = 0; i < steps; ++i) {
        const std::lock_guard lock(mutex_);
        stepper("step").step();
    }
}

std::optional<std::string> ScoreDynamicsIntegrator::tryStep() {
    try {
        step(1);
        return std::nullopt;
    } catch (const RejectedStep& rejected) {
        return rejected.what();
    }
}

void ScoreDynamicsIntegrator::handOver(OpenMM::Integrator& dynamics, int steps) {
    const std::lock_guard lock(mutex_);
    stepper("handOver").handOver(dynamics, steps);
}

long long ScoreDynamicsIntegrator::getNumHandedOverSteps() const {
    return stepper_ ? static_cast<long long>(stepper_->numHandedOver()) : 0;
}

void ScoreDynamicsIntegrator::createCheckpoint(std::ostream& stream) const {
    const std::lock_guard lock(mutex_);
    stepper_->writeCheckpoint(stream);
}

void ScoreDynamicsIntegrator::loadCheckpoint(std::istream& stream) {
    const std::lock_guard lock(mutex_);
    stepper_->readCheckpoint(stream);
}

void ScoreDynamicsIntegrator::serializeParameters(OpenMM::SerializationNode& node) const {
    const std::lock_guard lock(mutex_);
    stepper_->serialize(node);
}

void ScoreDynamicsIntegrator::deserializeParameters(const OpenMM::SerializationNode& node) {
    const std::lock_guard lock(mutex_);
    stepper_->deserialize(node);
}

}  // namespace ScoreDynPlugin
