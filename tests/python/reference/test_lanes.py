"""Copies of a molecule in the lanes of the processor, against OpenMM's Reference platform and statistical
mechanics.
"""

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from recipes import recipe

TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS = 310.0, 10.0, 0.004
GAS_KJ_PER_MOL_K = 0.00831446262

pytestmark = pytest.mark.skipif(
    "avx2" not in Path("/proc/cpuinfo").read_text(), reason="lanes.cpp needs a processor with AVX2"
)


@pytest.fixture(scope="module")
def peptides():
    with recipe("peptides") as module:
        yield module


@pytest.fixture(scope="module")
def lanes(peptides):
    return peptides("lanes")


@pytest.fixture(scope="module")
def build(peptides):
    return peptides("build")


def context_of(system, positions_nm):
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS)
    integrator.setRandomNumberSeed(3)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions_nm)
    return context


@pytest.fixture(scope="module")
def serine(build):
    """System of ACE-SER-NME, frames (16, N, 3) of its MD at 310 K, their energies and forces in OpenMM."""
    topology, positions_nm = build.structure("S", True)
    system = build.system(topology)
    context = context_of(system, positions_nm)
    mm.LocalEnergyMinimizer.minimize(context, 1.0)
    context.setVelocitiesToTemperature(TEMPERATURE_K, 1)
    context.getIntegrator().step(2500)
    states = []
    for _ in range(16):
        context.getIntegrator().step(100)
        states.append(context.getState(getPositions=True, getForces=True, getEnergy=True))
    positions, forces = (
        np.array([get(state) for state in states])
        for get in (
            lambda state: state.getPositions(asNumpy=True)._value,
            lambda state: state.getForces(asNumpy=True)._value,
        )
    )
    energies = np.array([state.getPotentialEnergy()._value for state in states])
    return system, positions, energies, forces


def run(lanes, system, positions, frames, spacing_ps, seed=5, velocities=None):
    copies = lanes.Lanes(system)
    if velocities is None:
        velocities = copies.velocities(len(positions), TEMPERATURE_K, seed)
    return copies.simulate(
        positions,
        velocities,
        frames,
        steps_per_frame=round(spacing_ps / TIMESTEP_PS),
        timestep_ps=TIMESTEP_PS,
        friction_per_ps=FRICTION_PER_PS,
        temperature_K=TEMPERATURE_K,
        seed=seed,
    )


def test_forces_and_energies_are_those_of_openmm(lanes, serine):
    system, positions, energies, forces = serine
    found, pushed = lanes.Lanes(system).evaluate(positions)
    # Single precision of forces of some 1000 kJ/mol/nm.
    np.testing.assert_allclose(pushed, forces, rtol=1e-4, atol=0.05)
    # Torsions leave out their constants.
    np.testing.assert_allclose(found - found[0], energies - energies[0], atol=0.01)


@pytest.mark.parametrize("sequence", ["W", "P", "H", "R"])
def test_each_force_is_that_of_openmm(lanes, build, sequence):
    topology, positions_nm = build.structure(sequence, True)
    system = build.system(topology)
    for kept in range(system.getNumForces()):
        alone = mm.XmlSerializer.clone(system)
        for k in reversed(range(system.getNumForces())):
            if k != kept:
                alone.removeForce(k)
        state = context_of(alone, positions_nm).getState(getForces=True)
        _, found = lanes.Lanes(alone).evaluate(np.repeat(positions_nm[None], 16, 0))
        expected = state.getForces(asNumpy=True)._value
        np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_constraints_hold(lanes, serine):
    system, positions, *_ = serine
    frames, _ = run(lanes, system, positions, 20, 0.5)
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        gap = frames[:, :, i] - frames[:, :, j]
        np.testing.assert_allclose(np.linalg.norm(gap, axis=-1), length._value, rtol=1e-5)


