#pragma once

#include <ATen/Tensor.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>

#include "Device.h"
#include "StepMemory.h"

namespace ScoreDynPlugin {

/// Makes torch work on the device, and on its stream, while it lives; does nothing for the host.
///
/// Written against c10's interfaces for any device, because the headers of CUDA itself are not part of a CPU
/// torch: one build serves both.
class DeviceGuard {
public:
    explicit DeviceGuard(const Device& device);

private:
    std::optional<c10::StreamGuard> guard_;
};

/// torch's name of the device.
c10::Device torchDevice(const Device& device);

/// A view of an array in the memory of the device. torch has no read-only tensors.
at::Tensor deviceView(const Device& device, const float* data, at::IntArrayRef shape);

/// Arrays in the memory of a torch device, through torch's own allocator, which keeps what it once allocated.
class TorchMemory : public StepMemory {
public:
    explicit TorchMemory(const Device& device) : device_(device) {}
    void reserve(StepBuffer& buffer, size_t count) override;
    void copy(const float* from, size_t count, float* to) override;
    void copyRows(const float* from, size_t fromStride, size_t width, size_t rows, float* to,
                  size_t toStride) override;
    const float* fromHost(const float* values, size_t count, StepBuffer& buffer) override;
    const float* toHost(const float* values, size_t count, std::vector<float>& buffer) override;
    void combine(std::initializer_list<Term> terms, size_t count, float* out) override;
    bool canRecord() const override { return device_.recorder != nullptr; }
    std::unique_ptr<Recording> record(const std::function<void()>& work) override;

private:
    at::Tensor view(const float* data, size_t count) const {
        return deviceView(device_, data, {static_cast<int64_t>(count)});
    }
    Device device_;
};

}  // namespace ScoreDynPlugin
