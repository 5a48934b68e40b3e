#pragma once

#include <vector>

#include "openmm/System.h"

namespace ScoreDynPlugin {

/// Takes the motion of the centre of mass out of drawn velocities, for a System with a CMMotionRemover.
///
/// Whoever counts degrees of freedom takes three of them for removed then, so velocities drawn with them
/// would show a temperature too high by 3/f. The projection is orthogonal in the mass-weighted coordinates in
/// which the draw is isotropic, and a translation keeps all constraints: together with the projection onto
/// those, it leaves an exact draw from the Maxwell-Boltzmann distribution of the remaining degrees of
/// freedom.
class CentreMotion {
public:
    /// The particles are indices in the System, in the order of the velocities.
    CentreMotion(const OpenMM::System& system, const std::vector<int>& particles);

    /// Whether the System removes that motion.
    bool isRemoved() const { return !weights_.empty(); }
    /// Change normals (N,3), of the velocities sqrt(kT/m) * normal, in place, if it does.
    void remove(std::vector<float>& normals) const;

private:
    std::vector<double> weights_;  // sqrt(m / total mass)
};

}  // namespace ScoreDynPlugin
