#pragma once

#include <memory>
#include <string>

#include "Device.h"
#include "ScoreArchive.h"
#include "StepMemory.h"

namespace ScoreDynPlugin {

/// A loaded score program: the only class that meets torch, so that another runtime replaces this one file.
///
/// The file is a TorchScript archive or an AOTInductor package; it is loaded once and run in inference mode,
/// and nothing outside this class and its two runtimes can tell which it is. Everything it returns is checked
/// for device, dtype and shape before a pointer to it is used; finite values are the business of the caller,
/// who can redraw.
///
/// Arrays are in the memory of the device, row-major float32: latent (B,M,3), history (B,H,N,3) in nm with
/// the newest frame last, box (3,3) in nm (zeros when not periodic), positions (B,N,3) in nm. The methods
/// throw OpenMMException when the program raises or returns something else than the contract says. They may
/// be called from several threads.
class ScoreProgram {
public:
    /// Load the program onto the device and check that it reproduces the golden triple of its card.
    explicit ScoreProgram(std::shared_ptr<const ScoreArchive> archive, const Device& device = {});
    ~ScoreProgram();

    const ScoreArchive& archive() const { return *archive_; }
    const std::shared_ptr<const ScoreArchive>& archivePointer() const { return archive_; }
    const Card& card() const { return archive_->card(); }
    /// The memory of the device, for the arrays of the methods below.
    const std::shared_ptr<StepMemory>& memory() const { return memory_; }

    /// Number of threads on the host: inside one operation of the network, and of a StepSampler for noise and
    /// guard (1 unless set). The setting of the process is restored after every call.
    void setNumThreads(int numThreads);
    int getNumThreads() const;

    /// What all calls of one step share: the history and the box, which must stay as they are while it
    /// is used, and what the program makes of them once, if it has the methods for that. One that is not
    /// needed any more may be `used` again for another step.
    struct Condition;
    std::shared_ptr<Condition> condition(int batch, const float* history, const float* box,
                                         std::shared_ptr<Condition> used = nullptr) const;

    /// Expectation of the clean latent given the noised one: `denoised` (B,M,3).
    void denoise(int batch, const float* latent, double sigma, const Condition& condition,
                 float* denoised) const;
    /// Positions one lag time later from a clean latent.
    void advance(int batch, const float* latent, const Condition& condition, float* positions) const;
    /// Positions one lag time later from `noise` (B,K,M,3), for programs of kind "transition".
    void propose(int batch, const float* noise, const float* history, const float* box,
                 float* positions) const;

    /// Version of torch this library was compiled against.
    static std::string torchVersion();

private:
    struct Impl;
    std::shared_ptr<const ScoreArchive> archive_;
    std::shared_ptr<StepMemory> memory_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ScoreDynPlugin
