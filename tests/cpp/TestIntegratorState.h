#pragma once

// What an integrator keeps, takes up and refuses: seeds, States and checkpoints, histories, first frames,
// forces, velocities and threads. Included by TestScoreDynamicsIntegrator.h.

#include <cmath>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "Assertions.h"
#include "NamedTests.h"
#include "PlatformUnderTest.h"
#include "Threads.h"
#include "openmm/CMMotionRemover.h"
#include "openmm/CustomExternalForce.h"
#include "openmm/CustomNonbondedForce.h"
#include "openmm/CustomTorsionForce.h"
#include "openmm/HarmonicBondForce.h"
#include "openmm/PeriodicTorsionForce.h"
#include "openmm/reference/SimTKOpenMMRealType.h"
#include "openmm/serialization/XmlSerializer.h"

namespace integrator_tests {

inline const int fullState = State::Positions | State::Velocities | State::IntegratorParameters;

inline bool areEqual(const std::vector<Vec3>& a, const std::vector<Vec3>& b) {
    for (size_t i = 0; i < a.size(); ++i)
        for (int axis = 0; axis < 3; ++axis)
            if (a[i][axis] != b[i][axis]) return false;
    return true;
}

inline std::vector<Vec3> after(Run& run, int steps) {
    run.integrator.step(steps);
    return positionsOf(*run.context);
}

/// Whatever the seed of the integrator, a checkpoint goes on bit for bit.
inline void testCheckpointBringsItsSeed() {
    Run run(ouDenoiser(), 5);
    run.integrator.step(3);
    std::stringstream checkpoint;
    run.context->createCheckpoint(checkpoint);
    const std::vector<Vec3> unbroken = after(run, 4);
    for (const int seed : {0, 5, 9}) {
        Run other(ouDenoiser(), seed);
        checkpoint.seekg(0);
        other.context->loadCheckpoint(checkpoint);
        ASSERT_EQUAL(5, other.integrator.getRandomNumberSeed());
        ASSERT(areEqual(unbroken, after(other, 4)));
    }
}

/// One State, many seeds: it goes on bit for bit with its own, and elsewhere otherwise.
inline void testStateFollowsTheSeed() {
    Run run(ouDenoiser(), 5);
    run.integrator.step(3);
    const State state = run.context->getState(fullState);
    const std::vector<Vec3> unbroken = after(run, 4);
    std::vector<std::vector<Vec3>> ends;
    for (const int seed : {5, 9, 11, 0, 0}) {
        Run other(ouDenoiser(), seed);
        other.context->setState(state);
        ASSERT(areEqual(state.getPositions(), positionsOf(*other.context)));
        ASSERT_EQUAL(3, other.context->getStepCount());
        if (seed != 0) ASSERT_EQUAL(seed, other.integrator.getRandomNumberSeed());
        ends.push_back(after(other, 4));
        ASSERT_EQUAL(seed == 5, areEqual(unbroken, ends.back()));
    }
    for (size_t i = 0; i < ends.size(); ++i)
        for (size_t j = 0; j < i; ++j) ASSERT(!areEqual(ends[i], ends[j]));
    // In one context, where the seed is set before the State.
    for (const int seed : {9, 11, 5}) {
        run.integrator.setRandomNumberSeed(seed);
        run.context->setState(state);
        ASSERT_EQUAL(seed, run.integrator.getRandomNumberSeed());
        const std::vector<Vec3> end = after(run, 4);
        if (seed == 5) ASSERT(areEqual(unbroken, end));
        if (seed != 5) ASSERT(!areEqual(unbroken, end));
    }
}

inline void testReinitializeTakesANewSeed() {
    const auto ended = [](int seed, bool load) {
        Run run(ouDenoiser(), 5);
        run.integrator.step(3);
        std::stringstream checkpoint;
        run.context->createCheckpoint(checkpoint);
        run.integrator.setRandomNumberSeed(seed);
        const std::vector<Vec3> before = positionsOf(*run.context);
        run.context->reinitialize(!load);
        if (load) run.context->loadCheckpoint(checkpoint);
        ASSERT(areEqual(before, positionsOf(*run.context)));
        ASSERT_EQUAL(load ? 5 : seed, run.integrator.getRandomNumberSeed());
        return after(run, 4);
    };
    const std::vector<Vec3> unbroken = ended(5, false);
    ASSERT(!areEqual(unbroken, ended(9, false)));
    ASSERT(areEqual(unbroken, ended(9, true)));
}

/// A seed of 0 is chosen, told, and gives the same trajectory again.
inline void testChosenSeedIsTold() {
    Run chosen(ouDenoiser(), 0);
    const int seed = chosen.integrator.getRandomNumberSeed();
    ASSERT(seed > 0);
    ASSERT_EQUAL(0, chosen.integrator.getSeedSetting());
    Run again(ouDenoiser(), seed);
    ASSERT(areEqual(after(chosen, 2), after(again, 2)));
}

inline void testOtherSettingsAreRefused() {
    Run run(ouDenoiser()), otherModel(driftProgram(0)), otherSolver(ouDenoiser()), otherSteps(ouDenoiser());
    otherSolver.integrator.setSolver(parseSolver("heun"));
    otherSteps.integrator.setDenoisingSteps(7);
    run.integrator.step(1);
    const State state = run.context->getState(fullState);
    std::stringstream checkpoint;
    run.context->createCheckpoint(checkpoint);
    const std::vector<std::pair<Run*, std::string>> others = {
        {&otherModel, "written with another model (SHA-256); expected " +
                          otherModel.integrator.getModel().sha256() + ", found " +
                          run.integrator.getModel().sha256()},
        {&otherSolver, "written with another solver; expected heun, found dpmpp_2m; call setSolver"},
        {&otherSteps, "written with another number of denoising steps; expected 7, found 4"}};
    for (const auto& [other, text] : others) {
        assertThrows([&, o = other] { o->context->setState(state); }, "the State was " + text);
        checkpoint.seekg(0);
        assertThrows([&, o = other] { o->context->loadCheckpoint(checkpoint); },
                     "the checkpoint was " + text);
    }
}

inline void testDamagedCheckpointIsRefused() {
    Run run(ouDenoiser());
    run.integrator.step(1);
    std::stringstream stream;
    run.context->createCheckpoint(stream);
    const std::string whole = stream.str();
    std::string damaged = whole;
    damaged[damaged.size() - 3] ^= 1;  // in the history
    for (const std::string& bytes : {damaged, whole.substr(0, whole.size() - 5)}) {
        std::stringstream read(bytes);
        assertThrows([&] { run.context->loadCheckpoint(read); }, "truncated or damaged");
    }
}

/// x' = 2 x - x'', which needs two frames.
inline TestProgram inertialProgram() {
    return {.code = R"(
def denoise(self, latent, sigma, condition: List[Tensor]):
    return torch.zeros_like(latent)
def advance(self, latent, condition: List[Tensor], history, box):
    return 2 * history[:, -1] - history[:, -2]
)",
            .historyLength = 2};
}

