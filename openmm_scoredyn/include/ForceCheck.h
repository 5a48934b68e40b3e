#pragma once

#include <utility>
#include <vector>

#include "openmm/System.h"

namespace ScoreDynPlugin {

/// Refuse a System with a force that no force field makes: a restraint, a bias, the force of a plugin. The
/// steps of a model feel no forces, so that it would be ignored without a word.
///
/// A force field's own are
/// - the classes that readers of force fields use for nothing else (HarmonicBondForce, NonbondedForce,
///   CustomGBForce, CMMotionRemover, those of AMOEBA, ...);
/// - Custom*Forces under the names that OpenMM's readers give them (LennardJones, ImproperTorsionForce, ...);
/// - a CustomTorsionForce of improper torsions alone, as CHARMM's readers make one.
///
/// Where bonds are known, harmonic bonds must join particles one or two bonds apart and harmonic angles run
/// along two bonds: others are restraints. A force field has all its periodic torsions in one force.
///
/// `particles` are the indices in the System of the model's particles, `bonds` pairs in the order of the
/// model. Throws OpenMMException, naming the first such force.
void checkForcesOfForceField(const OpenMM::System& system, const std::vector<int>& particles,
                             const std::vector<std::pair<int, int>>& bonds);

}  // namespace ScoreDynPlugin
