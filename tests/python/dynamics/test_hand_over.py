"""Steps that the model cannot make go to ordinary dynamics, one lag time at a time, and are counted."""

import logging
from itertools import combinations

import numpy as np
import openmm
import pytest
from alanine import PDB
from contexts import KT, make_context, positions_of, trajectory
from programs import BOND_LENGTHS, LAG, POSITIONS, TEMPERATURE, Jumping, OrnsteinUhlenbeck
from refusals import refusal

import openmm_scoredyn as sd
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.structure import read_structure

STEP_PS = 0.002
BOND_CONSTANT = 1e5  # kJ/mol/nm^2
# Beyond it a draw of `Jumping` is rejected: 31.7 % of them.
ONE_SIGMA = {"latent_size": 1, "max_displacement_nm": 0.01}


def with_forces(system):
    """Bonds and angles as `POSITIONS` has them."""
    bonds, bends = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    for atom, length_nm in enumerate(BOND_LENGTHS, start=1):
        bonds.addBond(0, atom, length_nm, BOND_CONSTANT)
    for first, second in combinations(range(1, 5), 2):
        bends.addAngle(first, 0, second, np.arccos(-1 / 3), 500)
    system.addForce(bonds)
    system.addForce(bends)
    return system


def langevin(step_ps=STEP_PS, temperature=TEMPERATURE, seed=5):
    dynamics = openmm.LangevinMiddleIntegrator(temperature, 10, step_ps)
    dynamics.setRandomNumberSeed(seed)
    return dynamics


def handing_over(path, system, platform=None, max_resamples=0, seed=3):
    learned = sd.ScoreDynamicsIntegrator(path)
    learned.setRandomNumberSeed(seed)
    learned.setMaxResamples(max_resamples)
    integrator = sd.HandOverIntegrator(learned, langevin())
    context = openmm.Context(system, integrator, platform or openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(POSITIONS)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    return context, integrator


def test_a_strained_frame_relaxes_by_dynamics_and_comes_back(make_program, make_system, platform, caplog):
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = handing_over(path, with_forces(make_system()), platform, max_resamples=100)
    integrator.step(2)
    assert integrator.getNumHandedOverSteps() == 0
    context.setPositions(POSITIONS * 1.4)
    with caplog.at_level(logging.WARNING):
        integrator.step(1)
    assert "a step is handed to ordinary dynamics: " in caplog.text
    assert "the bond between atoms 0 and 1 is 0.1526 nm long" in caplog.text
    lengths = np.linalg.norm(positions_of(context)[1:] - positions_of(context)[0], axis=1)
    assert np.abs(lengths / BOND_LENGTHS - 1).max() < 0.25
    handed = integrator.getNumHandedOverSteps()
    integrator.step(7)
    assert handed == integrator.getNumHandedOverSteps() == 1
    # A step is a lag time, whoever made it.
    assert context.getStepCount() == 10
    assert context.getTime()._value == pytest.approx(10 * LAG)


def test_draws_beyond_the_limit_are_handed_over_and_counted(make_program, make_system, platform):
    context, integrator = handing_over(
        make_program(Jumping(), **ONE_SIGMA), with_forces(make_system()), platform
    )
    steps = 200
    integrator.step(steps)
    handed = integrator.getNumHandedOverSteps()
    assert handed == integrator.getNumRejectedSteps()
    assert handed == integrator.learned.getRejectedDrawsByCause()["displacement"]
    assert abs(handed / steps - 0.317311) < 4 * np.sqrt(0.317311 * 0.682689 / steps)
    assert context.getStepCount() == steps and context.getTime()._value == pytest.approx(steps * LAG)


def test_the_dynamics_feel_the_forces(make_program, make_system):
    """A model whose draws are all rejected: a harmonic bond spreads by sqrt(kT / k)."""
    context, integrator = handing_over(
        make_program(Jumping(), latent_size=1, max_displacement_nm=1e-9), with_forces(make_system())
    )
    frames = trajectory(context, integrator, 300)
    assert integrator.getNumHandedOverSteps() == 300
    lengths = np.linalg.norm(frames[:, 4] - frames[:, 0], axis=1)
    assert lengths.std() == pytest.approx(np.sqrt(KT / BOND_CONSTANT), rel=4 / np.sqrt(2 * 300))


def test_noise_of_a_step_that_was_handed_over_is_left_unused(make_program, make_system):
    """Steps accepted at once are those of a run that resamples the others: its noise goes by the step."""
    path = make_program(Jumping(), **ONE_SIGMA)
    context, integrator = handing_over(path, with_forces(make_system()))
    plain_context, plain = make_context(path, with_forces(make_system()))
    plain.setMaxResamples(60)
    shifts, accepted = np.empty((60, 2)), np.empty(60, bool)
    for step in range(60):
        rejected = plain.getNumRejectedSteps()
        for side, (one, stepped) in enumerate([(context, integrator), (plain_context, plain)]):
            before = positions_of(one)[0, 0]
            stepped.step(1)
            shifts[step, side] = positions_of(one)[0, 0] - before
        accepted[step] = plain.getNumRejectedSteps() == rejected
    assert integrator.getNumHandedOverSteps() == (~accepted).sum() > 5
    np.testing.assert_allclose(*shifts[accepted].T, atol=1e-6)


@pytest.mark.parametrize("kind", ["checkpoint", "State"])
def test_a_restart_goes_on_and_keeps_the_counters(make_program, make_system, kind):
    path = make_program(Jumping(), **ONE_SIGMA)
    context, integrator = handing_over(path, with_forces(make_system()))
    integrator.step(40)
    counts = [integrator.getNumHandedOverSteps(), integrator.getNumRejectedDraws()]
    checkpoint = context.createCheckpoint()
    state = context.getState(positions=True, velocities=True, integratorParameters=True)
    expected = trajectory(context, integrator, 40)
    ends = integrator.getNumHandedOverSteps()
    other, resumed = handing_over(path, with_forces(make_system()))
    if kind == "checkpoint":
        other.loadCheckpoint(checkpoint)
    else:
        other.setState(state)
    assert [resumed.getNumHandedOverSteps(), resumed.getNumRejectedDraws()] == counts
    assert counts[0] > 0 and other.getStepCount() == 40
    frames = trajectory(other, resumed, 40)
    assert resumed.getNumHandedOverSteps() == ends  # the same noise
    if kind == "checkpoint":  # which holds the random numbers of the dynamics, too
        np.testing.assert_array_equal(frames, expected)


def test_what_is_no_rejection_is_raised(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = handing_over(path, with_forces(make_system()))
    context.setPositions(POSITIONS * np.nan)
    with refusal("is nan; expected a finite number"):
        integrator.step(1)
    assert integrator.getNumHandedOverSteps() == 0
    bare, integrator = handing_over(path, make_system())
    bare.setPositions(POSITIONS * 1.4)
    with refusal("the System has no forces"):
        integrator.step(1)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: langevin(0.003), "no multiple of the dynamics'; expected a part of it, found 0.003 ps"),
        (lambda: langevin(2.0), "found 2 ps"),
        (lambda: langevin(temperature=310), "another temperature; expected 300 K, found 310 K"),
        (lambda: openmm.VariableVerletIntegrator(0.001), "found a VariableVerletIntegrator"),
        (openmm.CompoundIntegrator, "found a CompoundIntegrator"),
    ],
)
def test_dynamics_that_do_not_fit(make_program, make, text):
    with refusal(text):
        sd.HandOverIntegrator(sd.ScoreDynamicsIntegrator(make_program(OrnsteinUhlenbeck())), make())


