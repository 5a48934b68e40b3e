#include "TorchMemory.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>
#include <utility>

#include "TorchErrors.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

c10::Stream torchStream(const Device& device) {
    const c10::Device place = torchDevice(device);
    if (!device.stream) return c10::impl::VirtualGuardImpl(place.type()).getDefaultStream(place);
    // The number of a stream that torch did not make is its address (c10::cuda::getStreamFromExternal).
    return c10::Stream(c10::Stream::UNSAFE, place, reinterpret_cast<c10::StreamId>(device.stream));
}

/// Run an operation on the device; what torch throws becomes an OpenMMException.
template <typename Operation>
void onDevice(const Device& device, Operation operation) {
    try {
        const c10::InferenceMode inference;
        const DeviceGuard guard(device);
        operation();
    } catch (const std::exception& error) {
        throw OpenMM::OpenMMException("ScoreProgram: an array operation on the device failed: " +
                                      reason(error));
    }
}

/// A recording that is replayed on the stream of the device: torch's own are replayed on whichever is
/// current.
class DeviceRecording : public Recording {
public:
    DeviceRecording(const Device& device, std::unique_ptr<Recording> recorded)
        : device_(device), recorded_(std::move(recorded)) {}
    void replay() override {
        onDevice(device_, [&] { recorded_->replay(); });
    }

private:
    Device device_;
    std::unique_ptr<Recording> recorded_;
};

}  // namespace

DeviceGuard::DeviceGuard(const Device& device) {
    if (device.kind == Device::Kind::Gpu) guard_.emplace(torchStream(device));
}

c10::Device torchDevice(const Device& device) {
    // A torch built for ROCm calls its devices CUDA as well.
    if (device.kind == Device::Kind::Gpu)
        return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device.index)};
    return {c10::DeviceType::CPU};
}

at::Tensor deviceView(const Device& device, const float* data, at::IntArrayRef shape) {
    const c10::Device place = torchDevice(device);
    // Told the device, torch does not ask the driver whose memory it is: OpenMM's has another context.
    return at::for_blob(const_cast<float*>(data), shape)
        .options(at::TensorOptions(at::kFloat).device(place))
        .target_device(place)
        .make_tensor();
}

void TorchMemory::reserve(StepBuffer& buffer, size_t count) {
    if (buffer.size >= count) return;
    onDevice(device_, [&] {
        const at::Tensor tensor = at::empty({static_cast<int64_t>(count)},
                                            at::TensorOptions(at::kFloat).device(torchDevice(device_)));
        buffer = {std::shared_ptr<float>(tensor.mutable_data_ptr<float>(), [tensor](float*) {}), count};
    });
}

void TorchMemory::copy(const float* from, size_t count, float* to) {
    onDevice(device_, [&] { view(to, count).copy_(view(from, count)); });
}

void TorchMemory::copyRows(const float* from, size_t fromStride, size_t width, size_t rows, float* to,
                           size_t toStride) {
    if (rows == 0) return;
    const auto rowsOf = [&](const float* data, size_t stride) {
        return view(data, (rows - 1) * stride + width)
            .as_strided({static_cast<int64_t>(rows), static_cast<int64_t>(width)},
                        {static_cast<int64_t>(stride), 1});
    };
    onDevice(device_, [&] { rowsOf(to, toStride).copy_(rowsOf(from, fromStride)); });
}

const float* TorchMemory::fromHost(const float* values, size_t count, StepBuffer& buffer) {
    reserve(buffer, count);
    // The driver takes what lies in pageable memory before it returns, so `values` may change afterwards.
    onDevice(device_, [&] {
        view(buffer.get(), count).copy_(deviceView({}, values, {static_cast<int64_t>(count)}), true);
    });
    return buffer.get();
}

const float* TorchMemory::toHost(const float* values, size_t count, std::vector<float>& buffer) {
    buffer.resize(count);
    onDevice(device_, [&] {
        deviceView({}, buffer.data(), {static_cast<int64_t>(count)}).copy_(view(values, count));
    });
    return buffer.data();
}

void TorchMemory::combine(std::initializer_list<Term> terms, size_t count, float* out) {
    onDevice(device_, [&] {
        at::Tensor result = view(out, count);
        bool first = true;
        for (const Term& term : terms) {
            if (term.factor == 0) continue;
            if (first)
                at::mul_out(result, view(term.values, count), at::scalar_tensor(term.factor));
            else
                result.add_(view(term.values, count), term.factor);
            first = false;
        }
        if (first) result.zero_();
    });
}

std::unique_ptr<Recording> TorchMemory::record(const std::function<void()>& work) {
    const DeviceGuard guard(device_);
    return std::make_unique<DeviceRecording>(device_, device_.recorder->record(work));
}

}  // namespace ScoreDynPlugin
