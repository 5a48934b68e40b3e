#pragma once

// The tests of the integrator, instantiated once per platform and precision: the including file calls
// runIntegratorTests.

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "Assertions.h"
#include "NamedTests.h"
#include "Noise.h"
#include "PlatformUnderTest.h"
#include "ScoreDynamicsIntegrator.h"
#include "TestIntegratorState.h"
#include "TestPrograms.h"
#include "openmm/CompoundIntegrator.h"
#include "openmm/Context.h"
#include "openmm/MonteCarloBarostat.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/VerletIntegrator.h"
#include "openmm/VirtualSite.h"
#include "openmm/internal/AssertionUtilities.h"
#include "openmm/reference/SimTKOpenMMRealType.h"
#include "openmm/serialization/XmlSerializer.h"

namespace integrator_tests {

inline void testIdentity() {
    Run run(driftProgram(0));
    run.integrator.step(3);
    for (int i = 0; i < 2; ++i) ASSERT_EQUAL_VEC(start[i], positionsOf(*run.context)[i], 0.0);
}

inline void testDrift() {
    Run run(driftProgram(0.0078125));  // a power of two, so that float32 sums are exact
    run.integrator.step(10);
    for (int i = 0; i < 2; ++i)
        ASSERT_EQUAL_VEC(start[i] + Vec3(0.078125, 0, 0), positionsOf(*run.context)[i], 0.0);
    ASSERT_EQUAL_TOL(10.0, run.context->getState(0).getTime(), 1e-12);
    ASSERT_EQUAL(10, run.context->getStepCount());
}

/// One step of a closed form with the noise of the same key.
inline void testNoiseOfAStep(const TestProgram& program) {
    Run run(program);
    run.integrator.setDenoisingSteps(std::min(program.denoisingSteps, 1));
    run.integrator.step(1);
    float noise[6];
    fillNormal({5, 0, 0, 0, initialStage}, noise, 6);
    // In one go the noise itself is taken, by denoising its expectation given sigma = 80.
    const double scale = program.hasStart ? ouStep : ouStep * 80.0 / (1 + 80.0 * 80.0);
    for (int i = 0; i < 2; ++i) {
        const Vec3 eps(noise[3 * i], noise[3 * i + 1], noise[3 * i + 2]);
        ASSERT_EQUAL_VEC(start[i] + eps * scale, positionsOf(*run.context)[i], 1e-6);
    }
}

inline void testVelocities() {
    Run run(driftProgram(0));
    run.integrator.step(2);
    float noise[6];
    fillNormal({5, 0, 1, 0, velocityStage}, noise, 6);
    const State state = run.context->getState(State::Velocities | State::Energy);
    double energy = 0;
    for (int i = 0; i < 2; ++i) {
        const Vec3 expected =
            Vec3(noise[3 * i], noise[3 * i + 1], noise[3 * i + 2]) * std::sqrt(BOLTZ * 300 / masses[i]);
        ASSERT_EQUAL_VEC(expected, state.getVelocities()[i], rounding);
        energy += 0.5 * masses[i] * expected.dot(expected);
    }
    ASSERT_EQUAL_TOL(energy, state.getKineticEnergy(), rounding);
}

inline void testStationaryVariance() {
    Run run(ouInOneGo());
    const int steps = 20000;
    double square = 0, product = 0;
    std::vector<Vec3> before = start;
    for (int s = 0; s < steps; ++s) {
        run.integrator.step(1);
        const std::vector<Vec3> after = positionsOf(*run.context);
        for (int i = 0; i < 2; ++i) {
            square += (after[i] - start[i]).dot(after[i] - start[i]);
            product += (after[i] - start[i]).dot(before[i] - start[i]);
        }
        before = after;
    }
    const double variance = ouStep * ouStep / (1 - ouDecay * ouDecay);
    const double a2 = ouDecay * ouDecay;
    // Standard errors of the variance and of the lag-1 coefficient of an AR(1) process.
    const double samples = 6.0 * steps;
    ASSERT(std::abs(square / samples / variance - 1) < 4 * std::sqrt(2 / samples * (1 + a2) / (1 - a2)));
    ASSERT(std::abs(product / square - ouDecay) < 4 * std::sqrt((1 - a2) / samples));
}

inline void testSeeds() {
    Run first(ouDenoiser()), same(ouDenoiser()), other(ouDenoiser(), 6);
    first.integrator.step(2);
    same.integrator.step(1);
    same.integrator.step(1);
    other.integrator.step(2);
    ASSERT_EQUAL_VEC(positionsOf(*first.context)[1], positionsOf(*same.context)[1], 0.0);
    const Vec3 difference = positionsOf(*first.context)[1] - positionsOf(*other.context)[1];
    ASSERT(std::sqrt(difference.dot(difference)) > 1e-6);
}

inline void testCheckpoint() {
    Run run(ouDenoiser(), 0);
    run.integrator.step(3);
    std::stringstream checkpoint;
    run.context->createCheckpoint(checkpoint);
    run.integrator.step(4);
    const std::vector<Vec3> unbroken = positionsOf(*run.context);
    run.context->loadCheckpoint(checkpoint);
    run.integrator.step(4);
    for (int i = 0; i < 2; ++i) ASSERT_EQUAL_VEC(unbroken[i], positionsOf(*run.context)[i], 0.0);
}

/// A platform that records steps takes the plain ones, resamples included: a change of a setting starts
/// again, and the first two steps are plain.
inline void testRecording() {
    TestProgram program = ouDenoiser();
    program.maxDisplacementNm = 1.8 * ouStep;
    Run recorded(program), plain(program);
    for (Run* run : {&recorded, &plain}) run->integrator.setMaxResamples(100);
    for (int i = 0; i < 20; ++i) {
        recorded.integrator.step(1);
        plain.integrator.setMaxResamples(100);
        plain.integrator.step(1);
        for (int k = 0; k < 2; ++k)
            ASSERT_EQUAL_VEC(positionsOf(*plain.context)[k], positionsOf(*recorded.context)[k], 0.0);
    }
    ASSERT(recorded.integrator.getStepCounts().rejectedDraws > 0);
    ASSERT_EQUAL(plain.integrator.getStepCounts().rejectedDraws,
                 recorded.integrator.getStepCounts().rejectedDraws);
    ASSERT_EQUAL(recordsSteps ? "recorded" : "plain", recorded.integrator.getRecordingStatus());
    ASSERT_EQUAL("plain", plain.integrator.getRecordingStatus());
}

/// A program that asks the device for a value in the middle of a step.
inline void testUnrecordable() {
    Run run(failingProgram("latent"));
    run.integrator.step(5);
    for (int i = 0; i < 2; ++i) ASSERT_EQUAL_VEC(start[i], positionsOf(*run.context)[i], 0.0);
    const std::string status = run.integrator.getRecordingStatus();
    ASSERT(recordsSteps ? status.find("plain: ") == 0 : status == "plain");
}

inline void testResamples() {
    TestProgram program = ouInOneGo();
    program.maxDisplacementNm = 1.5 * ouStep;
    Run run(program);
    run.integrator.setMaxResamples(100);
    run.integrator.step(200);
    const StepCounts counts = run.integrator.getStepCounts();
    ASSERT(counts.rejectedSteps > 0 && counts.rejectedDraws >= counts.rejectedSteps);
    ASSERT_EQUAL(counts.rejectedDraws, counts.of(Cause::Displacement));
}

inline void testConstraint() {
    System system;
    addParticles(system);
    system.addConstraint(0, 1, 0.13);
    ScoreDynamicsIntegrator integrator(makeArchive(ouDenoiser()));
    integrator.setConstraintTolerance(constraintTolerance);
    const auto context = makeContext(system, integrator);
    context->setPositions(start);
    for (int i = 0; i < 20; ++i) {
        integrator.step(1);
        const State state = context->getState(State::Positions | State::Velocities);
        const Vec3 bond = state.getPositions()[1] - state.getPositions()[0];
        const Vec3 speed = state.getVelocities()[1] - state.getVelocities()[0];
        ASSERT_EQUAL_TOL(0.13, std::sqrt(bond.dot(bond)), 2 * constraintTolerance);
        ASSERT(std::abs(bond.dot(speed)) < 1e-5 * 0.13);
    }
}

inline void testVirtualSiteAndOrder() {
    System system;
    system.addParticle(16.0);
    system.addParticle(0.0);
    system.addParticle(12.0);
    system.setVirtualSite(1, new TwoParticleAverageSite(0, 2, 0.25, 0.75));
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0.25)));
    integrator.setParticles({2, 0});
    const auto context = makeContext(system, integrator);
    context->setPositions({start[1], Vec3(), start[0]});
    integrator.step(1);
    const std::vector<Vec3> after = positionsOf(*context);
    ASSERT_EQUAL_VEC(Vec3(0.25, 0, 0), after[2], 0.0);
    ASSERT_EQUAL_VEC(Vec3(0.375, 0, 0), after[0], 0.0);
    ASSERT_EQUAL_VEC(after[0] * 0.25 + after[2] * 0.75, after[1], rounding);
}

