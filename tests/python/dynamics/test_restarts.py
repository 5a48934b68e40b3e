"""Contexts that stop and go on: history, checkpoints, states, `reinitialize`, steps that fail."""

import numpy as np
import openmm
import pytest
from contexts import draw, make_context, positions_of, trajectory
from programs import POSITIONS, Failing, Inertial, OrnsteinUhlenbeck

from openmm_scoredyn.program.native import scoredyn


def test_history_goes_on_between_steps_and_starts_again_when_moved(make_program, make_system, platform):
    path = make_program(Inertial(), history_length=2, latent_size=3)
    context, integrator = make_context(path, make_system(), platform)
    frames = trajectory(context, integrator, 4)
    model, start = scoredyn.Program(path), np.repeat(POSITIONS[None, None], 2, axis=1)
    sampled = draw(model, start, 4, denoising_steps=0)
    np.testing.assert_allclose(frames, sampled[:, 0], atol=1e-7)
    context.setPositions(POSITIONS)
    integrator.step(1)
    fresh = draw(model, start, 1, first_step=4, denoising_steps=0)
    np.testing.assert_allclose(positions_of(context), fresh[0, 0], atol=1e-7)


@pytest.mark.parametrize("program", [OrnsteinUhlenbeck, Inertial])
@pytest.mark.parametrize("way", ["checkpoint", "state", "state_xml", "other_context"])
def test_restart_goes_on_bit_for_bit(make_program, make_system, platform, program, way):
    history = 2 if program is Inertial else 1
    path = make_program(program(), history_length=history, latent_size=3 if program is Inertial else 15)
    context, integrator = make_context(path, make_system(), platform, seed=0)
    integrator.step(3)
    if way == "checkpoint":
        saved = context.createCheckpoint()
    else:
        saved = context.getState(positions=True, velocities=True, integratorParameters=True)
    unbroken = trajectory(context, integrator, 4)
    if way == "other_context":
        context, integrator = make_context(path, make_system(), platform, seed=77)
    elif way == "state_xml":
        saved = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(saved))
    (context.loadCheckpoint if way == "checkpoint" else context.setState)(saved)
    assert np.array_equal(trajectory(context, integrator, 4), unbroken)


def test_reinitialize_starts_the_noise_again_or_keeps_it(make_program, make_system):
    context, integrator = make_context(make_program(OrnsteinUhlenbeck()), make_system())
    first = trajectory(context, integrator, 3)
    context.reinitialize()
    context.setPositions(POSITIONS)
    assert np.array_equal(trajectory(context, integrator, 3), first)
    second = trajectory(context, integrator, 1)
    context.reinitialize()
    context.setPositions(POSITIONS)
    integrator.step(3)
    context.reinitialize(preserveState=True)
    assert np.array_equal(trajectory(context, integrator, 1), second)


@pytest.mark.parametrize("mode", ["nan", "shape", "dtype", "raise", "matmul"])
def test_nothing_changes_when_a_step_fails(make_program, make_system, platform, mode):
    system = make_system()
    system.addForce(openmm.CMMotionRemover())
    far = POSITIONS + np.array([100, 0, 0])
    context, integrator = make_context(make_program(Failing(mode)), system, platform, positions=far)
    context.setVelocitiesToTemperature(300, 1)
    before = context.getState(positions=True, velocities=True)
    with pytest.raises(openmm.OpenMMException):
        integrator.step(1)
    after = context.getState(positions=True, velocities=True)
    assert np.array_equal(after.getPositions(asNumpy=True)._value, before.getPositions(asNumpy=True)._value)
    assert np.array_equal(after.getVelocities(asNumpy=True)._value, before.getVelocities(asNumpy=True)._value)
    assert after.getTime() == before.getTime() and after.getStepCount() == before.getStepCount()
    # The context is usable afterwards.
    context.setPositions(POSITIONS)
    integrator.step(1)
