#pragma once

#include <memory>
#include <string>
#include <vector>

#include "Device.h"
#include "WholeMolecules.h"
#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

/// What a platform does in a step: hand the positions out, take the new ones in. The model is called between
/// the two, in the core, so that no platform repeats it.
class IntegrateScoreDynamicsStepKernel : public OpenMM::KernelImpl {
public:
    static std::string Name() { return "IntegrateScoreDynamicsStep"; }

    /// The modelled particles.
    struct Model {
        std::vector<int> particles;     ///< indices in the System, in the order of the model
        WholeMolecules wholeMolecules;  ///< walks them in that order
        bool periodic;                  ///< whether molecules have to be made whole
    };

    /// What a step ends with, besides positions.
    struct StepEnd {
        const std::vector<float>& normals;  ///< (N,3), of the velocities sqrt(kT/m) * normal, on the host
        double temperature;                 ///< K
        double stepSize;                    ///< ps
        double constraintTolerance;         ///< relative
    };

    IntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform)
        : KernelImpl(name, platform) {}

    virtual void initialize(const OpenMM::System& system, const Model& model) = 0;

    /// Where the array of gather lives.
    virtual Device device() const { return {}; }

    /// Make current on this thread what the program needs on that device, until the object is gone.
    virtual std::shared_ptr<void> selectProgram() { return nullptr; }

    /// The positions (N,3) nm of the modelled particles in the order of the model, as whole molecules, in an
    /// array of the kernel's on device(). It is always the same one, and may be written to.
    virtual float* gather(OpenMM::ContextImpl& context) = 0;

    /// Finish a step: take `positions` (N,3) nm, which lie in the array of gather, project them onto the
    /// constraints, place the virtual sites, draw the velocities, projected too, and advance time and step
    /// count. Throws, with nothing changed, when the constraints cannot be satisfied.
    virtual void finish(OpenMM::ContextImpl& context, const float* positions, const StepEnd& end) = 0;

    /// Kinetic energy of the current velocities, kJ/mol.
    virtual double computeKineticEnergy(OpenMM::ContextImpl& context) = 0;
};

}  // namespace ScoreDynPlugin
