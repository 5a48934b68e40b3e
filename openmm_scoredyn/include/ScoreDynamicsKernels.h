#pragma once

#include <string>
#include <vector>

#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

/// What a platform does in a step: hand the positions out, take the new ones in. The model is called between
/// the two, in the core, so that no platform repeats it.
class IntegrateScoreDynamicsStepKernel : public OpenMM::KernelImpl {
public:
    static std::string Name() { return "IntegrateScoreDynamicsStep"; }

    IntegrateScoreDynamicsStepKernel(const std::string& name, const OpenMM::Platform& platform)
        : KernelImpl(name, platform) {}

    /// `particles` are the indices in the System of the modelled particles, in the order of the model.
    virtual void initialize(const OpenMM::System& system, const std::vector<int>& particles) = 0;

    /// Positions of the modelled particles, nm, in the order of the model; `positions` has their number.
    virtual void gather(OpenMM::ContextImpl& context, std::vector<OpenMM::Vec3>& positions) = 0;

    /// Finish a step: set the positions (N,3) nm of the modelled particles, project them onto the
    /// constraints, place the virtual sites, give the modelled particles the velocities sqrt(kT/m) *
    /// `normals` (N,3), projected too, and advance time (ps) and step count. Throws, with nothing changed,
    /// when the constraints cannot be satisfied.
    virtual void finish(OpenMM::ContextImpl& context, const std::vector<float>& positions,
                        const std::vector<float>& normals, double temperature, double stepSize,
                        double constraintTolerance) = 0;

    /// Kinetic energy of the current velocities, kJ/mol.
    virtual double computeKineticEnergy(OpenMM::ContextImpl& context) = 0;
};

}  // namespace ScoreDynPlugin