inline std::vector<float> framesOf(std::initializer_list<Vec3> shifts) {
    std::vector<float> frames;
    for (const Vec3& shift : shifts)
        for (const Vec3& atom : start)
            for (int axis = 0; axis < 3; ++axis)
                frames.push_back(static_cast<float>(atom[axis] + shift[axis]));
    return frames;
}

inline void testHistory() {
    const Vec3 d(0.0625, 0, 0);
    Run run(inertialProgram());
    ASSERT(run.integrator.getHistory() == framesOf({Vec3(), Vec3()}));
    run.integrator.setHistory(framesOf({d, d * 2}));
    ASSERT_EQUAL_VEC(start[1] + d * 2, positionsOf(*run.context)[1], 0.0);
    run.integrator.step(1);
    ASSERT_EQUAL_VEC(start[1] + d * 3, positionsOf(*run.context)[1], 0.0);
    ASSERT(run.integrator.getHistory() == framesOf({d * 2, d * 3}));
    Run other(inertialProgram());
    other.context->setState(run.context->getState(fullState));
    ASSERT(other.integrator.getHistory() == framesOf({d * 2, d * 3}));
    other.integrator.step(1);
    ASSERT_EQUAL_VEC(start[1] + d * 4, positionsOf(*other.context)[1], 0.0);
    // Whoever sets positions starts again from rest.
    other.context->setPositions(start);
    ASSERT(other.integrator.getHistory() == framesOf({Vec3(), Vec3()}));
    other.integrator.step(1);
    ASSERT_EQUAL_VEC(start[1], positionsOf(*other.context)[1], 0.0);
}

