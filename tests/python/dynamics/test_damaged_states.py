"""Checkpoints and States whose own data were changed are refused; what a script sets after loading is not."""

import struct

import numpy as np
import openmm
import pytest
from contexts import make_context, positions_of
from programs import POSITIONS, Drift, Inertial
from refusals import refusal

from openmm_scoredyn import ScoreDynamicsIntegrator

WHOLE = {"positions": True, "velocities": True, "parameters": True, "integratorParameters": True}


@pytest.fixture
def context(make_program, make_system, platform):
    system = make_system()
    reported = openmm.CustomExternalForce("strength*x")
    reported.addGlobalParameter("strength", 0.25)
    reported.addParticle(0, [])
    system.addForce(reported)
    integrator = ScoreDynamicsIntegrator(make_program(Drift((0.01, 0, 0))))
    integrator.setForcesOnlyReported(True)
    context = openmm.Context(system, integrator, platform)
    context.setPositions(POSITIONS)
    integrator.step(2)
    return context


def state_of(context, **parts):
    """Serialised, as a file has it."""
    return openmm.XmlSerializer.serialize(context.getState(**(WHOLE | parts)))


def load(context, xml):
    context.setState(openmm.XmlSerializer.deserialize(xml))


def set_number(xml: str, element: str, name: str, value: str) -> str:
    """The first attribute `name` from `element` on with another value."""
    place = xml.index(f'{name}="', xml.index(element)) + len(name) + 2
    return xml[:place] + value + xml[xml.index('"', place) :]


@pytest.mark.parametrize(
    "element, name, value, text",
    [
        ("<State", "time", "7", "the time (ps) is 7, but was saved as 2"),
        ("<State", "stepCount", "9", "the step count is 9, but was saved as 2"),
        ("<B ", "y", "2.5", "y of box vector b is 2.5, but was saved as 2"),
        ("<Position ", "z", ".25", "z of the position of particle 0 is 0.25, but was saved as 0"),
        ("<Velocity ", "y", "3", "y of the velocity of particle 0 is 3, but was saved as "),
        ("<Parameters", "strength", ".5", "the parameter strength is 0.5, but was saved as 0.25"),
    ],
)
def test_a_state_that_was_changed_is_refused(context, element, name, value, text):
    xml = state_of(context)
    with refusal("the State is damaged, or was not saved with positions=True: " + text):
        load(context, set_number(xml, element, name, value))
    load(context, xml)
    context.getIntegrator().step(1)


def test_a_state_whose_record_was_changed_is_refused(context):
    xml = state_of(context)
    start = xml.index('base64="') + 20
    with refusal("the State is truncated or damaged"):
        load(context, xml[:start] + ("B" if xml[start] == "A" else "A") + xml[start + 1 :])
    with refusal("the State is damaged, or has another version; found no record"):
        load(context, xml.replace("ScoreDynamicsRecord", "ScoreDynamicsRecxrd"))
    with refusal("the State is damaged, or has another version; found 9, expected 5"):
        load(context, set_number(xml, "<IntegratorParameters", "scoreDynVersion", "9"))
    # A child that the XML reader does not see, because its start is gone.
    with refusal("the State is damaged, or has another version; found no record"):
        load(context, xml.replace("<ScoreDynamicsRecord", " ScoreDynamicsRecord"))


def test_parts_that_a_state_does_not_hold_are_not_compared(context):
    saved = context.getState(positions=True, integratorParameters=True)
    context.setVelocitiesToTemperature(100, 3)
    context.setParameter("strength", 4.0)
    context.setState(saved)
    assert context.getParameter("strength") == 4.0
    # But the positions: history and counters are theirs.
    saved = context.getState(integratorParameters=True)
    context.setPositions(POSITIONS + np.array([0.5, 0, 0]))
    with refusal(
        "was not saved with positions=True: x of the position of particle 0 is 0.5, but was saved as"
    ):
        context.setState(saved)


def test_what_is_set_after_loading_is_the_users(context):
    load(context, state_of(context))
    context.setPositions(POSITIONS + np.array([0.5, 0, 0]))
    context.setTime(11.0)
    context.getIntegrator().step(1)
    np.testing.assert_allclose(positions_of(context), POSITIONS + np.array([0.51, 0, 0]), atol=1e-6)


def test_a_checkpoint_that_was_changed_is_refused(context):
    """A position, wherever the platform keeps it."""
    checkpoint = context.createCheckpoint()
    x = positions_of(context)[1, 0]
    for code in ("<d", "<f"):
        place = checkpoint.find(struct.pack(code, x))
        if place < 0 or place > len(checkpoint) // 2:
            continue
        changed = (
            checkpoint[:place] + struct.pack(code, x + 0.001) + checkpoint[place + struct.calcsize(code) :]
        )
        with refusal("the checkpoint is damaged: x of the position of particle 1 is"):
            context.loadCheckpoint(changed)
        break
    else:
        pytest.fail("the position is not in the checkpoint")
    context.loadCheckpoint(checkpoint)
    context.getIntegrator().step(1)


def periodic(system):
    """With a force that has the default box, of 2 nm."""
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    for _ in range(system.getNumParticles()):
        force.addParticle(0, 0.1, 0)
    system.addForce(force)
    return system


def test_molecules_may_be_moved_into_the_box_where_nothing_depends_on_it(make_program, make_system):
    """Of a periodic model without a longer history; with one, frames before would stay behind."""
    for program, history in ((Drift((0.01, 0, 0)), 1), (Inertial(), 2)):
        path = make_program(
            program, periodic=True, history_length=history, latent_size=3 if history == 2 else 15
        )
        context, integrator = make_context(path, periodic(make_system()), positions=POSITIONS + 4.5)
        integrator.step(1)
        state = openmm.XmlSerializer.serialize(context.getState(**WHOLE, enforcePeriodicBox=True))
        if history == 1:
            load(context, state)
            integrator.step(1)
        else:
            with refusal("without enforcePeriodicBox"):
                load(context, state)
