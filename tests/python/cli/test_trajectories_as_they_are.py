"""Trajectories as people have them: with water, in another order of atoms, or as `run` left them."""

import dataclasses
from pathlib import Path

import mdtraj
import numpy as np
import programs
import pytest
from alanine import PDB, make_trajectory
from typer.testing import CliRunner

from openmm_scoredyn import data
from openmm_scoredyn.cli import app
from openmm_scoredyn.data.sidecars import read_sidecar
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.molecule.matching import match_particles
from openmm_scoredyn.molecule.structure import read_structure

ROOT = Path(__file__).parents[3]
WET = ROOT / "examples" / "inputs" / "alanine.pdb"
MOLECULE = """\
HETATM    1  C   MOL A   1    {0}           C
HETATM    2  H   MOL A   1    {1}           H
HETATM    3  F   MOL A   1    {2}           F
HETATM    4  CL  MOL A   1    {3}          CL
HETATM    5  BR  MOL A   1    {4}          BR
END
"""


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def wet(tmp_path):
    """Ten frames of the solvated dipeptide as xtc, one ps apart."""
    positions = read_structure(WET).positions
    noise = np.random.default_rng(0).normal(scale=1e-3, size=(10, *positions.shape))
    topology = mdtraj.load_topology(str(WET))
    frames = mdtraj.Trajectory(positions + noise, topology, time=np.arange(10.0))
    frames.save(str(tmp_path / "wet.xtc"))
    return tmp_path / "wet.xtc"


def test_water_is_named_with_the_option_that_leaves_it_out(wet):
    with pytest.raises(
        TrajectoryError, match="found 194 residues HOH of 197; leave them out, as with --selection"
    ):
        data.load(wet, topology=WET)
    (trajectory,) = data.load(wet, topology=WET, selection="protein")
    assert len(trajectory.molecule) == 22
    assert trajectory.molecule.residue_names[0] == "ACE"
    with pytest.raises(TrajectoryError, match="the selection 'resname XYZ' is of none of the 604 atoms"):
        data.load(wet, topology=WET, selection="resname XYZ")
    (bulk,) = data.load(wet, topology=ROOT / "examples/inputs/alanine.prmtop", selection="not water")
    assert bulk.molecule.atom_names == trajectory.molecule.atom_names
    assert bulk.molecule.types == trajectory.molecule.types


def test_selection_reaches_train_and_compare(wet, tmp_path, monkeypatch):
    from openmm_scoredyn.data import loading

    seen = []

    class Enough(Exception):
        pass

    def note(self, path):
        seen.append((self.selection, self.frame_spacing_ps, self.temperature_K))
        raise Enough

    monkeypatch.setattr(loading._Reading, "read", note)
    options = ("--topology", WET, "--selection", "protein", "--spacing", "1ps", "--temperature", "300K")
    for command in (
        ("train", wet, "--out", tmp_path / "run"),
        ("compare", wet, wet, "--out", tmp_path / "cmp"),
        ("reference", wet, "--out", tmp_path / "ref"),
        ("pack", wet, "--out", tmp_path / "pack", "--engine", "GROMACS 2022"),
    ):
        with pytest.raises(Enough):
            invoke(*command, *options)
    assert seen == [("protein", 1.0, 300.0)] * 4


def save(path, trajectory):
    fields = {"frame_spacing_ps": 1.0, "temperature_K": 300.0, "molecule": trajectory.molecule.to_dict()}
    flags = {"steered": False, "consecutive": True, "force_field": "f", "solvent": "s"}
    data.save_archive(path, trajectory.positions[None], fields | flags)
    return path


def renamed(trajectory):
    """The same atoms in another order, as one residue of names that say nothing."""
    turned = data.reordered(trajectory, np.random.default_rng(3).permutation(22))
    names = {
        "atom_names": tuple(f"X{k}" for k in range(22)),
        "residue_names": ("UNL",) * 22,
        "residue_indices": (0,) * 22,
    }
    return dataclasses.replace(turned, molecule=dataclasses.replace(turned.molecule, **names))


