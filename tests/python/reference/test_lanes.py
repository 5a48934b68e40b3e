"""Copies of a molecule in the lanes of the processor, against OpenMM's Reference platform and statistical
mechanics.
"""

from importlib.resources import files
from types import SimpleNamespace

import alkanes
import numpy as np
import openmm as mm
import pytest
from alanine import PDB
from openmm import app
from recipes import recipe

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference import lanes
from openmm_scoredyn.reference.lanes import Lanes, Pull
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.system import build_reference_system

TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS = 310.0, 10.0, 0.004
GAS_KJ_PER_MOL_K = 0.00831446262
OPLS = files("openmm_scoredyn") / "reference" / "force_fields" / "oplsaa_alkanes_tip3p.xml"
LIBRARIES = [name for name in lanes._LIBRARIES if lanes.load_library(name) is not None]

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="needs a processor with AVX2 and FMA")


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    """Each library that this processor can run."""
    loaded = lanes.load_library(request.param)
    monkeypatch.setattr(lanes, "_library", lambda: loaded)


@pytest.fixture(scope="module")
def build():
    with recipe("peptides") as module:
        yield module("build")


@pytest.fixture(scope="module")
def butane():
    """System of OPLS-AA in vacuum, and positions."""
    topology = alkanes.topology("butane")
    physics = Physics(force_field=(str(OPLS),), solvent="vacuum")
    return build_reference_system(topology, physics), alkanes.positions(alkanes.molecule("butane"))


def context_of(system, positions_nm):
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE_K, FRICTION_PER_PS, TIMESTEP_PS)
    integrator.setRandomNumberSeed(3)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions_nm)
    return context


def potential_of(context):
    return context.getState(getEnergy=True).getPotentialEnergy()._value


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
    positions = np.array([state.getPositions(asNumpy=True)._value for state in states])
    forces = np.array([state.getForces(asNumpy=True)._value for state in states])
    energies = np.array([state.getPotentialEnergy()._value for state in states])
    return system, positions, energies, forces


def advance(system, positions, steps, seed=5, velocities=None):
    copies = Lanes(system)
    if velocities is None:
        velocities = copies.velocities(len(positions), TEMPERATURE_K, seed)
    return copies.advance(
        positions,
        velocities,
        steps,
        timestep_ps=TIMESTEP_PS,
        friction_per_ps=FRICTION_PER_PS,
        temperature_K=TEMPERATURE_K,
        seed=seed,
    )


def require_forces_of_openmm(system, positions_nm):
    """Of every force alone."""
    for kept in range(system.getNumForces()):
        alone = mm.XmlSerializer.clone(system)
        for k in reversed(range(system.getNumForces())):
            if k != kept:
                alone.removeForce(k)
        state = context_of(alone, positions_nm).getState(getForces=True)
        _, found = Lanes(alone).evaluate(positions_nm[None])
        expected = state.getForces(asNumpy=True)._value
        np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_forces_and_energies_are_those_of_openmm(library, serine):
    system, positions, energies, forces = serine
    found, pushed = Lanes(system).evaluate(positions)
    # Single precision of forces of some 1000 kJ/mol/nm.
    np.testing.assert_allclose(pushed, forces, rtol=1e-4, atol=0.05)
    # Torsions leave out their constants.
    np.testing.assert_allclose(found - found[0], energies - energies[0], atol=0.01)


@pytest.mark.parametrize("sequence", ["W", "P", "H", "R"])
def test_each_force_is_that_of_openmm(build, sequence):
    topology, positions_nm = build.structure(sequence, True)
    require_forces_of_openmm(build.system(topology), positions_nm)


def test_forces_of_opls_are_those_of_openmm(library, butane):
    """Ryckaert-Bellemans torsions, Lennard-Jones by tables and three bonds apart."""
    system, positions = butane
    positions = positions + 0.005 * np.random.default_rng(2).normal(size=positions.shape)
    kinds = {type(force).__name__ for force in system.getForces()}
    assert {"RBTorsionForce", "CustomNonbondedForce", "CustomBondForce"} <= kinds
    require_forces_of_openmm(system, positions)


