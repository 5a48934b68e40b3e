#include "StepSampler.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <sstream>
#include <utility>

#include "AllFinite.h"
#include "Noise.h"
#include "RejectedStep.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

constexpr size_t boxSize = 9;  // floats

/// Noise of a refinement over the spread of clean latents, and its evaluations of the network: enough to put
/// right what is stiff, such as a bond, and little to what is not.
constexpr double refinementNoise = 0.3;
constexpr int refinementSteps = 2;

const Violation hiddenNotFinite{Cause::NotFinite, {0}, std::numeric_limits<double>::quiet_NaN(), 0};

/// Call use(i, count) for every run of neighbours replicas[i], replicas[i] + 1, ..., so that arrays of them
/// are copied run by run.
template <typename Use>
void forNeighbours(const std::vector<int>& replicas, const Use& use) {
    for (size_t i = 0, end; i < replicas.size(); i = end) {
        for (end = i + 1; end < replicas.size() && replicas[end] == replicas[end - 1] + 1;) ++end;
        use(i, end - i);
    }
}

void requireNoStages(const Card& card, int denoisingSteps) {
    if (denoisingSteps != 0)
        throw OpenMM::OpenMMException(
            "StepSampler: the model '" + card.name +
            "' does its step without denoising; expected 0 denoising steps, found " +
            std::to_string(denoisingSteps) + "; leave the number as the model sets it.");
}

}  // namespace

StepSampler::StepSampler(std::shared_ptr<const ScoreProgram> program, const SamplerSettings& settings,
                         std::shared_ptr<StepMemory> memory)
    : program_(std::move(program)),
      memory_(memory ? std::move(memory) : program_->memory()),
      settings_(settings),
      guard_(program_->card().numParticles(), settings.guarded ? program_->card().guard : GuardRules::none()),
      noiseStages_{initialStage},
      proposing_(memory_, [this](const RecordedWork::Arrays& arrays) { evaluate(arrays); }) {
    const Card& card = program_->card();
    frameSize_ = size_t(card.numParticles()) * 3;
    historySize_ = card.historyLength * frameSize_;
    latentSize_ = card.latentSize;
    if (card.denoisingSteps == 0) {
        requireNoStages(card, settings.options.denoisingSteps);
        return;
    }
    requireSolver(card, solverName(settings.options.solver));
    plan_ = makeSolverPlan(settings.options.solver, settings.options.denoisingSteps, card.sigmaMin,
                           card.sigmaMax, card.sigmaData);
    for (size_t s = 0; s < plan_.size(); ++s)
        if (plan_[s].noise != 0) noiseStages_.push_back(static_cast<uint32_t>(initialStage + 1 + s));
    if (settings.options.refinements > 0) planRefinement(card);
}

void StepSampler::planRefinement(const Card& card) {
    const std::string solver = "trig_2m";
    requireSolver(card, solver);
    refinementSigma_ = std::max(refinementNoise * card.sigmaData, 2 * card.sigmaMin);
    refinementPlan_ =
        makeSolverPlan(parseSolver(solver), refinementSteps, card.sigmaMin, refinementSigma_, card.sigmaData);
}

void StepSampler::reserve(int batch) {
    if (reserved_ >= batch) return;
    reserved_ = batch;
    proposing_.forget();
    memory_->reserve(proposal_, batch * frameSize_);
    if (batch > 1) {  // a single replica is active or done
        memory_->reserve(activeHistory_, batch * historySize_);
        memory_->reserve(activeBox_, batch * boxSize);
    }
    if (historySize_ > frameSize_) memory_->reserve(newest_, batch * frameSize_);
    if (!refinementPlan_.empty()) memory_->reserve(rejected_, batch * latentSize_);
    noise_.resize(batch * latentSize_ * noiseStages_.size());
    for (auto* buffer : {&latent_, &next_, &anchor_, &denoised_, &previous_})
        memory_->reserve(*buffer, batch * latentSize_);
}