def test_temperature_and_energy_are_those_of_the_ensemble(lanes, serine):
    # Kinetic energy by equipartition; potential energy as in OpenMM's own run.
    system, positions, *_ = serine
    masses = np.array([system.getParticleMass(k)._value for k in range(system.getNumParticles())])
    degrees = 3 * len(masses) - system.getNumConstraints()
    velocities, kelvin, potential = None, [], []
    for part in range(24):
        frames, velocities = run(lanes, system, positions, 1, 2.0, seed=part, velocities=velocities)
        positions = frames[:, -1]
        kinetic = (masses[:, None] * velocities.astype(float) ** 2).sum((1, 2))
        if part >= 4:
            kelvin.append(kinetic / degrees / GAS_KJ_PER_MOL_K)
            potential.append(lanes.Lanes(system).evaluate(positions)[0])
    error_K = TEMPERATURE_K * np.sqrt(2 / degrees / np.size(kelvin))
    assert np.mean(kelvin) == pytest.approx(TEMPERATURE_K, abs=4 * error_K)

    context = context_of(system, positions[0])
    energies = []
    for _ in range(100):
        context.getIntegrator().step(500)
        energies.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
    constant = (
        context.getState(getEnergy=True).getPotentialEnergy()._value
        - lanes.Lanes(system).evaluate(
            np.repeat(context.getState(getPositions=True).getPositions(asNumpy=True)._value[None], 16, 0)
        )[0][0]
    )
    error = np.hypot(np.std(energies) / 10, np.std(potential) / np.sqrt(np.size(potential)))
    assert np.mean(potential) + constant == pytest.approx(np.mean(energies), abs=4 * error)


def test_free_particles_diffuse_as_they_should(lanes):
    # <dx^2> = 2 kT / (m gamma) (t - (1 - exp(-gamma t)) / gamma) of a free Langevin particle. Of two, as
    # frames leave out the centre.
    system = mm.System()
    for _ in range(2):
        system.addParticle(10.0)
    time_ps = 0.4
    positions = np.zeros((1600, 2, 3))
    positions[:, 1, 0] = 1
    frames, _ = run(lanes, system, positions, 1, time_ps)
    apart = frames[:, 0, 1] - frames[:, 0, 0] - [1, 0, 0]
    rate = FRICTION_PER_PS
    expected = 2 * 2 * GAS_KJ_PER_MOL_K * TEMPERATURE_K / 10 / rate
    expected *= time_ps - (1 - np.exp(-rate * time_ps)) / rate
    assert (apart**2).mean() == pytest.approx(expected, rel=4 * np.sqrt(2 / apart.size))


def test_copies_differ_and_a_seed_repeats_them(lanes, serine):
    system, positions, *_ = serine
    alike = np.repeat(positions[:1], 32, 0)
    first, _ = run(lanes, system, alike, 1, 0.4, velocities=np.zeros_like(alike))
    again, _ = run(lanes, system, alike, 1, 0.4, velocities=np.zeros_like(alike))
    other, _ = run(lanes, system, alike, 1, 0.4, seed=6, velocities=np.zeros_like(alike))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max(axis=(1, 2, 3)).min() > 1e-3
    apart = np.abs(first[:, None] - first).max(axis=(2, 3, 4))
    assert apart[~np.eye(32, dtype=bool)].min() > 1e-3


def test_what_is_not_known_is_refused(lanes, build):
    topology, _ = build.structure("G", True)
    system = build.system(topology)
    system.addForce(mm.CMAPTorsionForce())
    with pytest.raises(ValueError, match="found CMAPTorsionForce"):
        lanes.Lanes(system)
    cut = build.system(topology)
    next(f for f in cut.getForces() if isinstance(f, mm.NonbondedForce)).setNonbondedMethod(
        mm.NonbondedForce.CutoffNonPeriodic
    )
    with pytest.raises(ValueError, match="without cutoff"):
        lanes.Lanes(cut)
    chained = build.system(topology)
    chained.addConstraint(0, 1, 0.1)
    with pytest.raises(ValueError, match="constraints of hydrogens"):
        lanes.Lanes(chained)
    with pytest.raises(ValueError, match="copies"):
        lanes.Lanes(build.system(topology)).evaluate(np.zeros((3, 5, 3)))