def test_a_pull_is_that_of_a_torsion_force(library, serine):
    system, positions, *_ = serine
    atoms, targets = [(4, 6, 8, 14), (6, 8, 14, 16)], np.random.default_rng(1).uniform(-3, 3, (16, 2))
    apart = mm.XmlSerializer.clone(system)
    force = mm.CustomTorsionForce("20*(1-cos(theta-target))")
    force.addPerTorsionParameter("target")
    for four in atoms:
        force.addTorsion(*four, [0.0])
    apart.addForce(force)
    context = context_of(apart, positions[0])
    _, found = Lanes(system).evaluate(positions, Pull(np.array(atoms), targets, 20.0))
    for one, target, pushed in zip(positions, targets, found, strict=True):
        for k, four in enumerate(atoms):
            force.setTorsionParameters(k, *four, [target[k]])
        force.updateParametersInContext(context)
        context.setPositions(one)
        expected = context.getState(getForces=True).getForces(asNumpy=True)._value
        np.testing.assert_allclose(pushed, expected, rtol=1e-4, atol=0.05)


def test_constraints_hold(library, serine):
    system, positions, *_ = serine
    last, _ = advance(system, positions, 2500)
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        apart = np.linalg.norm(last[:, i] - last[:, j], axis=-1)
        np.testing.assert_allclose(apart, length._value, rtol=1e-5)


def test_temperature_and_energy_are_those_of_the_ensemble(serine):
    # Kinetic energy by equipartition; potential energy as in OpenMM's own run.
    system, positions, *_ = serine
    masses = np.array([system.getParticleMass(k)._value for k in range(system.getNumParticles())])
    degrees = 3 * len(masses) - system.getNumConstraints()
    velocities, kelvin, potential = None, [], []
    for part in range(24):
        positions, velocities = advance(system, positions, 500, seed=part, velocities=velocities)
        kinetic = (masses[:, None] * velocities.astype(float) ** 2).sum((1, 2))
        if part >= 4:
            kelvin.append(kinetic / degrees / GAS_KJ_PER_MOL_K)
            potential.append(Lanes(system).evaluate(positions)[0])
    error_K = TEMPERATURE_K * np.sqrt(2 / degrees / np.size(kelvin))
    assert np.mean(kelvin) == pytest.approx(TEMPERATURE_K, abs=4 * error_K)

    context = context_of(system, positions[0])
    energies = []
    for _ in range(100):
        context.getIntegrator().step(500)
        energies.append(potential_of(context))
    last = context.getState(getPositions=True).getPositions(asNumpy=True)._value
    constant = energies[-1] - Lanes(system).evaluate(last[None])[0][0]
    error = np.hypot(np.std(energies) / 10, np.std(potential) / np.sqrt(np.size(potential)))
    assert np.mean(potential) + constant == pytest.approx(np.mean(energies), abs=4 * error)


def test_free_particles_diffuse_as_they_should(library):
    # <dx^2> = 2 kT / (m gamma) (t - (1 - exp(-gamma t)) / gamma) of a free Langevin particle.
    system = mm.System()
    system.addParticle(10.0)
    time_ps, rate = 0.4, FRICTION_PER_PS
    last, _ = advance(system, np.zeros((3200, 1, 3)), round(time_ps / TIMESTEP_PS))
    expected = 2 * GAS_KJ_PER_MOL_K * TEMPERATURE_K / 10 / rate
    expected *= time_ps - (1 - np.exp(-rate * time_ps)) / rate
    assert (last**2).mean() == pytest.approx(expected, rel=4 * np.sqrt(2 / last.size))


def test_copies_differ_and_a_seed_repeats_them(library, serine):
    """The noise of a copy depends on its number, not on how many there are."""
    system, positions, *_ = serine
    alike = np.repeat(positions[:1], 33, 0)
    still = np.zeros_like(alike)
    first, _ = advance(system, alike, 100, velocities=still)
    again, _ = advance(system, alike[:19], 100, velocities=still[:19])
    other, _ = advance(system, alike, 100, seed=6, velocities=still)
    assert first.shape == alike.shape and np.array_equal(first[:19], again)
    assert np.abs(first - other).max(axis=(1, 2)).min() > 1e-3
    apart = np.abs(first[:, None] - first).max(axis=(2, 3))
    assert apart[~np.eye(33, dtype=bool)].min() > 1e-3


def with_force(system, kind, change):
    """A copy of a System, one of its forces changed."""
    changed = mm.XmlSerializer.clone(system)
    change(next(force for force in changed.getForces() if isinstance(force, kind)))
    return changed