void StepSampler::step(uint64_t step, int batch, const float* history, const float* box, float* after) {
    reserve(batch);
    active_.resize(batch);
    std::iota(active_.begin(), active_.end(), 0);
    for (uint32_t resample = 0; !active_.empty(); ++resample) {
        if (resample > 0) counts_.rejectedDraws += static_cast<long long>(active_.size());
        const float* activeHistory = gather(batch, history, historySize_, activeHistory_);
        const float* activeBox = gather(batch, box, boxSize, activeBox_);
        const float* noise = drawNoise(step, resample);
        if (isRefinement(resample)) {
            counts_.refinedDraws += static_cast<long long>(active_.size());
            refine(noise, activeHistory, activeBox);
        } else
            propose(batch, noise, activeHistory, activeBox);
        keepAccepted(step, resample, activeHistory, activeBox, after);
    }
}

/// What the active replicas have of `values`, `size` floats each; the caller's own array while all are
/// active.
const float* StepSampler::gather(int batch, const float* values, size_t size, StepBuffer& buffer) {
    if (active_.size() == size_t(batch)) return values;
    forNeighbours(active_, [&](size_t i, size_t count) {
        memory_->copy(values + active_[i] * size, count * size, buffer.get() + i * size);
    });
    return buffer.get();
}

/// Call work(i) for every active replica active_[i], on the threads that the program may use. None of it may
/// depend on another.
template <typename Work>
void StepSampler::forActive(const Work& work) {
    threads_.run(static_cast<int>(active_.size()), program_->getNumThreads(), [&](int begin, int end) {
        for (int i = begin; i < end; ++i) work(size_t(i));
    });
}

/// Standard normals of one draw for the active replicas, (noise stages, active, D), in the memory of
/// the program.
const float* StepSampler::drawNoise(uint64_t step, uint32_t resample) {
    const size_t size = active_.size() * latentSize_;
    forActive([&](size_t i) {
        const uint32_t replica = settings_.firstReplica + static_cast<uint32_t>(active_[i]);
        for (size_t k = 0; k < noiseStages_.size(); ++k)
            fillNormal({settings_.seed, replica, step, resample, noiseStages_[k]},
                       noise_.data() + k * size + i * latentSize_, latentSize_);
    });
    return memory_->fromHost(noise_.data(), noiseStages_.size() * size, noiseCopy_);
}

/// Whether an attempt refines the one before: so many of them follow a draw.
bool StepSampler::isRefinement(uint32_t resample) const {
    return resample % (static_cast<uint32_t>(settings_.options.refinements) + 1) != 0;
}

/// Denoise the rejected latents of the active replicas again, from a little noise on.
void StepSampler::refine(const float* noise, const float* history, const float* box) {
    const RecordedWork::Arrays a{static_cast<int>(active_.size()), noise, history, box};
    takeCondition(a);
    memory_->combine({{1.0f, rejected_.get()}, {static_cast<float>(refinementSigma_), a.noise}},
                     a.batch * latentSize_, latent_.get());
    drawn_ = denoiseAndAdvance(refinementPlan_, a);
}

/// A recording is of all `batch` replicas: the few of them that are resampled are drawn operation by
/// operation beside it, and it is there for the next step.
void StepSampler::propose(int batch, const float* noise, const float* history, const float* box) {
    const RecordedWork::Arrays arrays{static_cast<int>(active_.size()), noise, history, box};
    if (arrays.batch < batch)
        evaluate(arrays);
    else
        proposing_.run(arrays, proposal_.get(), batch * frameSize_);
    drawn_ = proposed_;  // a replayed recording says nothing of where it put them, and a refinement may have
                         // put its own elsewhere
}

/// What of a draw the device does by itself, with the same arrays from step to step.
void StepSampler::evaluate(const RecordedWork::Arrays& a) {
    takeCondition(a);
    beginLatent(a);
    proposed_ = denoiseAndAdvance(plan_, a);
}

/// What all evaluations of an attempt share.
void StepSampler::takeCondition(const RecordedWork::Arrays& a) {
    condition_ = program_->condition({a.batch, a.history, a.box, settings_.lagTimePs, settings_.temperatureK},
                                     std::move(condition_));
}

/// From the latent on to the proposals; returns the clean latents.
const float* StepSampler::denoiseAndAdvance(const std::vector<Stage>& plan, const RecordedWork::Arrays& a) {
    const float* clean = runSolver(plan, a);
    program_->advance(a.batch, clean, *condition_, proposal_.get());
    return clean;
}