inline void testWrappedMolecule() {
    System system;
    addParticles(system);
    const Vec3 a(2, 0, 0), b(0.5, 2, 0), c(-0.5, 0.75, 2);
    system.setDefaultPeriodicBoxVectors(a, b, c);
    TestProgram program = driftProgram(0);
    program.periodic = true;
    ScoreDynamicsIntegrator integrator(makeArchive(program));
    const auto context = makeContext(system, integrator);
    context->setPositions({start[0], start[1] + a * 2 - b + c});
    integrator.step(1);
    ASSERT_EQUAL_VEC(start[1], positionsOf(*context)[1], 1e-6);
}

inline void testFailedStepChangesNothing(const std::string& result, const std::string& text) {
    Run run(failingProgram(result));
    const std::vector<Vec3> far{start[0] + Vec3(100, 0, 0), start[1] + Vec3(100, 0, 0)};
    run.context->setPositions(far);
    run.context->setVelocitiesToTemperature(300, 1);
    const State before = run.context->getState(State::Velocities);
    assertThrows([&] { run.integrator.step(1); }, text);
    const State after = run.context->getState(State::Positions | State::Velocities);
    for (int i = 0; i < 2; ++i) {
        ASSERT_EQUAL_VEC(far[i], after.getPositions()[i], 0.0);
        ASSERT_EQUAL_VEC(before.getVelocities()[i], after.getVelocities()[i], 0.0);
    }
    ASSERT_EQUAL(0.0, after.getTime());
    ASSERT_EQUAL(0, run.context->getStepCount());
}

