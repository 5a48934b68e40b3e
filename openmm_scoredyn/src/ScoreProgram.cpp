#include "ScoreProgram.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/version.h>

#include <cstring>
#include <sstream>
#include <utility>
#include <vector>

#include "GoldenCheck.h"
#include "ProgramRuntime.h"
#include "TorchErrors.h"
#include "TorchThreads.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

const char* const cardRecord = "extra/scoredyn.json";
const char* const packageRecord = "archive_format";  // of torch.export's packages alone

at::Tensor view(const float* data, at::IntArrayRef shape) {
    // torch has no read-only tensors; the contract says that programs are pure.
    return at::from_blob(const_cast<float*>(data), shape, at::kFloat);
}

std::string shapeText(at::IntArrayRef shape) {
    std::ostringstream text;
    text << '(';
    for (size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "") << shape[i];
    text << ')';
    return text.str();
}

}  // namespace

struct ScoreProgram::Impl {
    std::unique_ptr<ProgramRuntime> runtime;
    std::string name;
    int numThreads = 1;

    void call(const char* method, const std::vector<at::Tensor>& arguments, at::IntArrayRef shape,
              float* result) const;
    void copyChecked(const char* method, const c10::IValue& value, at::IntArrayRef shape,
                     float* result) const;
};

void ScoreProgram::Impl::call(const char* method, const std::vector<at::Tensor>& arguments,
                              at::IntArrayRef shape, float* result) const {
    try {
        const c10::InferenceMode inference;
        const ThreadCount threads(numThreads);
        copyChecked(method, runtime->run(method, arguments), shape, result);
    } catch (const OpenMMException&) {
        throw;
    } catch (const std::exception& error) {
        throw OpenMMException("ScoreProgram: the method `" + std::string(method) + "` of " + name +
                              " raised an error: " + reason(error) +
                              " Correct the module and export it again.");
    }
}

void ScoreProgram::Impl::copyChecked(const char* method, const c10::IValue& value, at::IntArrayRef shape,
                                     float* result) const {
    const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found) {
        throw OpenMMException("ScoreProgram: the method `" + std::string(method) + "` of " + name +
                              " returned " + what + "; expected " + expected + ", found " + found +
                              "; correct the module and export it again.");
    };
    if (!value.isTensor()) refuse("something else than a tensor", "a tensor", value.tagKind());
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.device().is_cpu()) refuse("a tensor on the wrong device", "cpu", tensor.device().str());
    if (tensor.scalar_type() != at::kFloat)
        refuse("the wrong dtype", "float32", std::string(c10::toString(tensor.scalar_type())));
    if (tensor.sizes() != shape) refuse("the wrong shape", shapeText(shape), shapeText(tensor.sizes()));
    const at::Tensor contiguous = tensor.contiguous();
    std::memcpy(result, contiguous.const_data_ptr<float>(), contiguous.nbytes());
}

ScoreProgram::ScoreProgram(std::shared_ptr<const ScoreArchive> archive)
    : archive_(std::move(archive)), impl_(std::make_unique<Impl>()) {
    impl_->name = "'" + card().name + "'";
    const std::vector<ProgramMethod> methods =
        card().kind == "denoiser" ? std::vector<ProgramMethod>{{"denoise", 4}, {"advance", 3}}
                                  : std::vector<ProgramMethod>{{"propose", 3}};
    impl_->runtime = archive_->holdsNativeCode() ? loadInductorPackage(*archive_, methods)
                                                 : loadTorchScript(*archive_, methods);
    checkGolden(*this);
}

ScoreProgram::~ScoreProgram() = default;

void ScoreProgram::setNumThreads(int numThreads) {
    if (numThreads < 1)
        throw OpenMMException("ScoreProgram: the number of threads is " + std::to_string(numThreads) +
                              "; expected 1 or more; call setNumThreads(1).");
    impl_->numThreads = numThreads;
}

int ScoreProgram::getNumThreads() const { return impl_->numThreads; }

void ScoreProgram::denoise(int batch, const float* latent, double sigma, const float* history,
                           const float* box, float* denoised) const {
    const Card& c = card();
    impl_->call("denoise",
                {view(latent, {batch, c.latentSize, 3}), at::full({batch}, sigma, at::kFloat),
                 view(history, {batch, c.historyLength, c.numParticles(), 3}), view(box, {3, 3})},
                {batch, c.latentSize, 3}, denoised);
}

void ScoreProgram::advance(int batch, const float* latent, const float* history, const float* box,
                           float* positions) const {
    const Card& c = card();
    impl_->call("advance",
                {view(latent, {batch, c.latentSize, 3}),
                 view(history, {batch, c.historyLength, c.numParticles(), 3}), view(box, {3, 3})},
                {batch, c.numParticles(), 3}, positions);
}

void ScoreProgram::propose(int batch, const float* noise, const float* history, const float* box,
                           float* positions) const {
    const Card& c = card();
    impl_->call("propose",
                {view(noise, {batch, c.noiseCount, c.latentSize, 3}),
                 view(history, {batch, c.historyLength, c.numParticles(), 3}), view(box, {3, 3})},
                {batch, c.numParticles(), 3}, positions);
}

ArchiveContent ScoreProgram::readArchive(const std::string& bytes) {
    try {
        std::istringstream stream(bytes);
        caffe2::serialize::PyTorchStreamReader reader(&stream);
        if (reader.hasRecord(cardRecord)) {
            const auto [data, size] = reader.getRecord(cardRecord);
            return {std::string(static_cast<const char*>(data.get()), size), reader.hasRecord(packageRecord)};
        }
    } catch (const std::exception&) {
        // What the zip reader says of a truncated file means nothing to a user.
        throw OpenMMException(
            "ScoreProgram: the file is not a TorchScript archive or AOTInductor package, or it is truncated; "
            "expected a score program; export the model again.");
    }
    throw OpenMMException(
        "ScoreProgram: the archive has no card (scoredyn.json); expected a score program; "
        "export the model with openmm_scoredyn.export_program.");
}

std::string ScoreProgram::torchVersion() { return TORCH_VERSION; }

}  // namespace ScoreDynPlugin