/// Every atom moves along x by 0.0625 nm a ps at 300 K, and in proportion to the temperature; with half the
/// displacement before, when the history is longer.
inline TestProgram knowingProgram(int historyLength) {
    TestProgram program{.code = R"(
def condition(self, history, box, lag_time_ps, temperature_K) -> List[Tensor]:
    return [(lag_time_ps * temperature_K / 300)[:, None, None] * torch.tensor([0.0625, 0.0, 0.0], device=history.device)]
def denoise(self, latent, sigma, condition: List[Tensor]):
    return torch.zeros_like(latent)
def advance(self, latent, condition: List[Tensor], history, box):
    return history[:, -1] + condition[0] + 0.5 * (history[:, -1] - history[:, 0])
)"};
    program.historyLength = historyLength;
    program.lagTimesPs = "1.0,2.0,4.0";
    program.temperaturesK = "300.0,600.0";
    return program;
}

/// Make one step, which leaves the second atom there.
inline void assertStepTo(Run& run, const Vec3& expected) {
    const Vec3 found = after(run, 1)[1];
    ASSERT_EQUAL_VEC(expected, found, 1e-6);
}

/// Step size and temperature choose among what the model knows, between steps, too.
inline void testKnownValues() {
    Run run(knowingProgram(1));
    run.integrator.setStepSize(4);
    assertStepTo(run, start[1] + Vec3(0.25, 0, 0));
    run.integrator.setTemperature(600);
    assertStepTo(run, start[1] + Vec3(0.75, 0, 0));
    run.integrator.setStepSize(2);
    assertStepTo(run, start[1] + Vec3(1, 0, 0));
    ASSERT_EQUAL_TOL(10.0, run.context->getState(0).getTime(), 1e-12);
    const State state = run.context->getState(fullState);
    Run other(knowingProgram(1));
    other.integrator.setStepSize(2);
    assertThrows([&] { other.context->setState(state); },
                 "written with another temperature (K); expected 300, found 600; call setTemperature");
    other.integrator.setTemperature(600);
    other.context->setState(state);
    for (const double stepSize : {1.5, 3.0, 8.0}) {
        run.integrator.setStepSize(stepSize);
        assertThrows([&] { run.integrator.step(1); }, "1, 2 or 4 ps");
    }
    run.integrator.setStepSize(1);
    run.integrator.setTemperature(310);
    assertThrows([&] { run.integrator.step(1); }, "300 or 600 K");
}

/// Without another, a step is the recommended lag time, where the model says one.
inline void testRecommendedLagTime() {
    TestProgram program = knowingProgram(1);
    program.recommendedLagTimePs = "2.0";
    Run run(program);
    ASSERT_EQUAL(2.0, run.integrator.getStepSize());
    assertStepTo(run, start[1] + Vec3(0.125, 0, 0));
    ASSERT_EQUAL_TOL(2.0, run.context->getState(0).getTime(), 1e-12);
    ASSERT_EQUAL(1.0, Run(knowingProgram(1)).integrator.getStepSize());
}

