#pragma once

#include <vector>

#include "openmm/System.h"

namespace ScoreDynPlugin {

/// A distance that the System holds fixed, nm.
struct Constraint {
    int particle1, particle2;
    double distance;
};

/// All constraints of a System, in its order.
std::vector<Constraint> constraintsOf(const OpenMM::System& system);

/// Whether a distance found, nm, is that of the constraint within the relative `tolerance` asked for;
/// `rounding`, nm, is what the precision of the platform can hide.
bool isWithin(const Constraint& constraint, double found, double tolerance, double rounding = 0);

/// Throw OpenMMException when it is not.
void checkConstraint(const Constraint& constraint, double found, double tolerance, double rounding = 0);

}  // namespace ScoreDynPlugin
