#pragma once

// The platform that the tests of the integrator run on, and contexts of two atoms on it.

#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "Assertions.h"
#include "ScoreDynamicsIntegrator.h"
#include "TestPrograms.h"
#include "openmm/Context.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/VerletIntegrator.h"

namespace integrator_tests {

using namespace OpenMM;
using namespace ScoreDynPlugin;
using core_tests::assertThrows;

inline Platform* platform = nullptr;
inline std::map<std::string, std::string> properties;
// Rounding of positions (nm) and velocities on the platform, the constraint tolerance it can reach, and by
// how much a program may differ from its run on the host, nm.
inline double rounding = 1e-12, constraintTolerance = 1e-7, programRounding = 0;
inline bool recordsSteps = false;

inline std::unique_ptr<Context> makeContext(const System& system, Integrator& integrator) {
    return std::make_unique<Context>(system, integrator, *platform, properties);
}

inline const std::vector<Vec3> start{Vec3(0, 0, 0), Vec3(0.125, 0, 0)};
inline const double masses[] = {12.0, 16.0};

inline void addParticles(System& system) {
    for (double mass : masses) system.addParticle(mass);
}

inline std::vector<Vec3> positionsOf(const Context& context) {
    return context.getState(State::Positions).getPositions();
}

/// A context of the plain two-atom System with a program in it.
struct Run {
    explicit Run(const TestProgram& program, int seed = 5) : Run(makeArchive(program), seed) {}
    explicit Run(std::shared_ptr<const ScoreArchive> archive, int seed = 5) : integrator(std::move(archive)) {
        addParticles(system);
        integrator.setRandomNumberSeed(seed);
        context = makeContext(system, integrator);
        context->setPositions(start);
    }
    System system;
    ScoreDynamicsIntegrator integrator;
    std::unique_ptr<Context> context;
};

/// Load what SCOREDYN_PLUGINS names, separated by colons: our library extends the platforms that are there
/// when it is loaded. Returns whether the platform came up and can make a context.
inline bool loadPlatform(const std::string& name) {
    std::istringstream plugins(SCOREDYN_PLUGINS);
    for (std::string plugin; std::getline(plugins, plugin, ':');) {
        try {
            Platform::loadPluginLibrary(plugin);
        } catch (const std::exception& error) {
            std::cout << error.what() << std::endl;
        }
    }
    try {
        platform = &Platform::getPlatform(name);
        System system;
        system.addParticle(1);
        VerletIntegrator integrator(0.001);
        makeContext(system, integrator);
    } catch (const std::exception& error) {
        std::cout << "Skipped: the platform " << name << " does not come up here: " << error.what()
                  << std::endl;
        return false;
    }
    return true;
}

}  // namespace integrator_tests
