#pragma once

#include <string>
#include <vector>

#include "ConstraintCheck.h"
#include "ScoreDynamicsKernels.h"
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm/common/ComputeKernel.h"

namespace ScoreDynPlugin {

/// The step's gather and scatter on every platform with a ComputeContext, which keeps atoms in an order of
/// its own, positions in one of three precisions, and molecules moved by whole boxes.
///
/// What differs between platforms is how an array of the device reaches the program: here through host
/// memory, in derived classes as they like.
class CommonIntegrateScoreDynamicsStepKernel : public IntegrateScoreDynamicsStepKernel {
public:
    CommonIntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform,
                                           OpenMM::ComputeContext& cc)
        : IntegrateScoreDynamicsStepKernel(name, platform), cc_(cc) {}

    void initialize(const OpenMM::System& system, const Model& model) override;
    float* gather(OpenMM::ContextImpl& context) override;
    void finish(OpenMM::ContextImpl& context, const float* positions, const StepEnd& end) override;
    double computeKineticEnergy(OpenMM::ContextImpl& context) override;

protected:
    /// Make the context wait for what the program does with arrays of an earlier step. Called as handOver.
    virtual void waitForProgram() {}
    /// Give an array of the context to the program, as a pointer into the memory of device(). Called with the
    /// context current, like takeBack.
    virtual float* handOver(OpenMM::ComputeArray& array);
    /// Take the array back, with the positions that the program wrote where handOver said.
    virtual void takeBack(OpenMM::ComputeArray& array, const float* positions);

private:
    void createArrays(const OpenMM::System& system, const Model& model);
    void createKernels();
    void uploadBox();
    void uploadCellOffsets();
    void constrainPositions(double tolerance);
    bool constraintsHold(double tolerance);
    double roundingOf(size_t constraint) const;
    bool mixedIsDouble() const { return cc_.getUseDoublePrecision() || cc_.getUseMixedPrecision(); }

    OpenMM::ComputeContext& cc_;
    int numModelled_ = 0, numMolecules_ = 0;
    std::vector<Constraint> constraints_;
    // On the device: what does not change, ...
    OpenMM::ComputeArray modelIndex_, walk_, firstOfMolecule_, constraintAtoms_;
    // ... what is kept equal to the context's, ...
    OpenMM::ComputeArray box_, cellOffsets_;
    // ... and what a step works with.
    OpenMM::ComputeArray gathered_, frame_, normals_, slots_, measured_, oldPosq_, oldCorrection_;
    OpenMM::ComputeKernel gatherKernel_, wholeKernel_, positionsKernel_, moveKernel_, measureKernel_,
        velocitiesKernel_;
    // Host copies of what was uploaded last, and what is downloaded.
    std::vector<double> boxThere_, measuredThere_;
    std::vector<float> hostFrame_;
    std::vector<OpenMM::mm_int4> cellOffsetsThere_;
};

}  // namespace ScoreDynPlugin
