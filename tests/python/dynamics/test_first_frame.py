"""What a context starts from: the first frame, frames set later, and histories."""

import numpy as np
import openmm
import pytest
from contexts import make_context, positions_of
from openmm import unit
from programs import POSITIONS, Drift, Inertial
from refusals import refusal

MIRRORED = POSITIONS * [1, 1, -1]


def exchanged(i, j):
    positions = POSITIONS.copy()
    positions[[i, j]] = positions[[j, i]]
    return positions


@pytest.mark.parametrize(
    "positions, text",
    [
        (MIRRORED, "centre at atom 0"),
        (POSITIONS * 1.3, "the bond between atoms 0 and 1 is 0.1417 nm long"),
        (POSITIONS * 0.5, "the bond between atoms 0 and 1 is 0.0545 nm long"),
        (np.random.default_rng(1).normal(size=(5, 3)), "the bond between atoms 0 and 1"),
        (exchanged(1, 4), "the bond between atoms 0 and 1 is 0.194 nm long"),
    ],
    ids=["mirrored", "stretched", "shrunk", "random", "exchanged"],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_frame_that_is_not_the_molecule_is_refused(
    make_program, make_system, platform, positions, text, late
):
    context, integrator = make_context(make_program(Drift((0.01, 0, 0))), make_system(), platform)
    if late:
        integrator.step(2)
    context.setPositions(positions)
    before = positions_of(context)
    with refusal(text) as caught:
        integrator.step(1)
    assert "the positions are no structure of the model 'Drift': " in str(caught.value)
    assert np.array_equal(positions_of(context), before)
    assert context.getStepCount() == (2 if late else 0)
    context.setPositions(POSITIONS)
    integrator.step(1)


def test_history_is_set_told_saved_and_followed(make_program, make_system, platform):
    path = make_program(Inertial(), history_length=2, latent_size=3)
    shift = np.array([0.03125, 0, 0])
    frames = np.array([POSITIONS, POSITIONS + shift])
    context, integrator = make_context(path, make_system(), platform)
    integrator.setHistory(frames * 10 * unit.angstrom)
    np.testing.assert_array_equal(integrator.getHistory()._value, frames.astype(np.float32))
    np.testing.assert_allclose(positions_of(context), frames[1], atol=1e-7)
    state = context.getState(positions=True, velocities=True, integratorParameters=True)
    integrator.step(1)
    # Half of the last displacement goes on, and noise of 0.001 nm that is common to all atoms.
    moved = positions_of(context) - frames[1]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-6)
    assert np.abs(moved[0] - shift / 2).max() < 0.005
    other, resumed = make_context(path, make_system(), platform)
    other.setState(state)
    np.testing.assert_array_equal(resumed.getHistory()._value, frames.astype(np.float32))
    resumed.step(1)
    np.testing.assert_array_equal(positions_of(other), positions_of(context))


@pytest.mark.parametrize(
    "frames, text",
    [
        (POSITIONS, "the history has the shape (5, 3); expected (2, 5, 3) (frames, atoms, 3)"),
        (np.array([POSITIONS, MIRRORED]), "frame 1 of the history is none of the model 'Inertial'"),
        (np.array([POSITIONS * 1.3, POSITIONS]), "frame 0 of the history"),
        (np.array([POSITIONS, POSITIONS + 5]), "frame 1 of the history"),
        (np.array([POSITIONS, POSITIONS * np.nan]), "frame 1 of the history"),
    ],
)
def test_histories_that_are_refused(make_program, make_system, frames, text):
    path = make_program(Inertial(), history_length=2, latent_size=3)
    context, integrator = make_context(path, make_system())
    with refusal(text):
        integrator.setHistory(frames)
    assert np.array_equal(positions_of(context), POSITIONS.astype(float))


def test_virtual_sites_follow_the_history(make_program, make_system):
    system = make_system()
    system.addParticle(0)
    system.setVirtualSite(5, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    from openmm_scoredyn import ScoreDynamicsIntegrator

    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    integrator.setParticles(range(5))
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.zeros((6, 3)))
    integrator.setHistory(POSITIONS[None] + 1)
    np.testing.assert_allclose(positions_of(context)[5], 1 + POSITIONS[:2].mean(0), atol=1e-6)


def test_history_needs_a_context(make_program):
    from openmm_scoredyn import ScoreDynamicsIntegrator

    with refusal("not bound to a context; create a Context with it before calling getHistory()"):
        ScoreDynamicsIntegrator(make_program(Drift())).getHistory()
