#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ConstraintCheck.h"
#include "ScoreDynamicsKernels.h"
#include "openmm/reference/ReferencePlatform.h"

namespace ScoreDynPlugin {

/// The step's gather and scatter on the Reference platform, and on the CPU platform, which derives from it.
class ReferenceIntegrateScoreDynamicsStepKernel : public IntegrateScoreDynamicsStepKernel {
public:
    ReferenceIntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform,
                                              OpenMM::ReferencePlatform::PlatformData& data)
        : IntegrateScoreDynamicsStepKernel(name, platform), data_(data) {}

    void initialize(const OpenMM::System& system, const Model& model) override;
    float* gather(OpenMM::ContextImpl& context) override;
    void finish(OpenMM::ContextImpl& context, const float* positions, const StepEnd& end) override;
    double computeKineticEnergy(OpenMM::ContextImpl& context) override;

private:
    void constrainPositions(double tolerance);

    OpenMM::ReferencePlatform::PlatformData& data_;
    std::optional<Model> model_;
    std::vector<double> masses_, inverseMasses_;
    std::vector<Constraint> constraints_;
    std::vector<OpenMM::Vec3> gathered_;
    std::vector<float> frame_;
    std::vector<OpenMM::Vec3> unconstrained_, newPositions_, newVelocities_;
};

}  // namespace ScoreDynPlugin
