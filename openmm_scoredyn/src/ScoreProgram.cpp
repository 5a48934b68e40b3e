#include "ScoreProgram.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/version.h>

#include <array>
#include <sstream>
#include <utility>
#include <vector>

#include "GoldenCheck.h"
#include "MatmulPrecision.h"
#include "ProgramRuntime.h"
#include "TorchErrors.h"
#include "TorchMemory.h"
#include "TorchThreads.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

// The methods of the contract; strings, because one made at every call would be allocated there.
const std::string denoiseMethod = "denoise", advanceMethod = "advance", proposeMethod = "propose",
                  conditionMethod = "condition", conditionedMethod = "denoise_conditioned",
                  advanceConditionedMethod = "advance_conditioned";

std::string shapeText(at::IntArrayRef shape) {
    std::ostringstream text;
    text << '(';
    for (size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "") << shape[i];
    text << ')';
    return text.str();
}

/// What torch is held to while it works for a program, whatever the process asked for.
struct Surroundings {
    Surroundings(const Device& device, MatmulPrecision precision) : place(device), products(precision) {}
    const DeviceGuard place;
    const MatmulPrecisionGuard products;
    const c10::impl::ExcludeDispatchKeyGuard noAutocast{c10::autocast_dispatch_keyset};
};

}  // namespace

struct ScoreProgram::Condition {
    at::Tensor history, box;
    at::Tensor made;  ///< of them by the program, (B, ...), if it has `condition`
};

struct ScoreProgram::Impl {
    std::unique_ptr<ProgramRuntime> runtime;
    std::string name;
    Device device;
    int numThreads = 1;
    MatmulPrecision precision = MatmulPrecision::Highest;
    bool conditionsApart = false;   ///< whether the program has `condition` and `denoise_conditioned`
    bool advancesFromThat = false;  ///< and `advance_conditioned`

    void load(const ScoreArchive& archive, const std::vector<ProgramMethod>& methods);
    // The contract says that programs are pure: they change no input.
    at::Tensor view(const float* data, at::IntArrayRef shape) const {
        return deviceView(device, data, shape);
    }
    at::Tensor level(int batch, double sigma) const {
        const DeviceGuard onDevice(device);
        return at::full({batch}, sigma, at::TensorOptions(at::kFloat).device(torchDevice(device)));
    }
    /// Run a method and give what it returns to `use`, with torch on the right device.
    template <typename Use>
    void call(const std::string& method, at::TensorList arguments, const Use& use) const;
    void call(const std::string& method, at::TensorList arguments, at::IntArrayRef shape,
              float* result) const {
        call(method, arguments, [&](const c10::IValue& value) { copyChecked(method, value, shape, result); });
    }
    void copyChecked(const std::string& method, const c10::IValue& value, at::IntArrayRef shape,
                     float* result) const;
};

void ScoreProgram::Impl::load(const ScoreArchive& archive, const std::vector<ProgramMethod>& methods) {
    const c10::Device place = torchDevice(device);
    try {
        // Weights are folded here: on the device's stream, so that what uses them comes later, and in
        // float32.
        const Surroundings surroundings(device, MatmulPrecision::Highest);
        runtime = archive.holdsNativeCode() ? loadInductorPackage(archive, methods, place)
                                            : loadTorchScript(archive, methods, place);
    } catch (const OpenMMException&) {
        throw;
    } catch (const std::exception& error) {
        throw OpenMMException("ScoreProgram: cannot use the device " + place.str() + ": " + reason(error) +
                              " Install a torch for this device, or use another platform.");
    }
}

template <typename Use>
void ScoreProgram::Impl::call(const std::string& method, at::TensorList arguments, const Use& use) const {
    try {
        const c10::InferenceMode inference;
        const Surroundings surroundings(device, precision);
        const ThreadCount threads(numThreads);
        use(runtime->run(method, arguments));
    } catch (const OpenMMException&) {
        throw;
    } catch (const std::exception& error) {
        throw OpenMMException("ScoreProgram: the method `" + method + "` of " + name + " raised an error: " +
                              reason(error) + " Correct the module and export it again.");
    }
}

void ScoreProgram::Impl::copyChecked(const std::string& method, const c10::IValue& value,
                                     at::IntArrayRef shape, float* result) const {
    const auto refuse = [&](const std::string& what, const std::string& expected, const std::string& found) {
        throw OpenMMException("ScoreProgram: the method `" + method + "` of " + name + " returned " + what +
                              "; expected " + expected + ", found " + found +
                              "; correct the module and export it again.");
    };
    if (!value.isTensor()) refuse("something else than a tensor", "a tensor", value.tagKind());
    const at::Tensor& tensor = value.toTensor();
    const c10::Device expected = torchDevice(device);
    if (tensor.device() != expected)
        refuse("a tensor on the wrong device", expected.str(), tensor.device().str());
    if (tensor.scalar_type() != at::kFloat)
        refuse("the wrong dtype", "float32", std::string(c10::toString(tensor.scalar_type())));
    if (tensor.sizes() != shape) refuse("the wrong shape", shapeText(shape), shapeText(tensor.sizes()));
    view(result, shape).copy_(tensor);
}