/// Frames of another lag time are no history.
inline void testStepSizeStartsTheHistoryAgain() {
    Run run(knowingProgram(2));
    assertStepTo(run, start[1] + Vec3(0.0625, 0, 0));
    assertStepTo(run, start[1] + Vec3(0.15625, 0, 0));
    run.integrator.setStepSize(2);
    const std::vector<float> history = run.integrator.getHistory();
    ASSERT_EQUAL(history[0], history[6]);
    assertStepTo(run, start[1] + Vec3(0.28125, 0, 0));
}

inline void testHistoryRefusals() {
    Run run(inertialProgram());
    const std::vector<float> good = framesOf({Vec3(), Vec3()});
    assertThrows([&] { run.integrator.setHistory(framesOf({Vec3()})); },
                 "has 6 numbers; expected 2 frames of 2");
    assertThrows([&] { run.integrator.setHistory(framesOf({Vec3(), Vec3(3, 0, 0)})); },
                 "frame 1 of the history");
    std::vector<float> broken = good, notFinite = good;
    broken[3] = 0.5f;
    notFinite[8] = NAN;
    assertThrows([&] { run.integrator.setHistory(broken); }, "frame 0 of the history");
    assertThrows([&] { run.integrator.setHistory(notFinite); }, "frame 1 of the history");
    ASSERT(areEqual(start, positionsOf(*run.context)));
    assertThrows([] { ScoreDynamicsIntegrator(makeArchive(inertialProgram())).getHistory(); },
                 "not bound to a context");
}

/// What is not the molecule is refused before anything is drawn, and nothing of it stays.
inline void testFirstFrame() {
    Run run(inertialProgram());
    run.integrator.setHistory(framesOf({Vec3(), Vec3(0.0625, 0, 0)}));
    const std::vector<Vec3> left = positionsOf(*run.context);
    const std::vector<Vec3> stretched{Vec3(), Vec3(0.25, 0, 0)};
    run.context->setPositions(stretched);
    assertThrows([&] { run.integrator.step(1); },
                 "no structure of the model 'test': the bond between atoms 0 and 1");
    ASSERT(areEqual(stretched, positionsOf(*run.context)));
    ASSERT_EQUAL(0, run.context->getStepCount());
    run.context->setPositions(left);
    run.integrator.step(1);
    ASSERT_EQUAL_VEC(start[1] + Vec3(0.125, 0, 0), positionsOf(*run.context)[1], 0.0);
}

/// 2 E_kin / kT follows the chi-square distribution of the degrees of freedom that OpenMM's reporters count.
inline void testTemperature(bool removesMotion, bool constrained) {
    System system;
    addParticles(system);
    if (removesMotion) system.addForce(new CMMotionRemover());
    if (constrained) system.addConstraint(0, 1, 0.125);
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
    integrator.setConstraintTolerance(constraintTolerance);
    integrator.setRandomNumberSeed(3);
    const auto context = makeContext(system, integrator);
    context->setPositions(start);
    const int freedom = 6 - (constrained ? 1 : 0) - (removesMotion ? 3 : 0), steps = 1000;
    double sum = 0, squares = 0;
    for (int i = 0; i < steps; ++i) {
        integrator.step(1);
        const State state = context->getState(State::Velocities | State::Energy);
        const double value = 2 * state.getKineticEnergy() / (BOLTZ * 300);
        sum += value;
        squares += value * value;
        if (!removesMotion) continue;
        const Vec3 momentum = state.getVelocities()[0] * masses[0] + state.getVelocities()[1] * masses[1];
        ASSERT_EQUAL_VEC(Vec3(), momentum, 1e-4);
    }
    const double mean = sum / steps, variance = squares / steps - mean * mean;
    // Fourth cumulant of chi-square: 48 f.
    core_tests::assertWithinError(freedom, mean, std::sqrt(2.0 * freedom / steps));
    core_tests::assertWithinError(2.0 * freedom, variance,
                                  std::sqrt((48.0 * freedom + 2 * std::pow(2.0 * freedom, 2)) / steps));
}

