#include "ContextChecks.h"

#include <cmath>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "ForceCheck.h"
#include "ScoreDynamicsIntegrator.h"
#include "openmm/AndersenThermostat.h"
#include "openmm/MonteCarloAnisotropicBarostat.h"
#include "openmm/MonteCarloBarostat.h"
#include "openmm/MonteCarloFlexibleBarostat.h"
#include "openmm/MonteCarloMembraneBarostat.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::System;

namespace {

/// Concatenates its arguments into the message of an exception.
template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
    std::ostringstream text;
    text << "ScoreDynamicsIntegrator: ";
    (text << ... << parts);
    throw OpenMM::OpenMMException(text.str());
}

void checkParticles(const System& system, const ScoreDynamicsIntegrator& integrator) {
    const Card& card = integrator.getModel().card();
    const std::vector<int>& particles = integrator.getParticles();
    const int numModelled = particles.empty() ? system.getNumParticles() : static_cast<int>(particles.size());
    if (particles.empty() && numModelled > card.numParticles())
        refuse(
            "the model '", card.name, "' describes ", card.numParticles(), " particles, but the System has ",
            numModelled,
            ". Let openmm_scoredyn.prepare(topology, model, positions=positions, system=system, strip=True) "
            "make the Simulation without solvent, or, where the others are virtual sites, name the model's "
            "particles with setParticles.");
    if (numModelled != card.numParticles())
        refuse("the model '", card.name, "' describes ", card.numParticles(), " particles, but ",
               particles.empty() ? "the System has " : "setParticles names ", numModelled,
               ". Name the model's particles with setParticles, or use another model.");

    std::vector<bool> modelled(system.getNumParticles(), particles.empty());
    for (int particle : particles) {
        if (particle >= system.getNumParticles())
            refuse("setParticles names particle ", particle, ", but the System has ",
                   system.getNumParticles(), " particles. Give indices from 0 to ",
                   system.getNumParticles() - 1, ".");
        if (modelled[particle])
            refuse("setParticles names particle ", particle, " twice. Give every index once.");
        modelled[particle] = true;
    }
    for (int i = 0; i < system.getNumParticles(); ++i) {
        if (modelled[i] && system.isVirtualSite(i))
            refuse("particle ", i,
                   " is a virtual site, which a model cannot move. Leave it out with setParticles.");
        if (!modelled[i] && !system.isVirtualSite(i))
            refuse("particle ", i, " is neither modelled nor a virtual site",
                   system.getParticleMass(i) == 0 ? " (it has no mass)" : "",
                   ". Remove it from the System, as openmm_scoredyn.prepare(..., system=system, strip=True) "
                   "does "
                   "with solvent, or use a model that describes it.");
    }
}

void checkMasses(const System& system, const ScoreDynamicsIntegrator& integrator) {
    const Card& card = integrator.getModel().card();
    for (int i = 0; i < card.numParticles(); ++i) {
        const int particle = integrator.getParticles().empty() ? i : integrator.getParticles()[i];
        const double found = system.getParticleMass(particle), expected = card.massesAmu[i];
        if (found == 0)
            refuse("particle ", particle,
                   " has no mass, which holds it in place in OpenMM, but a model moves all its particles; "
                   "expected ",
                   expected, " amu for atom ", i, " (", card.types[i], ") of the model '", card.name,
                   "', found 0; call setParticleMass(", particle, ", ", expected, ") on the System.");
        if (!(std::abs(found - expected) <= 0.01 * expected))
            refuse("the mass of particle ", particle, " is ", found, " amu, but atom ", i, " (",
                   card.types[i], ") of the model '", card.name, "' has ", expected,
                   " amu. Put the particles in the model's order with setParticles, and use the hydrogen "
                   "mass of the "
                   "training data.");
    }
}

void checkNoBarostatOrThermostat(const System& system) {
    for (int i = 0; i < system.getNumForces(); ++i) {
        const OpenMM::Force& force = system.getForce(i);
        if (dynamic_cast<const OpenMM::MonteCarloBarostat*>(&force) ||
            dynamic_cast<const OpenMM::MonteCarloAnisotropicBarostat*>(&force) ||
            dynamic_cast<const OpenMM::MonteCarloMembraneBarostat*>(&force) ||
            dynamic_cast<const OpenMM::MonteCarloFlexibleBarostat*>(&force))
            refuse("force ", i, " of the System is a barostat (", force.getName(),
                   "), but the model knows one volume only. Remove it from the System.");
        if (dynamic_cast<const OpenMM::AndersenThermostat*>(&force))
            refuse("force ", i, " of the System is a thermostat (", force.getName(),
                   "), but the model sets the temperature itself. Remove it from the System.");
    }
}

void checkPeriodicity(const System& system, const Card& card) {
    // A System without forces says nothing about its boundaries.
    if (system.getNumForces() == 0) return;
    const bool periodic = system.usesPeriodicBoundaryConditions();
    if (periodic && !card.periodic)
        refuse("the System is periodic, but the model '", card.name,
               "' was trained without periodic boundaries. Use NoCutoff for the nonbonded method, or another "
               "model.");
    if (!periodic && card.periodic)
        refuse("the System is not periodic, but the model '", card.name,
               "' was trained with periodic boundaries. Use PME or another periodic nonbonded method, or "
               "another model.");
}

}  // namespace

std::vector<int> modelledParticles(const ScoreDynamicsIntegrator& integrator) {
    std::vector<int> particles = integrator.getParticles();
    if (particles.empty()) {
        particles.resize(integrator.getModel().card().numParticles());
        std::iota(particles.begin(), particles.end(), 0);
    }
    return particles;
}

void checkStepSizeAndTemperature(const ScoreDynamicsIntegrator& integrator) {
    requireKnown(integrator.getModel().card(), integrator.getStepSize(), integrator.getTemperature());
}

void checkContext(const System& system, const ScoreDynamicsIntegrator& integrator) {
    checkStepSizeAndTemperature(integrator);
    checkNoBarostatOrThermostat(system);
    checkParticles(system, integrator);
    checkMasses(system, integrator);
    if (!integrator.getForcesOnlyReported())
        checkForcesOfForceField(system, modelledParticles(integrator), integrator.getModel().card().bonds());
    checkPeriodicity(system, integrator.getModel().card());
}

}  // namespace ScoreDynPlugin
