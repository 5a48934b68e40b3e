#include "ConstraintCheck.h"

#include <cmath>
#include <sstream>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

std::vector<Constraint> constraintsOf(const OpenMM::System& system) {
    std::vector<Constraint> constraints(system.getNumConstraints());
    for (int i = 0; i < system.getNumConstraints(); ++i)
        system.getConstraintParameters(i, constraints[i].particle1, constraints[i].particle2,
                                       constraints[i].distance);
    return constraints;
}

bool isWithin(const Constraint& constraint, double found, double tolerance, double rounding) {
    // The algorithms measure the squared distance, hence a little more than the tolerance itself.
    return std::abs(found - constraint.distance) <= 2 * tolerance * constraint.distance + rounding;
}

void checkConstraint(const Constraint& constraint, double found, double tolerance, double rounding) {
    if (isWithin(constraint, found, tolerance, rounding)) return;
    std::ostringstream text;
    text << "ScoreDynamicsIntegrator: the constraint between particles " << constraint.particle1 << " and "
         << constraint.particle2 << " cannot be satisfied; expected a distance of " << constraint.distance
         << " nm, found " << found << " nm; use the constraints of the training data, or another model.";
    throw OpenMM::OpenMMException(text.str());
}

}  // namespace ScoreDynPlugin