/// Makes a context of the two atoms with a force, having done something to the integrator.
inline void contextWithForce(Force* force, bool reported = false) {
    System system;
    addParticles(system);
    system.addForce(force);
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
    integrator.setForcesOnlyReported(reported);
    makeContext(system, integrator)->setPositions(start);
}

inline HarmonicBondForce* bondForce(double k) {
    auto* force = new HarmonicBondForce();
    force->addBond(0, 1, 0.125, k);
    return force;
}

inline void testForcesNobodyFeels() {
    const auto restraint = [] {
        auto* force = new CustomExternalForce("1000*x^2");
        force->addParticle(0);
        return force;
    };
    assertThrows([&] { contextWithForce(restraint()); },
                 "force 0 of the System (CustomExternalForce) is none that a force field makes");
    contextWithForce(restraint(), true);
    contextWithForce(bondForce(1000));
    contextWithForce(new CMMotionRemover());
    auto* lennardJones = new CustomNonbondedForce("1/r");
    lennardJones->addParticle();
    lennardJones->addParticle();
    lennardJones->setName("LennardJones");
    contextWithForce(lennardJones);
    auto* own = new CustomNonbondedForce("1/r");
    own->addParticle();
    own->addParticle();
    assertThrows([&] { contextWithForce(own); }, "(CustomNonbondedForce)");
    System system;
    addParticles(system);
    system.addForce(new PeriodicTorsionForce());
    system.addForce(new PeriodicTorsionForce());
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
    assertThrows([&] { makeContext(system, integrator); }, "force 1 of the System (PeriodicTorsionForce)");
}

inline void testMassless() {
    System system;
    system.addParticle(masses[0]);
    system.addParticle(0);
    ScoreDynamicsIntegrator integrator(makeArchive(driftProgram(0)));
    assertThrows([&] { makeContext(system, integrator); },
                 "particle 1 has no mass, which holds it in place in OpenMM");
}

inline void testThreads() {
    Run run(ouDenoiser()), serial(ouDenoiser());
    assertThrows([&] { run.integrator.setNumThreads(maxThreads + 1); }, "is 257; expected 1 to 256");
    assertThrows([&] { run.integrator.setNumThreads(0); }, "is 0; expected 1 to 256");
    // Threads that step one integrator take turns.
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { run.integrator.step(200); });
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQUAL(800, run.context->getStepCount());
    ASSERT(areEqual(after(serial, 800), positionsOf(*run.context)));
}

inline void runStateTests(core_tests::NamedTests& tests) {
    RUN_NAMED(tests, testCheckpointBringsItsSeed);
    RUN_NAMED(tests, testStateFollowsTheSeed);
    RUN_NAMED(tests, testReinitializeTakesANewSeed);
    RUN_NAMED(tests, testChosenSeedIsTold);
    RUN_NAMED(tests, testOtherSettingsAreRefused);
    RUN_NAMED(tests, testDamagedCheckpointIsRefused);
    RUN_NAMED(tests, testHistory);
    RUN_NAMED(tests, testHistoryRefusals);
    RUN_NAMED(tests, testKnownValues);
    RUN_NAMED(tests, testRecommendedLagTime);
    RUN_NAMED(tests, testStepSizeStartsTheHistoryAgain);
    RUN_NAMED(tests, testFirstFrame);
    RUN_NAMED(tests, testTemperature, false, false);
    RUN_NAMED(tests, testTemperature, false, true);
    RUN_NAMED(tests, testTemperature, true, false);
    RUN_NAMED(tests, testTemperature, true, true);
    RUN_NAMED(tests, testForcesNobodyFeels);
    RUN_NAMED(tests, testMassless);
    RUN_NAMED(tests, testThreads);
}

}  // namespace integrator_tests