inline void testRefusals() {
    const auto contextWith = [](const std::function<void(System&, ScoreDynamicsIntegrator&)>& change) {
        System system;
        addParticles(system);
        ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
        change(system, integrator);
        makeContext(system, integrator);
    };
    using I = ScoreDynamicsIntegrator;
    assertThrows([&] { contextWith([](System&, I& i) { i.setStepSize(2); }); },
                 "the model was trained for a step of 1 ps, but the step size is 2 ps. Call setStepSize(1)");
    assertThrows([&] { contextWith([](System&, I& i) { i.setTemperature(310); }); },
                 "but the temperature is 310 K");
    assertThrows([&] { contextWith([](System& s, I&) { s.addParticle(1); }); }, "but the System has 3");
    assertThrows([&] { contextWith([](System& s, I&) { s.setParticleMass(1, 18); }); },
                 "the mass of particle 1 is 18");
    assertThrows([&] { contextWith([](System& s, I&) { s.addForce(new MonteCarloBarostat(1, 300)); }); },
                 "barostat");
    assertThrows([&] { contextWith([](System&, I& i) { i.setRandomNumberSeed(-1); }); },
                 "expected 0 or more");
    assertThrows([&] { contextWith([](System&, I& i) { i.setDenoisingSteps(0); }); }, "expected 1 to");
    assertThrows([] { ScoreDynamicsIntegrator(makeArchive(driftProgram(0))).step(1); },
                 "not bound to a context");
    assertThrows([] { makeArchive({.code = driftProgram(0).code, .formatVersion = "1.0"}); }, "version 1.0");
    Run run(driftProgram(0));
    assertThrows([&] { makeContext(run.system, run.integrator); }, "already bound to a context");
}

inline void testXml() {
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
    integrator.setDenoisingSteps(9);
    integrator.setParticles({1, 0});
    std::stringstream stream;
    XmlSerializer::serialize<Integrator>(&integrator, "Integrator", stream);
    const std::unique_ptr<Integrator> read(XmlSerializer::deserialize<Integrator>(stream));
    const auto* copy = dynamic_cast<ScoreDynamicsIntegrator*>(read.get());
    ASSERT(copy != nullptr);
    ASSERT_EQUAL(9, copy->getDenoisingSteps());
    ASSERT(copy->getParticles() == std::vector<int>({1, 0}));
    ASSERT(copy->getModel().sha256() == integrator.getModel().sha256());
}

inline void testCompoundIntegrator() {
    System system;
    addParticles(system);
    CompoundIntegrator compound;
    compound.addIntegrator(new VerletIntegrator(0.001));
    compound.addIntegrator(new ScoreDynamicsIntegrator(makeArchive(driftProgram(0.25))));
    const auto context = makeContext(system, compound);
    context->setPositions(start);
    compound.step(1);
    compound.setCurrentIntegrator(1);
    compound.step(2);
    ASSERT_EQUAL_TOL(2.001, context->getState(0).getTime(), 1e-12);
    ASSERT_EQUAL_VEC(start[1] + Vec3(0.5, 0, 0), positionsOf(*context)[1], 1e-6);
}