def test_compare_brings_atoms_into_the_order_of_the_reference(tmp_path):
    """The same frames in another order, or under other names, give the same comparison, digit for digit."""
    ours, theirs = make_trajectory(300, seed=0), make_trajectory(300, seed=1)
    order = np.array([*range(6)[::-1], *range(6, 16), *range(21, 15, -1)])
    turned = data.reordered(theirs, order)
    assert turned.molecule.atom_names != theirs.molecule.atom_names
    np.testing.assert_array_equal(
        data.reordered(turned, match_particles(turned.molecule, theirs.molecule)).positions, theirs.positions
    )
    reference = save(tmp_path / "reference.npz", ours)
    for name, trajectory in (("plain", theirs), ("turned", turned), ("renamed", renamed(turned))):
        (tmp_path / name).mkdir()
        candidate = save(tmp_path / name / "candidate.npz", trajectory)
        invoke(
            "compare", reference, candidate, "--out", tmp_path / name / "report", "--observable", "peptide"
        )
    plain, *others = (
        (tmp_path / name / "report" / "comparison.json").read_text()
        for name in ("plain", "turned", "renamed")
    )
    assert others == [plain, plain]


def test_a_mirror_image_under_other_names_is_refused(tmp_path):
    ours, theirs = make_trajectory(300, seed=0), make_trajectory(300, seed=1)
    mirror = renamed(dataclasses.replace(theirs, segments=tuple(-segment for segment in theirs.segments)))
    sides = save(tmp_path / "reference.npz", ours), save(tmp_path / "candidate.npz", mirror)
    with pytest.raises(MoleculeError, match="differ in handedness"):
        invoke("compare", *sides, "--out", tmp_path / "report")


def test_another_molecule_is_not_reordered():
    particles = make_trajectory(5, seed=0).molecule
    with pytest.raises(MoleculeError, match="expected residues ACE-ALA-NME, found ACE-ALA"):
        match_particles(particles.subset(list(range(16))), particles)
    with pytest.raises(MoleculeError, match="residue 3 .NME. differs; expected atoms"):
        match_particles(particles.subset(list(range(21))), particles)


def test_what_run_left_is_read_with_its_trajectory(make_program, tmp_path):
    """A DCD says neither topology nor spacing nor temperature; contradictions are refused."""
    places = ["".join(f"{10 * x:8.3f}" for x in xyz) + "  1.00  0.00" for xyz in programs.POSITIONS]
    (tmp_path / "m.pdb").write_text(MOLECULE.format(*places))
    program = make_program(programs.OrnsteinUhlenbeck())
    for name in ("t.dcd", "t2.xtc"):
        out = tmp_path / name
        invoke("run", program, tmp_path / "m.pdb", "--length", "20", "--save-every", "2ps", "--out", out)
        (trajectory,) = data.load(out)
        assert (trajectory.frame_spacing_ps, trajectory.temperature_K) == (2.0, 300.0)
        assert trajectory.positions.shape == (10, 5, 3)
        assert trajectory.molecule.types == tuple(programs.TYPES)
        with pytest.raises(TrajectoryError, match="temperature given contradicts .*expected 300 K"):
            data.load(out, temperature_K=310.0)
        with pytest.raises(TrajectoryError, match="frame spacing given contradicts .*expected 2 ps"):
            data.load(out, frame_spacing_ps=1.0)
    (tmp_path / "t.restart").unlink()
    assert read_sidecar(tmp_path / "t.dcd").topology is None
    with pytest.raises(TrajectoryError, match=r"do not hold a reliable frame spacing; give it \(--spacing\)"):
        data.load(tmp_path / "t.dcd", topology=tmp_path / "m.pdb")
    (tmp_path / "t.restart").write_bytes(b"junk")
    (found,) = data.load(tmp_path / "t.dcd", topology=tmp_path / "m.pdb", frame_spacing_ps=2.0)
    assert found.temperature_K is None


def test_one_long_trajectory_is_split_in_time(tmp_path):
    long = make_trajectory(200, seed=3)
    split = data.split_by_trajectory([long], 0.1, seed=1)
    assert split.training == split.validation == ()
    assert split.divided == {long.source_sha256: 180}


def test_a_topology_of_any_format_serves_a_trajectory(tmp_path):
    """The atoms of a prmtop, without its positions beside it."""
    prmtop = tmp_path / "x.prmtop"
    prmtop.write_bytes(Path(PDB).with_name("alanine_dipeptide.prmtop").read_bytes())
    frames = make_trajectory(5, seed=0)
    mdtraj.Trajectory(frames.positions, mdtraj.load_topology(str(PDB)), time=np.arange(5.0)).save(
        str(tmp_path / "x.xtc")
    )
    (found,) = data.load(tmp_path / "x.xtc", topology=prmtop)
    assert found.molecule.atom_names == frames.molecule.atom_names
    assert {frozenset(b) for b in found.molecule.bonds} == {frozenset(b) for b in frames.molecule.bonds}
