"""One State, many seeds: what a State and a checkpoint bring, and what follows the seed of the integrator."""

import numpy as np
import openmm
import pytest
from contexts import make_context, positions_of, trajectory
from openmm import app
from programs import OrnsteinUhlenbeck

import openmm_scoredyn as sd

FULL = {"positions": True, "velocities": True, "integratorParameters": True}


@pytest.fixture
def saved(make_program, make_system):
    """Path of a program, State and checkpoint of it with seed 5 after 3 steps, and how the run goes on."""
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = make_context(path, make_system(), seed=5)
    integrator.step(3)
    state, checkpoint = context.getState(**FULL), context.createCheckpoint()
    return path, state, checkpoint, trajectory(context, integrator, 4)


@pytest.mark.parametrize("through_xml", [False, True])
def test_walkers_from_one_state_diverge_by_their_seeds(saved, make_system, through_xml):
    path, state, _, unbroken = saved
    if through_xml:
        state = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(state))
    ends = {}
    for name, seed in (("same", 5), ("a", 11), ("b", 12), ("chosen", 0), ("chosen too", 0)):
        context, integrator = make_context(path, make_system(), seed=seed)
        context.setState(state)
        assert integrator.getRandomNumberSeed() == (seed or integrator.getRandomNumberSeed()) > 0
        np.testing.assert_array_equal(positions_of(context), state.getPositions(asNumpy=True)._value)
        ends[name] = trajectory(context, integrator, 4)
    assert np.array_equal(ends.pop("same"), unbroken)
    ends["unbroken"] = unbroken
    frames = [end[-1] for end in ends.values()]
    for i, frame in enumerate(frames):
        # A spread of 0.002 nm: independent walkers are that far apart.
        assert all(np.abs(frame - other).max() > 1e-4 for other in frames[:i])


def test_walkers_in_one_context(saved, make_system):
    """Set a seed, then the State: no reinitialization is needed."""
    path, state, _, unbroken = saved
    context, integrator = make_context(path, make_system(), seed=1)
    ends = []
    for seed in (21, 22, 21):
        integrator.setRandomNumberSeed(seed)
        context.setState(state)
        assert integrator.getRandomNumberSeed() == seed
        ends.append(trajectory(context, integrator, 4))
    assert not np.array_equal(ends[0], ends[1])
    # Noise that the context has used is not used again for another trajectory.
    assert not any(np.array_equal(ends[0][-1], frame) for frame in ends[2])
    integrator.setRandomNumberSeed(5)
    context.setState(state)
    assert np.array_equal(trajectory(context, integrator, 4), unbroken)


@pytest.mark.parametrize("seed", [0, 5, 77])
def test_a_checkpoint_brings_its_seed(saved, make_system, seed):
    path, _, checkpoint, unbroken = saved
    context, integrator = make_context(path, make_system(), seed=seed)
    context.loadCheckpoint(checkpoint)
    assert integrator.getRandomNumberSeed() == 5
    assert np.array_equal(trajectory(context, integrator, 4), unbroken)


def test_reinitialize_takes_a_new_seed_and_keeps_the_state(saved, make_system):
    path, state, _, unbroken = saved
    ends = []
    for seed in (5, 8, 0):
        context, integrator = make_context(path, make_system(), seed=5)
        integrator.step(3)
        integrator.setRandomNumberSeed(seed)
        context.reinitialize(preserveState=True)
        np.testing.assert_array_equal(positions_of(context), state.getPositions(asNumpy=True)._value)
        assert context.getStepCount() == 3
        ends.append(trajectory(context, integrator, 4))
    assert np.array_equal(ends[0], unbroken)
    assert len({end.tobytes() for end in ends}) == 3


def test_a_checkpoint_taken_up_after_reinitialize_goes_on(saved, make_system):
    path, _, checkpoint, unbroken = saved
    context, integrator = make_context(path, make_system(), seed=5)
    integrator.setRandomNumberSeed(8)
    context.reinitialize()
    context.loadCheckpoint(checkpoint)
    assert np.array_equal(trajectory(context, integrator, 4), unbroken)


def test_the_seed_that_was_chosen_is_told_and_xml_keeps_what_was_set(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    context, integrator = make_context(path, make_system(), seed=0)
    seed = integrator.getRandomNumberSeed()
    assert 0 < seed < 2**31
    assert 'randomSeed="0"' in openmm.XmlSerializer.serialize(integrator)
    again = make_context(path, make_system(), seed=seed)
    assert np.array_equal(trajectory(context, integrator, 2), trajectory(*again, 2))
    integrator.setRandomNumberSeed(9)
    assert integrator.getRandomNumberSeed() == 9


def test_state_and_checkpoint_of_another_shipped_model_are_refused():
    """The molecule is the same, so that nothing else could tell them apart."""
    names = ("alanine-dipeptide-obc2", "alanine-dipeptide-tip3p")
    simulations = []
    for name in names:
        model = sd.pretrained(name)
        simulations.append(sd.prepare(str(model.with_name("alanine-dipeptide.pdb")), model, seed=1))
    one, other = simulations
    one.step(1)
    with pytest.raises(openmm.OpenMMException, match=r"the State was written with another model \(SHA-256\)"):
        other.context.setState(one.context.getState(**FULL))
    with pytest.raises(
        openmm.OpenMMException, match=r"the checkpoint was written with another model \(SHA-256\)"
    ):
        other.context.loadCheckpoint(one.context.createCheckpoint())


@pytest.mark.parametrize(
    "setter, value, text",
    [
        ("setSolver", "heun", "another solver; expected heun, found dpmpp_2m; call setSolver with that one"),
        ("setDenoisingSteps", 9, "another number of denoising steps; expected 9, found 5"),
    ],
)
def test_other_settings_are_refused(saved, make_system, setter, value, text):
    path, state, checkpoint, _ = saved
    context, integrator = make_context(path, make_system())
    getattr(integrator, setter)(value)
    for call, kept in ((context.setState, state), (context.loadCheckpoint, checkpoint)):
        with pytest.raises(openmm.OpenMMException, match=text):
            call(kept)


def test_load_state_of_a_simulation(tmp_path):
    """`saveState` and `loadState` of an ordinary script."""
    model = sd.pretrained("alanine-dipeptide-obc2")
    pdb = app.PDBFile(str(model.with_name("alanine-dipeptide.pdb")))
    first = sd.prepare(pdb, model, seed=3)
    first.step(2)
    first.saveState(str(tmp_path / "state.xml"))
    ends = []
    for seed in (3, 11, 12):
        walker = sd.prepare(pdb, model, seed=seed)
        walker.loadState(str(tmp_path / "state.xml"))
        walker.step(2)
        ends.append(positions_of(walker.context))
    first.step(2)
    assert np.array_equal(positions_of(first.context), ends[0])
    assert min(np.abs(ends[i] - ends[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3
