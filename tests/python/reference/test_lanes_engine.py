"""Reference MD of copies side by side: restarts, starts, what is stored, what is refused."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from alanine import PDB, alanine_molecule
from kills import files_of, run_through_kills
from openmm import app
from typer.testing import CliRunner

from openmm_scoredyn import cli, data
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference import lanes
from openmm_scoredyn.reference.lanes_engine import LanesEngine, copies_side_by_side
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.start import make_start
from openmm_scoredyn.version import __version__

FREE = SimulationPlan(2, 12, equilibration_ps=1.0, frames_per_chunk=5, copies=3)
STEERED = SimulationPlan(
    2, 4, n_segments=3, steering="uniform", equilibration_ps=1.0, frames_per_chunk=5, copies=3
)
SLOW_OBC2 = Physics(
    force_field=("amber14/protein.ff14SB.xml", "implicit/obc2.xml"), solvent="implicit (OBC2)"
)

pytestmark = pytest.mark.skipif(not lanes.copies_at_once(), reason="needs a processor with AVX2 and FMA")


def engine_of(copies, seed=5):
    pdb = app.PDBFile(str(PDB))
    return LanesEngine(pdb.topology, pdb.positions, Physics(), seed, copies)


@pytest.mark.parametrize("plan", [FREE, STEERED], ids=["free", "steered"])
def test_restart_at_every_chunk_gives_the_same_bytes(tmp_path, plan):
    simulate(PDB, plan, tmp_path / "unbroken")
    _, kills = run_through_kills(partial(simulate, PDB, plan, tmp_path / "broken"))
    assert kills >= 2 * plan.n_chunks
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")


def test_processes_give_the_bytes_of_one_and_a_longer_run_goes_on(tmp_path):
    reports = []
    simulate(PDB, FREE, tmp_path / "one")
    simulate(PDB, FREE, tmp_path / "two", processes=2, progress=lambda *report: reports.append(report))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert reports[-1] == (66.0, 66.0)
    simulate(PDB, dataclasses.replace(FREE, frames_per_segment=17), tmp_path / "two")
    for before, after in zip(data.load(tmp_path / "one"), data.load(tmp_path / "two"), strict=True):
        np.testing.assert_array_equal(after.positions[:12], before.positions)
        assert np.abs(after.positions[12] - after.positions[11]).max() > 1e-3


def test_each_copy_is_a_trajectory_and_the_store_says_what_made_it(tmp_path):
    (path,) = simulate(PDB, dataclasses.replace(FREE, n_trajectories=1), tmp_path)
    header = FrameStore(path).header
    assert header["engine"] == f"openmm-scoredyn {__version__}, side by side"
    assert header["copies"] == 3 and "platform" not in header
    found = data.load(tmp_path)
    assert [t.positions.shape for t in found] == [(12, 22, 3)] * 3
    for k in range(3):
        assert np.abs(found[k].positions - found[k - 1].positions).max(axis=(1, 2)).min() > 0.01
    packed = data.pack(tmp_path, tmp_path / "packed")
    assert len(packed) == 3
    (entry, *_) = json.loads((tmp_path / "packed" / "card.json").read_text())["files"]
    assert entry["engine"] == header["engine"]


def test_the_centre_of_mass_moves_as_it_should():
    """Of free Langevin dynamics; the steps are made about the origin, what is kept is not."""
    engine, copies, time_ps = engine_of(64), 64, 1.0
    masses = np.array(engine.molecule.masses_amu)
    centre = partial(np.einsum, "i,cij->cj", masses / masses.sum())
    engine.start(5.0)
    moved = []
    for _ in range(20):
        before = centre(engine.phase_point()[0])
        engine.step(250)
        moved.append(centre(engine.phase_point()[0]) - before)
    # 2 kT / (M gamma) (t - (1 - exp(-gamma t)) / gamma), gamma 10 / ps.
    expected = 2 * 0.00831446 * 300 / masses.sum() / 10 * (time_ps - (1 - np.exp(-10 * time_ps)) / 10)
    assert np.shape(moved) == (20, copies, 3)
    assert np.mean(np.square(moved)) == pytest.approx(expected, rel=4 * np.sqrt(2 / np.size(moved)))
    own = np.reshape(engine.positions(), (copies, 22, 3))
    np.testing.assert_allclose(centre(own), centre(engine.phase_point()[0]), atol=1e-6)


def test_a_long_run_is_centred_on_the_way():
    """Every 10 ps, 2,500 steps; no step is left out."""
    once, twice = engine_of(1), engine_of(1)
    once.step(2600)
    twice.step(2500)
    halfway = twice.positions()
    twice.step(100)
    np.testing.assert_array_equal(once.positions(), twice.positions())
    assert np.abs(once.positions() - halfway).max() > 1e-3


def test_steering_reaches_the_target_of_each_copy_and_lets_go(tmp_path):
    """As with OpenMM: phi is pulled over its barrier most of the time."""
    plan = dataclasses.replace(STEERED, n_trajectories=1, n_segments=4, equilibration_ps=0.0, copies=16)
    simulate(PDB, plan, tmp_path)
    torsions = np.array(backbone_torsions(alanine_molecule())[0])
    drawn = [np.random.default_rng([1, 0, k]).uniform(-np.pi, np.pi, (16, 2)) for k in range(4)]
    segments = np.array([trajectory.segments for trajectory in data.load(tmp_path)])
    assert segments.shape == (16, 4, 4, 22, 3)
    released, later = (dihedral_angles(segments[:, :, k].reshape(64, 22, 3), torsions) for k in (0, -1))
    target = np.swapaxes(drawn, 0, 1).reshape(64, 2)
    apart, left = (
        np.degrees(np.abs((angles - target + np.pi) % (2 * np.pi) - np.pi)) for angles in (released, later)
    )
    assert np.median(apart) < 20 and np.median(left) > np.median(apart) + 10
    assert apart.mean() < 35


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"steering": "shooting", "frames_per_segment": 2, "frames_per_chunk": 2},
            "paths are shot one by one",
        ),
        ({"physics": Physics(platform="CPU")}, "expected platform Reference, found CPU"),
        (
            {"physics": Physics(solvent="water", own_system=True)},
            "a System with its water is simulated as it",
        ),
    ],
)
def test_plans_without_room_for_copies_are_refused(changes, message):
    with pytest.raises(SamplingError, match=message):
        dataclasses.replace(FREE, **changes)


def test_forces_that_are_not_known_are_refused_before_any_work(tmp_path):
    plan = dataclasses.replace(FREE, physics=SLOW_OBC2)
    with pytest.raises(SamplingError, match="found CustomGBForce; simulate with one copy"):
        simulate(PDB, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_how_many_copies_take_as_long_as_one(monkeypatch):
    structure = read_structure(PDB)

    def count(physics):
        return copies_side_by_side(make_start(structure, physics), physics)

    assert count(Physics()) == lanes.copies_at_once() > 1
    assert count(Physics.in_solvent("vacuum")) == lanes.copies_at_once()
    assert count(SLOW_OBC2) == count(Physics(platform="CPU")) == count(Physics.in_solvent("tip3p")) == 1
    monkeypatch.setattr(lanes, "_library", lambda: None)
    assert count(Physics()) == 1


@pytest.mark.parametrize("state", [b"no state", engine_of])
def test_another_checkpoint_is_refused(state):
    state = state if isinstance(state, bytes) else state(4).checkpoint()
    with pytest.raises(SamplingError, match="the stored checkpoint cannot be loaded"):
        engine_of(3).restore(state, 1)


def test_the_command_makes_copies_and_says_where_they_would_cost_nothing(tmp_path):
    common = ["simulate", str(PDB), "--length", "2ps", "--equilibration", "1ps", "--trajectories", "1"]
    alone, many = (
        CliRunner().invoke(cli.app, [*common, "--out", str(tmp_path / name), *more])
        for name, more in (("alone", []), ("many", ["--copies", "3"]))
    )
    assert alone.exit_code == many.exit_code == 0, alone.output + many.output
    advice = f"--copies {lanes.copies_at_once()} would make"
    assert advice in alone.output and advice not in many.output
    assert "3 trajectories, 6 ps in all" in many.output
