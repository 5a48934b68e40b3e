#pragma once

#include "CommonScoreDynamicsKernels.h"

namespace ScoreDynPlugin {

/// The kernel of the platforms whose memory torch can use, CUDA and HIP: the program reads and writes the
/// arrays of the context where they are, on the context's own stream.
///
/// `Context` and `Array` are the platform's classes of these names.
template <typename Context, typename Array>
class GpuIntegrateScoreDynamicsStepKernel : public CommonIntegrateScoreDynamicsStepKernel {
public:
    GpuIntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform,
                                        Context& context)
        : CommonIntegrateScoreDynamicsStepKernel(name, platform, context) {}

    Device device() const override {
        auto& gpu = static_cast<Context&>(context());
        return {Device::Kind::Gpu, gpu.getDeviceIndex(), reinterpret_cast<void*>(gpu.getCurrentStream())};
    }

protected:
    // Both run on one stream, so nothing has to wait.
    float* handOver(OpenMM::ComputeArray& array) override {
        auto& onDevice = dynamic_cast<Array&>(array.getArray());
        return reinterpret_cast<float*>(onDevice.getDevicePointer());
    }
    void takeBack(OpenMM::ComputeArray&) override {}
};

}  // namespace ScoreDynPlugin
