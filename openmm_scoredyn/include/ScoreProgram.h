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
/// who can resample.
///
/// Arrays are in the memory of the device, row-major float32: noise and latent (B,D), history (B,H,N,3) in nm
/// with the newest frame last, box (B,3,3) in nm (zeros when not periodic), positions (B,N,3) in nm. The
/// methods throw OpenMMException when the program raises or returns something else than the contract says.
/// They may be called from several threads.
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

    /// What a step begins with, the same for all replicas of a batch but for the arrays.
    struct Situation {
        int batch;
        const float *history, *box;
        double lagTimePs, temperatureK;
    };

    /// What all calls of one step share: history and box, which must stay as they are while it is used, and
    /// what the program makes of the situation, once. One that is not needed any more may be `used` again for
    /// another step.
    struct Condition;
    std::shared_ptr<Condition> condition(const Situation& situation,
                                         std::shared_ptr<Condition> used = nullptr) const;

    /// The latent that the first stage begins with, from standard normals (B,D): for programs with `start`.
    void start(int batch, const float* noise, const Condition& condition, float* latent) const;
    /// Expectation of the clean latent given the noised one: `denoised` (B,D).
    void denoise(int batch, const float* latent, double sigma, const Condition& condition,
                 float* denoised) const;
    /// Positions one lag time later from a clean latent.
    void advance(int batch, const float* latent, const Condition& condition, float* positions) const;

    /// Version of torch this library was compiled against.
    static std::string torchVersion();

private:
    struct Impl;
    std::shared_ptr<const ScoreArchive> archive_;
    std::shared_ptr<StepMemory> memory_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ScoreDynPlugin
