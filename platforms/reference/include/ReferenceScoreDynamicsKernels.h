#pragma once

#include <string>
#include <vector>

#include "ScoreDynamicsKernels.h"
#include "openmm/reference/ReferencePlatform.h"

namespace ScoreDynPlugin {

/// The step's gather and scatter on the Reference platform, and on the CPU platform, which derives from it.
class ReferenceIntegrateScoreDynamicsStepKernel : public IntegrateScoreDynamicsStepKernel {
public:
    ReferenceIntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform,
                                              OpenMM::ReferencePlatform::PlatformData& data)
        : IntegrateScoreDynamicsStepKernel(name, platform), data_(data) {}

    void initialize(const OpenMM::System& system, const std::vector<int>& particles) override;
    void gather(OpenMM::ContextImpl& context, std::vector<OpenMM::Vec3>& positions) override;
    void finish(OpenMM::ContextImpl& context, const std::vector<float>& positions,
                const std::vector<float>& normals, double temperature, double stepSize,
                double constraintTolerance) override;
    double computeKineticEnergy(OpenMM::ContextImpl& context) override;

private:
    struct Constraint {
        int particle1, particle2;
        double distance;
    };
    void constrainPositions(double tolerance);

    OpenMM::ReferencePlatform::PlatformData& data_;
    std::vector<int> particles_;
    std::vector<double> masses_, inverseMasses_;
    std::vector<Constraint> constraints_;
    std::vector<OpenMM::Vec3> unconstrained_, newPositions_, newVelocities_;
};

}  // namespace ScoreDynPlugin
