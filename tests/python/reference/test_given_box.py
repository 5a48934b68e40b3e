"""`simulate` in the box of water of another folder."""

import dataclasses

import pytest
from alanine import PDB
from kills import files_of

from openmm_scoredyn.errors import OutputError, SamplingError, TrajectoryError
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference import preparation
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.solvation import SolvatedBox
from openmm_scoredyn.reference.start import make_start

TINY = Physics.in_solvent("tip3p", padding_nm=0.6, cutoff_nm=0.45, npt_ps=0.4)
PLAN = SimulationPlan(1, 3, equilibration_ps=0.2, frame_spacing_ps=0.04, frames_per_chunk=2, physics=TINY)


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    directory = tmp_path_factory.mktemp("first")
    preparation.prepare(directory, PLAN, make_start(read_structure(PDB), TINY))
    return directory / "box" / "box.npz"


def moved(box, path, by_nm):
    """The same box with its first atom elsewhere."""
    stored = SolvatedBox.load(box)
    positions = stored.positions.copy()
    positions[0] += by_nm
    dataclasses.replace(stored, positions=positions).save(path)
    return path


def test_trajectories_begin_in_the_given_box(tmp_path, box, monkeypatch):
    (own,) = simulate(PDB, PLAN, tmp_path / "own", box=box)
    monkeypatch.setattr(preparation, "make_box", lambda *arguments: pytest.fail("a box was set"))
    (again,) = simulate(PDB, PLAN, tmp_path / "again", box=box)
    assert files_of(again) == files_of(own)
    assert SolvatedBox.load(tmp_path / "again" / "box" / "box.npz").equals(SolvatedBox.load(box))
    # The same box once more, or none, goes on; another is refused.
    simulate(PDB, PLAN, tmp_path / "again", box=box)
    simulate(PDB, PLAN, tmp_path / "again")
    with pytest.raises(OutputError, match="holds trajectories of another box"):
        simulate(PDB, PLAN, tmp_path / "again", box=moved(box, tmp_path / "other.npz", 1e-6))


def test_a_box_without_use_is_refused_before_any_work(tmp_path, box):
    dry = SimulationPlan(1, 3)
    two = dataclasses.replace(PLAN, copies=2)
    with pytest.raises(SamplingError, match="a box is for water; expected solvent tip3p, found implicit"):
        simulate(PDB, dry, tmp_path / "out", box=box)
    with pytest.raises(
        SamplingError, match="expected 2 times the molecule of 22 atoms and its water, found 1"
    ):
        simulate(PDB, two, tmp_path / "out", box=box)
    cut = dataclasses.replace(SolvatedBox.load(box), residues=SolvatedBox.load(box).residues[:-1])
    cut.save(tmp_path / "cut.npz")
    with pytest.raises(SamplingError, match="is the box of another system"):
        simulate(PDB, PLAN, tmp_path / "out", box=tmp_path / "cut.npz")
    with pytest.raises(TrajectoryError, match="cannot be read"):
        simulate(PDB, PLAN, tmp_path / "out", box=tmp_path / "nowhere.npz")
    assert not (tmp_path / "out").exists()
