#include "ScoreProgram.h"

#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>
#include <torch/version.h>

#include <sstream>
#include <utility>
#include <vector>

#include "GoldenCheck.h"
#include "TorchErrors.h"
#include "TorchMemory.h"
#include "TorchThreads.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

const char* const cardRecord = "extra/scoredyn.json";

std::string shapeText(at::IntArrayRef shape) {
    std::ostringstream text;
    text << '(';
    for (size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "") << shape[i];
    text << ')';
    return text.str();
}

}  // namespace

struct ScoreProgram::Impl {
    torch::jit::Module module;
    std::string name;
    Device device;
    int numThreads = 1;

    // The contract says that programs are pure: they change no input.
    at::Tensor view(const float* data, at::IntArrayRef shape) const {
        return deviceView(device, data, shape);
    }
    at::Tensor level(int batch, double sigma) const {
        const DeviceGuard onDevice(device);
        return torch::full({batch}, sigma, torch::TensorOptions(torch::kFloat32).device(torchDevice(device)));
    }
    void requireMethod(const std::string& method, size_t numArguments) const;
    void freeze(const std::vector<std::string>& methods);
    void call(const char* method, std::vector<c10::IValue> arguments, at::IntArrayRef shape,
              float* result) const;
    void copyChecked(const char* method, const c10::IValue& value, at::IntArrayRef shape,
                     float* result) const;
};

void ScoreProgram::Impl::requireMethod(const std::string& method, size_t numArguments) const {
    const auto found = module.find_method(method);
    if (!found)
        throw OpenMMException("ScoreProgram: " + name + " has no method `" + method +
                              "`, which its card promises; export the model again.");
    const size_t count = found->function().getSchema().arguments().size() - 1;  // without self
    if (count != numArguments)
        throw OpenMMException("ScoreProgram: the method `" + method + "` of " + name +
                              " takes the wrong arguments; expected " + std::to_string(numArguments) +
                              ", found " + std::to_string(count) + "; export the model again.");
}

void ScoreProgram::Impl::freeze(const std::vector<std::string>& methods) {
    module.eval();
    // torch::jit::freeze insists on a method `forward`, which a score program need not have.
    module = torch::jit::freeze_module(module, methods);
    for (const std::string& method : methods) {
        auto graph = module.get_method(method).graph();
        torch::jit::OptimizeFrozenGraph(graph, true);
    }
}

void ScoreProgram::Impl::call(const char* method, std::vector<c10::IValue> arguments, at::IntArrayRef shape,
                              float* result) const {
    try {
        const c10::InferenceMode inference;
        const DeviceGuard onDevice(device);
        const torch::jit::GraphOptimizerEnabledGuard noProfiling(false);
        const ThreadCount threads(numThreads);
        copyChecked(method, module.get_method(method)(std::move(arguments)), shape, result);
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
    const c10::Device expected = torchDevice(device);
    if (tensor.device() != expected)
        refuse("a tensor on the wrong device", expected.str(), tensor.device().str());
    if (tensor.scalar_type() != torch::kFloat32)
        refuse("the wrong dtype", "float32", std::string(c10::toString(tensor.scalar_type())));
    if (tensor.sizes() != shape) refuse("the wrong shape", shapeText(shape), shapeText(tensor.sizes()));
    view(result, shape).copy_(tensor);
}

ScoreProgram::ScoreProgram(std::shared_ptr<const ScoreArchive> archive, const Device& device)
    : archive_(std::move(archive)), memory_(StepMemory::host()), impl_(std::make_unique<Impl>()) {
    impl_->name = "'" + card().name + "'";
    impl_->device = device;
    if (device.kind != Device::Kind::Host) memory_ = std::make_shared<TorchMemory>(device);
    try {
        std::istringstream stream(archive_->bytes());
        impl_->module = torch::jit::load(stream, torchDevice(device));
    } catch (const std::exception& error) {
        throw OpenMMException("ScoreProgram: cannot load " + impl_->name + ": " + reason(error) +
                              " Export the model again with this version of torch.");
    }
    const std::vector<std::string> methods = card().kind == "denoiser"
                                                 ? std::vector<std::string>{"denoise", "advance"}
                                                 : std::vector<std::string>{"propose"};
    for (const std::string& method : methods) impl_->requireMethod(method, method == "denoise" ? 4 : 3);
    try {
        impl_->freeze(methods);
    } catch (const std::exception& error) {
        throw OpenMMException("ScoreProgram: cannot freeze " + impl_->name + ": " + reason(error) +
                              " Export the model again with this version of torch.");
    }
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
    impl_->call(
        "denoise",
        {impl_->view(latent, {batch, c.latentSize, 3}), impl_->level(batch, sigma),
         impl_->view(history, {batch, c.historyLength, c.numParticles(), 3}), impl_->view(box, {3, 3})},
        {batch, c.latentSize, 3}, denoised);
}

void ScoreProgram::advance(int batch, const float* latent, const float* history, const float* box,
                           float* positions) const {
    const Card& c = card();
    impl_->call(
        "advance",
        {impl_->view(latent, {batch, c.latentSize, 3}),
         impl_->view(history, {batch, c.historyLength, c.numParticles(), 3}), impl_->view(box, {3, 3})},
        {batch, c.numParticles(), 3}, positions);
}

void ScoreProgram::propose(int batch, const float* noise, const float* history, const float* box,
                           float* positions) const {
    const Card& c = card();
    impl_->call(
        "propose",
        {impl_->view(noise, {batch, c.noiseCount, c.latentSize, 3}),
         impl_->view(history, {batch, c.historyLength, c.numParticles(), 3}), impl_->view(box, {3, 3})},
        {batch, c.numParticles(), 3}, positions);
}

std::string ScoreProgram::readCardJson(const std::string& bytes) {
    try {
        std::istringstream stream(bytes);
        caffe2::serialize::PyTorchStreamReader reader(&stream);
        if (reader.hasRecord(cardRecord)) {
            const auto [data, size] = reader.getRecord(cardRecord);
            return std::string(static_cast<const char*>(data.get()), size);
        }
    } catch (const std::exception&) {
        // What the zip reader says of a truncated file means nothing to a user.
        throw OpenMMException(
            "ScoreProgram: the file is not a TorchScript archive, or it is truncated; "
            "expected a score program; export the model again.");
    }
    throw OpenMMException(
        "ScoreProgram: the archive has no card (scoredyn.json); expected a score program; "
        "export the model with openmm_scoredyn.export_program.");
}

std::string ScoreProgram::torchVersion() { return TORCH_VERSION; }

}  // namespace ScoreDynPlugin
