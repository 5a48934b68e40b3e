#pragma once

#include <memory>
#include <string>

#include "CommonScoreDynamicsKernels.h"

namespace ScoreDynPlugin {

/// The kernel of the platforms whose memory torch can use, CUDA and HIP: the program reads and writes the
/// arrays of the context where they are.
///
/// `Context` and `Array` are the platform's classes of these names. `Bridge` orders the context's stream and
/// torch's: programWaits() makes torch wait for the context, contextWaits() the context for torch, both with
/// the context current and without stopping the host; select() makes torch's side current. stream() is the
/// one torch works on, null for its default one, and recorder() that of this stream, null if there is none.
template <typename Context, typename Array, typename Bridge>
class GpuIntegrateScoreDynamicsStepKernel : public CommonIntegrateScoreDynamicsStepKernel {
public:
    GpuIntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform,
                                        Context& context)
        : CommonIntegrateScoreDynamicsStepKernel(name, platform, context),
          index_(context.getDeviceIndex()),
          bridge_(context) {}

    Device device() const override {
        return {Device::Kind::Gpu, index_, bridge_.stream(), bridge_.recorder()};
    }
    std::shared_ptr<void> selectProgram() override { return bridge_.select(); }

protected:
    // The history may still be read from the array that is about to be written.
    void waitForProgram() override { bridge_.contextWaits(); }
    float* handOver(OpenMM::ComputeArray& array) override {
        bridge_.programWaits();
        auto& onDevice = dynamic_cast<Array&>(array.getArray());
        return reinterpret_cast<float*>(onDevice.getDevicePointer());
    }
    // The positions are in the array already.
    void takeBack(OpenMM::ComputeArray&, const float*) override { bridge_.contextWaits(); }

private:
    int index_;
    Bridge bridge_;
};

}  // namespace ScoreDynPlugin