def test_settings_that_stop_fitting_are_refused_before_dynamics(make_program, make_system):
    context, integrator = handing_over(make_program(OrnsteinUhlenbeck()), with_forces(make_system()))
    context.setPositions(POSITIONS * 1.4)
    integrator.dynamics.setTemperature(290)
    with refusal("another temperature; expected 300 K, found 290 K"):
        integrator.step(1)
    np.testing.assert_allclose(positions_of(context), POSITIONS * 1.4, atol=1e-7)


def test_alanine_dipeptide_where_it_was_never_trained():
    """A peptide bond bent by 40 degrees at its nitrogen: refused, relaxed by MD, and learned again."""
    simulation = sd.prepare(
        PDB,
        "alanine-dipeptide-obc2",
        force_field=["amber99sbildn.xml", "amber99_obc.xml"],
        hand_over=langevin(),
        seed=7,
    )
    integrator, context = simulation.integrator, simulation.context
    simulation.step(3)
    assert integrator.getNumHandedOverSteps() == 0
    positions = positions_of(context)
    positions[0:6] += 0.4 * (positions[4] - positions[6])  # ACE, along its bond to the nitrogen
    context.setPositions(positions)
    with refusal("the positions are no structure of the model"):
        integrator.learned.step(1)
    simulation.step(12)
    handed = integrator.getNumHandedOverSteps()
    assert 1 <= handed <= 5
    assert simulation.currentStep == 15
    assert integrator.learned.tryStep() is None
    energy = context.getState(energy=True).getPotentialEnergy()._value
    assert energy < 0


def test_off_unless_asked_for_and_refused_without_forces():
    simulation = sd.prepare(PDB, "alanine-dipeptide-obc2")
    assert type(simulation.integrator) is sd.ScoreDynamicsIntegrator
    with pytest.raises(MoleculeError, match="without forces; expected a System with some, found none"):
        sd.prepare(read_structure(PDB), "alanine-dipeptide-obc2", hand_over=langevin())
