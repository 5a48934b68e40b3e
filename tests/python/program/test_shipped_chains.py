"""The shipped model of bead chains on sequences it never saw: size against MD, a simulation, refusals."""

import subprocess
import sys
from pathlib import Path

import bead_chains
import numpy as np
import pytest
from openmm import app
from recipes import recipe

import openmm_scoredyn as sd
from openmm_scoredyn.coarse import Mapping
from openmm_scoredyn.errors import MoleculeError

MODEL, GROUP = "bead-chains", 10
CHAIN = "n100/random_03"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def held_out(cache):
    """The program of a held-out chain, its topology, and frames of MD a step apart."""
    with recipe("bead_chains") as module:
        run = next(run for run in module("make_md").all_runs() if run.name == CHAIN)
        mapping = module("trajectories").mapping(run.chain.units, GROUP)
        frames = module("trajectories").load(CHAIN, GROUP).positions[::5]
    return sd.bind(MODEL, mapping.topology), mapping, frames


def size(frames):
    return np.square(frames - frames.mean(axis=-2, keepdims=True)).sum(axis=-1).mean(axis=-1)


def test_one_step_from_frames_of_md_is_as_large_as_that_of_md(held_out):
    """Mean Rg^2, bonds and move of the centre of mass after a step, within what is known of the model."""
    program, _, frames = held_out
    before, after = frames[:-1], frames[1:]
    drawn = program.sample(before, 1, seed=1)[0]
    assert size(drawn).mean() == pytest.approx(size(after).mean(), rel=0.05)
    ours, theirs = (np.linalg.norm(np.diff(x, axis=1), axis=2) for x in (drawn, after))
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.03)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.08)
    moved = [np.square((x - before).mean(axis=1)).sum(axis=1).mean() for x in (drawn, after)]
    assert moved[0] == pytest.approx(moved[1], rel=0.25)  # 480 steps, and 4 % by what velocities remember
    assert program.num_rejected_draws < 0.05 * len(before)


def test_it_knows_where_the_chain_was(held_out):
    """Rg^2 one step later correlates with that before as in MD; a model without memory has none."""
    program, _, frames = held_out
    drawn = program.sample(frames[:-1], 1, seed=2)[0]
    ours = np.corrcoef(size(frames[:-1]), size(drawn))[0, 1]
    theirs = np.corrcoef(size(frames[:-1]), size(frames[1:]))[0, 1]
    assert ours == pytest.approx(theirs, abs=0.15)
    assert ours > 0.3


def test_a_simulation_steps_from_a_mapped_frame(held_out):
    program, mapping, frames = held_out
    integrator = sd.ScoreDynamicsIntegrator(program)
    integrator.setRandomNumberSeed(3)
    simulation = app.Simulation(mapping.topology, mapping.system(), integrator)
    simulation.context.setPositions(frames[0])
    simulation.step(50)
    found = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    assert 0.2 < size(found) / size(frames).mean() < 4


def test_the_example_runs(cache, tmp_path):
    script = Path(__file__).parents[3] / "examples" / "simulate_chain.py"
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "100 steps of 79.1 ps" in done.stdout
    assert (tmp_path / "chain.dcd").stat().st_size > 100 * 10 * 12


def test_the_card_says_what_is_missed_and_that_another_length_is_new(held_out):
    program, _, _ = held_out
    accuracy = sd.TransferableModel.load(sd.pretrained(MODEL)).card.provenance.accuracy
    assert accuracy["misses"]
    assert program.card.provenance.training_data["binding"]["extrapolation"] == "none in size"
    longer = bead_chains.mapped(["B1", "S2"] * 60, GROUP).topology
    said = sd.bind(MODEL, longer).card.provenance.training_data["binding"]["extrapolation"]
    assert said == "a chain of 12 beads, where training had 10"


@pytest.mark.parametrize(
    "types, size, bonds, message",
    [
        (["B1"] * 95 + ["XX"] * 5, 10, None, "never saw XX"),
        (["B1"] * 100, 5, None, "made of 5 fine beads or atoms; expected 10"),
        (["B1"] * 20, 10, None, "chains of 3 beads or more"),
        (["B1"] * 40, 10, [(k, k + 1) for k in range(39)] + [(0, 39)], "a ring of 4 beads"),
        (["B1"] * 40, 10, [(k, k + 1) for k in range(39) if k != 29] + [(15, 30)], "at bead 1; map more"),
    ],
)
def test_other_chains_are_refused(cache, types, size, bonds, message):
    with pytest.raises(MoleculeError, match=message):
        sd.bind(MODEL, bead_chains.mapped(types, size, bonds).topology)


def test_two_chains_and_other_masses_are_refused(cache):
    two = bead_chains.mapped(["B1"] * 60, 10, [(k, k + 1) for k in range(59) if k != 29])
    with pytest.raises(MoleculeError, match="made for one chain; .* found bead 3 apart"):
        sd.bind(MODEL, two.topology)
    fine = bead_chains.fine_topology(["B1"] * 40)
    heavy = Mapping.equal_groups(fine, 10, masses_amu={"B1": 120.0})
    with pytest.raises(MoleculeError, match="another mass than in training; expected 1000 u, found 1200"):
        sd.bind(MODEL, heavy.topology, heavy.system())


def test_fine_beads_are_refused(cache):
    with pytest.raises(MoleculeError, match="does not say what a bead is made of"):
        sd.bind(MODEL, bead_chains.fine_topology(["B1"] * 100))