@pytest.fixture(scope="module")
def alanine():
    """System of alanine dipeptide in OBC."""
    return build_reference_system(app.PDBFile(str(PDB)).topology, Physics())


def test_what_is_not_known_is_refused(alanine, butane):
    unknown = mm.XmlSerializer.clone(alanine)
    unknown.addForce(mm.CMAPTorsionForce())
    chained = mm.XmlSerializer.clone(alanine)
    chained.addConstraint(0, 1, 0.1)
    fixed = mm.XmlSerializer.clone(alanine)
    fixed.setParticleMass(3, 0)
    twice = mm.XmlSerializer.clone(alanine)
    twice.addForce(
        mm.XmlSerializer.clone(next(f for f in twice.getForces() if isinstance(f, mm.GBSAOBCForce)))
    )
    cutoff = mm.NonbondedForce.CutoffNonPeriodic
    cases = {
        "found CMAPTorsionForce": unknown,
        "constraints of hydrogens": chained,
        "a mass of zero": fixed,
        "one GBSAOBCForce": twice,
        "without cutoff": with_force(alanine, mm.NonbondedForce, lambda f: f.setNonbondedMethod(cutoff)),
        "one with offsets": with_force(
            alanine,
            mm.NonbondedForce,
            lambda f: (f.addGlobalParameter("x", 1), f.addParticleParameterOffset("x", 0, 1, 0, 0)),
        ),
        "periodic box": with_force(
            alanine, mm.HarmonicBondForce, lambda f: f.setUsesPeriodicBoundaryConditions(True)
        ),
        "found 7": with_force(
            alanine, mm.PeriodicTorsionForce, lambda f: f.addTorsion(0, 1, 2, 3, 7, 0.0, 1.0)
        ),
        "one of 180.0": with_force(
            alanine, mm.HarmonicAngleForce, lambda f: f.addAngle(0, 1, 2, np.pi, 100.0)
        ),
        "found acoef": with_force(
            butane[0],
            mm.CustomNonbondedForce,
            lambda f: f.setEnergyFunction("acoef(type1, type2)/r^9 - bcoef(type1, type2)/r^6"),
        ),
        "a CustomBondForce of": with_force(
            butane[0], mm.CustomBondForce, lambda f: f.setEnergyFunction("epsilon*(r-sigma)^2")
        ),
    }
    Lanes(alanine), Lanes(butane[0])
    for message, system in cases.items():
        with pytest.raises(SamplingError, match=message):
            Lanes(system)


def test_values_of_another_shape_are_refused(alanine):
    with pytest.raises(ValueError, match=r"expected \(C, 22, 3\), found \(3, 5, 3\)"):
        Lanes(alanine).evaluate(np.zeros((3, 5, 3)))


def test_a_processor_without_vectors_is_told(alanine, monkeypatch):
    monkeypatch.setattr(lanes, "_library", lambda: None)
    assert lanes.copies_at_once() == 0
    with pytest.raises(SamplingError, match="expected an x86-64 processor with AVX2 and FMA"):
        Lanes(alanine)


def test_a_library_that_the_processor_cannot_run_is_left_out(monkeypatch):
    assert lanes.load_library(LIBRARIES[0]) is not None and lanes.load_library("_lanes_of_another") is None
    monkeypatch.setattr(lanes.ctypes, "CDLL", lambda path: SimpleNamespace(supported=lambda: 0))
    assert lanes.load_library(LIBRARIES[0]) is None


def test_dynamics_that_blow_up_are_told(alanine):
    crowded = np.zeros((1, 22, 3)) + 1e-4 * np.arange(22)[:, None]
    with pytest.raises(SamplingError, match="the dynamics have blown up"):
        advance(alanine, crowded, 50)


def test_a_constraint_that_cannot_be_met_is_told(library):
    """What brings a bond back acts along where it pointed: no such push mends one that has turned too far."""
    system = mm.System()
    for mass_amu in (12.0, 3.0):
        system.addParticle(mass_amu)
    system.addConstraint(0, 1, 0.1)
    positions, across = np.array([[[0.0, 0, 0], [0.1, 0, 0]]]), np.array([[[0.0, 0, 0], [0, 1.0, 0]]])
    advance(system, positions, 1, velocities=5 * across)
    with pytest.raises(SamplingError, match="a constraint is not met"):
        advance(system, positions, 1, velocities=100 * across)