/// The same steps on Reference, with the same noise.
inline void testParity(const TestProgram& program, const std::string& solver, bool constrained) {
    System system;
    addParticles(system);
    if (constrained) system.addConstraint(0, 1, 0.125);
    std::vector<Vec3> positions[2], velocities[2];
    for (int i = 0; i < 2; ++i) {
        ScoreDynamicsIntegrator integrator(makeArchive(program));
        integrator.setRandomNumberSeed(8);
        integrator.setSolver(parseSolver(solver));
        integrator.setConstraintTolerance(constraintTolerance);
        Platform& reference = Platform::getPlatform("Reference");
        const auto context = i == 0 ? std::make_unique<Context>(system, integrator, reference)
                                    : makeContext(system, integrator);
        context->setPositions(start);
        integrator.step(10);
        const State state = context->getState(State::Positions | State::Velocities);
        positions[i] = state.getPositions();
        velocities[i] = state.getVelocities();
    }
    for (int i = 0; i < 2; ++i) {
        // Float32 goes in and comes out, so that without constraints no precision adds rounding to positions;
        // what a program does on a GPU may.
        ASSERT_EQUAL_VEC(positions[0][i], positions[1][i],
                         programRounding + (constrained ? 4 * constraintTolerance * 0.125 : 0));
        ASSERT_EQUAL_VEC(velocities[0][i], velocities[1][i],
                         constrained ? 40 * constraintTolerance : rounding);
    }
}

/// A step has the precision of the card and leaves that of the process, whether it succeeds or not.
inline void testMatmulPrecision(const std::string& process) {
    const std::map<std::string, double> steps = {{"highest", 0}, {"high", 0.75}, {"medium", 1.25}};
    setProcessPrecision("highest");
    const TestProgram failing = failingProgram("latent @ latent");
    Run other(failing);
    other.context->setPositions({Vec3(60, 0, 0), Vec3(60.125, 0, 0)});
    for (const auto& [precision, step] : steps) {
        const TestProgram program = precisionProgram(precision);
        const auto archive = makeArchive(program);
        setProcessPrecision(process);
        Run run(archive);
        run.integrator.step(1);
        ASSERT_EQUAL_VEC(start[1] + Vec3(step, 0, 0), positionsOf(*run.context)[1], 1e-6);
        ASSERT_EQUAL(process, processPrecision());
        assertThrows([&] { other.integrator.step(1); }, "raised an error");
        ASSERT_EQUAL(process, processPrecision());
        setProcessPrecision("highest");
    }
}

/// `precision` is a value of the platform's property, empty for a platform without. Exit status 77 means that
/// the platform does not come up on this machine.
inline int runIntegratorTests(const std::string& platformName, const std::string& precision = "") {
    if (!precision.empty()) properties["Precision"] = precision;
    if (precision == "single") {
        rounding = 1e-6;
        constraintTolerance = 1e-5;
    }
    if (platformName == "CUDA" || platformName == "HIP") programRounding = 1e-6;
    recordsSteps = platformName == "CUDA";
    if (!loadPlatform(platformName)) return 77;
    core_tests::NamedTests tests;
    RUN_NAMED(tests, testIdentity);
    RUN_NAMED(tests, testDrift);
    RUN_NAMED(tests, testNoiseOfAStep, ouInOneGo());
    RUN_NAMED(tests, testNoiseOfAStep, ouDenoiser());
    RUN_NAMED(tests, testVelocities);
    RUN_NAMED(tests, testStationaryVariance);
    RUN_NAMED(tests, testSeeds);
    RUN_NAMED(tests, testCheckpoint);
    RUN_NAMED(tests, testResamples);
    RUN_NAMED(tests, testRecording);
    RUN_NAMED(tests, testUnrecordable);
    RUN_NAMED(tests, testConstraint);
    RUN_NAMED(tests, testVirtualSiteAndOrder);
    RUN_NAMED(tests, testWrappedMolecule);
    RUN_NAMED(tests, testFailedStepChangesNothing, "torch.full_like(latent, float('nan'))",
              "no acceptable draw");
    RUN_NAMED(tests, testFailedStepChangesNothing, "latent[:, :1]",
              "wrong shape; expected (1, 6), found (1, 1)");
    RUN_NAMED(tests, testFailedStepChangesNothing, "latent.double()", "wrong dtype; expected float32");
    RUN_NAMED(tests, testFailedStepChangesNothing, "latent @ latent", "raised an error");
    runStateTests(tests);
    RUN_NAMED(tests, testRefusals);
    RUN_NAMED(tests, testXml);
    RUN_NAMED(tests, testCompoundIntegrator);
    for (const std::string process : {"highest", "high", "medium"})
        tests.run("testMatmulPrecision(" + process + ")", [&] { testMatmulPrecision(process); });
    for (const SolverMethod& method : solverMethods())
        tests.run("testParity(ouDenoiser(), " + std::string(method.name) + ")",
                  [&] { testParity(ouDenoiser(), method.name, false); });
    RUN_NAMED(tests, testParity, ouInOneGo(), "heun", false);
    RUN_NAMED(tests, testParity, ouDenoiser(), "trig_2m", true);
    return tests.finish();
}

}  // namespace integrator_tests
