#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "SamplingOptions.h"
#include "ScoreArchive.h"
#include "SolverPlan.h"
#include "StepCounts.h"
#include "openmm/Integrator.h"
#include "openmm/Kernel.h"

namespace ScoreDynPlugin {

class ScoreDynamicsStepper;

/// Advances a System by whole lag times: each step draws the positions one lag time later from a trained
/// model (a score program) and the velocities from the Maxwell-Boltzmann distribution at the model's
/// temperature.
///
/// The step size and the temperature are among those that the model knows; a context is refused when they are
/// set to anything else. All modelled particles move; every other particle must be a virtual site. Forces of
/// the System are not used to move anything, but constraints hold after every step and forces may still be
/// evaluated; a force that no force field makes is refused unless setForcesOnlyReported was called. With a
/// CMMotionRemover in the System the velocities leave the centre of mass at rest. Nothing in the context
/// changes when a step fails.
///
/// Threads that step one integrator take turns.
class ScoreDynamicsIntegrator : public OpenMM::Integrator {
public:
    /// Take solver and denoising steps from the card of the model, and the first step size and temperature
    /// that it knows.
    explicit ScoreDynamicsIntegrator(std::shared_ptr<const ScoreArchive> model);
    /// The same, for the score program at a path.
    explicit ScoreDynamicsIntegrator(const std::string& path);
    ~ScoreDynamicsIntegrator() override;

    /// The score program with its card.
    const ScoreArchive& getModel() const { return *model_; }
    std::shared_ptr<const ScoreArchive> getModelPointer() const { return model_; }

    /// Temperature of the model and of the velocities, K; one that the model knows. Takes effect at the next
    /// step, like the step size, with which the history starts again.
    double getTemperature() const { return temperature_; }
    void setTemperature(double temperature);
    void setStepSize(double size) override;

    /// How steps are drawn. What is set takes effect at the next step.
    const SamplingOptions& getSamplingOptions() const { return options_; }
    /// Set one of SamplingOptions::numbers() by name.
    void setSamplingOption(const std::string& name, int value);

    /// Diffusion solver.
    Solver getSolver() const { return options_.solver; }
    void setSolver(Solver solver);

    /// Evaluations of the network per step, 1 or more; 0 for a model that does without.
    int getDenoisingSteps() const { return options_.denoisingSteps; }
    void setDenoisingSteps(int steps) { setSamplingOption("denoising_steps", steps); }

    /// Draws allowed for one step after the first has been refused by the guard.
    int getMaxResamples() const { return options_.maxResamples; }
    void setMaxResamples(int resamples) { setSamplingOption("max_resamples", resamples); }

    /// Seed of the noise, 0 or more; 0 lets every new context choose one. Takes effect when a context is
    /// created or reinitialized, or a State is loaded.
    ///
    /// In a context the getter gives the seed in use, whether it was set, chosen or came with a checkpoint,
    /// until another one is set. A checkpoint goes on bit for bit, with its own seed. A State goes on bit for
    /// bit where its seed is the one in use, and is the start of another trajectory elsewhere.
    int getRandomNumberSeed() const;
    void setRandomNumberSeed(int seed);
    /// What setRandomNumberSeed was given last.
    int getSeedSetting() const { return seed_; }

    /// Threads used inside one operation of the network, up to maxThreads; 1 unless set. Takes effect at the
    /// next step.
    int getNumThreads() const { return numThreads_; }
    void setNumThreads(int threads);

    /// Indices in the System of the model's particles, in the order of the model; empty (the default) for all
    /// particles in their own order. Takes effect when a context is created or reinitialized.
    const std::vector<int>& getParticles() const { return particles_; }
    void setParticles(const std::vector<int>& particles);

    /// Whether the System may hold forces that no force field makes, as restraints and biases, although no
    /// step feels them: their energies are reported. Takes effect when a context is created or reinitialized.
    bool getForcesOnlyReported() const { return forcesOnlyReported_; }
    void setForcesOnlyReported(bool only) { forcesOnlyReported_ = only; }

    /// The last frames (H,N,3) nm, newest last, that the next step is conditioned on: the present positions
    /// alone, H times, where they were set after the last step. Needs a context.
    std::vector<float> getHistory() const;
    /// Go on from these frames, consecutive ones of whole molecules; the modelled particles move to the
    /// newest. Needs a context.
    void setHistory(const std::vector<float>& frames);

    /// Whether serialization embeds the model itself instead of its path and SHA-256. A model without a path
    /// is always embedded.
    bool getEmbedModel() const { return embedModel_ || model_->path().empty(); }
    void setEmbedModel(bool embed) { embedModel_ = embed; }

    /// What the guard rejected since the context was created. Zero without a context.
    StepCounts getStepCounts() const;

    /// How the platform is given the steps of this context: "plain", operation by operation; "recorded", as a
    /// whole; or "plain: " and why a step could not be recorded.
    std::string getRecordingStatus() const;

    /// Advance by a number of steps. Throws OpenMMException when a step fails.
    void step(int steps) override;

    /// Advance by one step if the model can make it; otherwise why not, with nothing changed: the guard
    /// rejected the present frame, or every draw that is allowed. Throws OpenMMException for any other
    /// reason.
    std::optional<std::string> tryStep();

    /// Have another integrator of the same CompoundIntegrator make the next step, in `steps` steps of its
    /// own, which add up to this one's step size. It counts as one step, and its noise stays unused.
    void handOver(OpenMM::Integrator& dynamics, int steps);
    /// Steps of this context that were handed over. Zero without a context.
    long long getNumHandedOverSteps() const;

protected:
    void initialize(OpenMM::ContextImpl& context) override;
    void cleanup() override;
    void stateChanged(OpenMM::State::DataType changed) override;
    std::vector<std::string> getKernelNames() override;
    double computeKineticEnergy() override;
    bool kineticEnergyRequiresForce() const override { return false; }
    void createCheckpoint(std::ostream& stream) const override;
    void loadCheckpoint(std::istream& stream) override;
    void serializeParameters(OpenMM::SerializationNode& node) const override;
    void deserializeParameters(const OpenMM::SerializationNode& node) override;

private:
    void settingsChanged();
    ScoreDynamicsStepper& stepper(const char* method) const;

    std::shared_ptr<const ScoreArchive> model_;
    double temperature_;
    SamplingOptions options_;
    int seed_ = 0, numThreads_ = 1;
    bool embedModel_ = false, forcesOnlyReported_ = false;
    std::vector<int> particles_;
    std::unique_ptr<ScoreDynamicsStepper> stepper_;
    mutable std::mutex mutex_;  // one thread at a time meets the stepper
};

}  // namespace ScoreDynPlugin
