#pragma once

#include <vector>

#include "openmm/System.h"

namespace ScoreDynPlugin {

class ScoreDynamicsIntegrator;

/// Indices in the System of the modelled particles, in the order of the model.
std::vector<int> modelledParticles(const ScoreDynamicsIntegrator& integrator);

/// Refuse a System the model was not made for: other particles, masses, boundary conditions, a force that
/// acts as barostat or thermostat or that no force field makes; and a step size or temperature other than the
/// model's. Throws OpenMMException, one sentence per reason.
void checkContext(const OpenMM::System& system, const ScoreDynamicsIntegrator& integrator);

/// Refuse a step size or temperature other than the model's. Also called in every step, because both can be
/// set later.
void checkStepSizeAndTemperature(const ScoreDynamicsIntegrator& integrator);

}  // namespace ScoreDynPlugin
