#include "StepSampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <utility>

#include "Noise.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

StepSampler::StepSampler(std::shared_ptr<const ScoreProgram> program, const SamplerSettings& settings)
    : program_(std::move(program)), settings_(settings), guard_(program_->card()) {
    const Card& card = program_->card();
    frameSize_ = size_t(card.numParticles()) * 3;
    historySize_ = card.historyLength * frameSize_;
    latentSize_ = size_t(card.latentSize) * 3;
    if (card.kind == "denoiser")
        plan_ = makeSolverPlan(settings.solver, settings.denoisingSteps, card.sigmaMin, card.sigmaMax,
                               card.sigmaData);
    const auto noisy = std::count_if(plan_.begin(), plan_.end(), [](const Stage& s) { return s.noise != 0; });
    noiseSize_ = card.kind == "transition" ? card.noiseCount * latentSize_ : noisy * latentSize_;
}

void StepSampler::reserve(int batch) {
    if (proposal_.size() >= batch * frameSize_) return;
    activeHistory_.resize(batch * historySize_);
    proposal_.resize(batch * frameSize_);
    noise_.resize(batch * noiseSize_);
    for (auto* buffer : {&latent_, &anchor_, &denoised_, &previous_}) buffer->resize(batch * latentSize_);
}

void StepSampler::step(uint64_t step, int batch, const float* history, const float* box, float* after) {
    reserve(batch);
    active_.resize(batch);
    std::iota(active_.begin(), active_.end(), 0);
    for (uint32_t redraw = 0; !active_.empty(); ++redraw) {
        if (redraw > 0) counts_.redraws += static_cast<long long>(active_.size());
        const float* activeHistory = gatherHistory(batch, history);
        propose(step, redraw, activeHistory, box);
        keepAccepted(step, redraw, activeHistory, after);
    }
}

/// History of the active replicas; the caller's own array as long as all are active.
const float* StepSampler::gatherHistory(int batch, const float* history) {
    if (active_.size() == size_t(batch)) return history;
    for (size_t i = 0; i < active_.size(); ++i)
        std::copy_n(history + active_[i] * historySize_, historySize_, &activeHistory_[i * historySize_]);
    return activeHistory_.data();
}

void StepSampler::propose(uint64_t step, uint32_t redraw, const float* history, const float* box) {
    const int batch = static_cast<int>(active_.size());
    if (program_->card().kind == "transition") {
        drawNoise(step, redraw, initialStage, noiseSize_, noise_.data());
        program_->propose(batch, noise_.data(), history, box, proposal_.data());
        return;
    }
    runSolver(step, redraw, history, box);
    program_->advance(batch, latent_.data(), history, box, proposal_.data());
    // A program could hide a latent that is not a number behind finite positions.
    markNotFinite(latent_.data(), latentSize_, frameSize_);
}

void StepSampler::runSolver(uint64_t step, uint32_t redraw, const float* history, const float* box) {
    const int batch = static_cast<int>(active_.size());
    const size_t size = batch * latentSize_;
    drawSolverNoise(step, redraw);
    std::fill_n(anchor_.begin(), size, 0.0f);
    std::fill_n(previous_.begin(), size, 0.0f);

    const float* noise = noise_.data();
    for (const Stage& stage : plan_) {
        program_->denoise(batch, latent_.data(), stage.sigma, history, box, denoised_.data());
        const float x = stage.current, a = stage.anchor, d = stage.denoised, p = stage.previous,
                    n = stage.noise;
        for (size_t i = 0; i < size; ++i) {
            const float began = latent_[i];
            latent_[i] = x * began + a * anchor_[i] + d * denoised_[i] + p * previous_[i];
            if (stage.setAnchor) anchor_[i] = began;
        }
        if (stage.noise != 0) {
            for (size_t i = 0; i < size; ++i) latent_[i] += n * noise[i];
            noise += size;
        }
        std::swap(previous_, denoised_);
    }
}

/// The latent at the largest noise level, and the noise of all stages that have some, one after the other.
void StepSampler::drawSolverNoise(uint64_t step, uint32_t redraw) {
    const size_t size = active_.size() * latentSize_;
    drawNoise(step, redraw, initialStage, latentSize_, latent_.data());
    const float sigmaMax = static_cast<float>(program_->card().sigmaMax);
    for (size_t i = 0; i < size; ++i) latent_[i] *= sigmaMax;
    float* noise = noise_.data();
    for (size_t s = 0; s < plan_.size(); ++s) {
        if (plan_[s].noise == 0) continue;
        drawNoise(step, redraw, static_cast<uint32_t>(initialStage + 1 + s), latentSize_, noise);
        noise += size;
    }
}

/// Standard normals for the active replicas, (active, count).
void StepSampler::drawNoise(uint64_t step, uint32_t redraw, uint32_t stage, size_t count,
                            float* noise) const {
    for (size_t i = 0; i < active_.size(); ++i) {
        const uint32_t replica = settings_.firstReplica + static_cast<uint32_t>(active_[i]);
        fillNormal({settings_.seed, replica, step, redraw, stage}, noise + i * count, count);
    }
}

/// Copy the accepted proposals to `after`; the refused replicas stay active.
void StepSampler::keepAccepted(uint64_t step, uint32_t redraw, const float* history, float* after) {
    size_t refused = 0;
    for (size_t i = 0; i < active_.size(); ++i) {
        const float* newest = history + (i + 1) * historySize_ - frameSize_;
        const float* proposal = &proposal_[i * frameSize_];
        if (const auto violation = guard_.check(newest, proposal)) {
            count(*violation, redraw);
            if (redraw >= static_cast<uint32_t>(settings_.maxRedraws)) giveUp(step, active_[i], *violation);
            active_[refused++] = active_[i];
        } else {
            std::copy_n(proposal, frameSize_, after + active_[i] * frameSize_);
        }
    }
    active_.resize(refused);
}

/// Turn the proposal of every replica with a non-finite value into NaN, for the guard to find.
void StepSampler::markNotFinite(const float* values, size_t count, size_t stride) {
    for (size_t i = 0; i < active_.size(); ++i) {
        const float* begin = values + i * count;
        if (!std::all_of(begin, begin + count, [](float v) { return std::isfinite(v); }))
            std::fill_n(&proposal_[i * stride], stride, std::numeric_limits<float>::quiet_NaN());
    }
}

void StepSampler::count(const Violation& violation, uint32_t redraw) {
    if (redraw == 0) ++counts_.rejectedSteps;
    switch (violation.kind) {
        case Violation::Kind::NotFinite:
            ++counts_.notFinite;
            break;
        case Violation::Kind::Bond:
            ++counts_.bond;
            break;
        case Violation::Kind::Chirality:
            ++counts_.chirality;
            break;
        case Violation::Kind::Displacement:
            ++counts_.displacement;
            break;
    }
}

void StepSampler::giveUp(uint64_t step, int replica, const Violation& violation) const {
    std::ostringstream text;
    text << "StepSampler: no acceptable draw for step " << step << " of replica "
         << settings_.firstReplica + replica << " with '" << program_->card().name << "' in "
         << settings_.maxRedraws + 1 << " draws; the last was refused: " << violation.describe()
         << " Start from a structure like those the model was trained on, call setMaxRedraws "
         << "with a larger number, or use another model.";
    throw OpenMM::OpenMMException(text.str());
}

}  // namespace ScoreDynPlugin