/// The latent that the first stage begins with: the program's own, or noise of the largest level.
void StepSampler::beginLatent(const RecordedWork::Arrays& a) {
    if (program_->card().hasStart)
        program_->start(a.batch, a.noise, *condition_, latent_.get());
    else
        memory_->combine({{static_cast<float>(program_->card().sigmaMax), a.noise}}, a.batch * latentSize_,
                         latent_.get());
}

/// Returns the clean latents (B,D), of a plan in the same one of the buffers every time.
const float* StepSampler::runSolver(const std::vector<Stage>& plan, const RecordedWork::Arrays& a) {
    const size_t size = a.batch * latentSize_;
    const float* noise = a.noise;
    float *latent = latent_.get(), *next = next_.get(), *anchor = anchor_.get(), *denoised = denoised_.get(),
          *previous = previous_.get();
    for (const Stage& stage : plan) {
        program_->denoise(a.batch, latent, stage.sigma, *condition_, denoised);
        if (stage.noise != 0) noise += size;
        memory_->combine({{float(stage.current), latent},
                          {float(stage.anchor), anchor},
                          {float(stage.denoised), denoised},
                          {float(stage.previous), previous},
                          {float(stage.noise), noise}},
                         size, next);
        if (stage.setAnchor) std::swap(anchor, latent);
        std::swap(latent, next);
        std::swap(previous, denoised);
    }
    return latent;
}

/// Newest frames of the active replicas (active,N,3), on the host.
const float* StepSampler::newestOnHost(const float* history) {
    const size_t batch = active_.size(), older = historySize_ - frameSize_;
    if (older > 0) {
        memory_->copyRows(history + older, historySize_, frameSize_, batch, newest_.get(), frameSize_);
        history = newest_.get();
    }
    return memory_->toHost(history, batch * frameSize_, hostNewest_);
}

/// Hold every proposal against the guard.
void StepSampler::judge(const float* history, const float* box) {
    const size_t batch = active_.size();
    // What lies in host memory already is looked at where it is.
    const float* newest = newestOnHost(history);
    const float* proposals = memory_->toHost(proposal_.get(), batch * frameSize_, hostProposal_);
    const float* latents = memory_->toHost(drawn_, batch * latentSize_, hostLatent_);
    const float* boxes =
        program_->card().periodic ? memory_->toHost(box, batch * boxSize, hostBox_) : nullptr;
    verdicts_.resize(batch);
    forActive([&](size_t i) {
        verdicts_[i] = guard_.check(newest + i * frameSize_, proposals + i * frameSize_,
                                    boxes ? boxes + i * boxSize : nullptr);
        // A program could hide a latent that is not a number behind finite positions.
        if (!allFinite(latents + i * latentSize_, latentSize_)) verdicts_[i] = hiddenNotFinite;
    });
}

/// Copy the proposals to `after`, of which the refused ones are written over by later draws: their replicas
/// stay active.
void StepSampler::keepAccepted(uint64_t step, uint32_t resample, const float* history, const float* box,
                               float* after) {
    forNeighbours(active_, [&](size_t i, size_t count) {
        memory_->copy(proposal_.get() + i * frameSize_, count * frameSize_, after + active_[i] * frameSize_);
    });
    judge(history, box);
    size_t refused = 0;
    for (size_t i = 0; i < verdicts_.size(); ++i) {
        if (!verdicts_[i]) continue;
        count(*verdicts_[i], resample);
        if (resample >= static_cast<uint32_t>(settings_.options.maxResamples))
            giveUp(step, active_[i], *verdicts_[i]);
        if (!refinementPlan_.empty())
            memory_->copy(drawn_ + i * latentSize_, latentSize_, rejected_.get() + refused * latentSize_);
        active_[refused++] = active_[i];
    }
    active_.resize(refused);
}

void StepSampler::count(const Violation& violation, uint32_t resample) {
    if (resample == 0) ++counts_.rejectedSteps;
    ++counts_.of(violation.cause);
}

void StepSampler::giveUp(uint64_t step, int replica, const Violation& violation) const {
    std::ostringstream text;
    text << "StepSampler: no acceptable draw for step " << step << " of replica "
         << settings_.firstReplica + replica << " with '" << program_->card().name << "' in "
         << settings_.options.maxResamples + 1 << " draws; the last was rejected: " << violation.describe()
         << " Start from a structure like those the model was trained on, call setMaxResamples "
         << "with a larger number, or use another model.";
    throw RejectedStep(text.str());
}

}  // namespace ScoreDynPlugin