ScoreProgram::ScoreProgram(std::shared_ptr<const ScoreArchive> archive, const Device& device)
    : archive_(std::move(archive)), memory_(StepMemory::host()), impl_(std::make_unique<Impl>()) {
    impl_->name = "'" + card().name + "'";
    impl_->device = device;
    if (device.kind != Device::Kind::Host || device.recorder) memory_ = std::make_shared<TorchMemory>(device);
    const std::vector<ProgramMethod> methods =
        card().kind == "denoiser" ? std::vector<ProgramMethod>{{denoiseMethod, 4},
                                                               {advanceMethod, 3},
                                                               {conditionMethod, 2, true},
                                                               {conditionedMethod, 3, true},
                                                               {advanceConditionedMethod, 4, true}}
                                  : std::vector<ProgramMethod>{{proposeMethod, 3}};
    impl_->load(*archive_, methods);
    impl_->conditionsApart = impl_->runtime->has(conditionMethod) && impl_->runtime->has(conditionedMethod);
    impl_->advancesFromThat = impl_->conditionsApart && impl_->runtime->has(advanceConditionedMethod);
    // The golden triple is about the file: made and checked at the precision that all devices have.
    checkGolden(*this);
    impl_->precision = card().matmulPrecision;
}

ScoreProgram::~ScoreProgram() = default;

void ScoreProgram::setNumThreads(int numThreads) {
    if (numThreads < 1)
        throw OpenMMException("ScoreProgram: the number of threads is " + std::to_string(numThreads) +
                              "; expected 1 or more; call setNumThreads(1).");
    impl_->numThreads = numThreads;
}

int ScoreProgram::getNumThreads() const { return impl_->numThreads; }

std::shared_ptr<ScoreProgram::Condition> ScoreProgram::condition(int batch, const float* history,
                                                                 const float* box,
                                                                 std::shared_ptr<Condition> used) const {
    const Card& c = card();
    const std::shared_ptr<Condition> condition = used ? std::move(used) : std::make_shared<Condition>();
    condition->history = impl_->view(history, {batch, c.historyLength, c.numParticles(), 3});
    condition->box = impl_->view(box, {3, 3});
    if (!impl_->conditionsApart) return condition;
    impl_->call(conditionMethod, {condition->history, condition->box}, [&](const c10::IValue& value) {
        if (!value.isTensor() || value.toTensor().dim() == 0 || value.toTensor().size(0) != batch)
            throw OpenMMException("ScoreProgram: the method `condition` of " + impl_->name +
                                  " returned the wrong kind; expected a tensor with " +
                                  std::to_string(batch) + " rows, found " + value.tagKind() +
                                  "; correct the module and export it again.");
        condition->made = value.toTensor();
    });
    return condition;
}

void ScoreProgram::denoise(int batch, const float* latent, double sigma, const Condition& condition,
                           float* denoised) const {
    const std::array<int64_t, 3> shape = {batch, card().latentSize, 3};
    const at::Tensor noised = impl_->view(latent, shape), level = impl_->level(batch, sigma);
    if (condition.made.defined())
        impl_->call(conditionedMethod, {noised, level, condition.made}, shape, denoised);
    else
        impl_->call(denoiseMethod, {noised, level, condition.history, condition.box}, shape, denoised);
}

void ScoreProgram::advance(int batch, const float* latent, const Condition& condition,
                           float* positions) const {
    const std::array<int64_t, 3> shape = {batch, card().numParticles(), 3};
    const at::Tensor clean = impl_->view(latent, {batch, card().latentSize, 3});
    if (impl_->advancesFromThat)
        impl_->call(advanceConditionedMethod, {clean, condition.made, condition.history, condition.box},
                    shape, positions);
    else
        impl_->call(advanceMethod, {clean, condition.history, condition.box}, shape, positions);
}

void ScoreProgram::propose(int batch, const float* noise, const float* history, const float* box,
                           float* positions) const {
    const Card& c = card();
    impl_->call(
        proposeMethod,
        {impl_->view(noise, {batch, c.noiseCount, c.latentSize, 3}),
         impl_->view(history, {batch, c.historyLength, c.numParticles(), 3}), impl_->view(box, {3, 3})},
        {batch, c.numParticles(), 3}, positions);
}

std::string ScoreProgram::torchVersion() { return TORCH_VERSION; }

}  // namespace ScoreDynPlugin
