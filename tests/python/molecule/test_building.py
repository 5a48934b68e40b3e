"""Molecules that are built: atoms, stereochemistry, and that force field, guard and files take them."""

import sys

import numpy as np
import pytest
from openmm import app
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn.cli import app as command
from openmm_scoredyn.errors import MissingDependencyError, MoleculeError
from openmm_scoredyn.molecule.building import LETTERS
from openmm_scoredyn.molecule.geometry import dihedral_angles, stereocentres
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.structure import read_structure

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def atoms_of(structure):
    return {(a.residue.index, a.name): structure.positions[a.index] for a in structure.topology.atoms()}


def improper(atoms, residue, names):
    """Sign of the triple product of three neighbours about a centre."""
    centre, *others = (atoms[residue, name] for name in names)
    a, b, c = (other - centre for other in others)
    return np.sign(np.dot(a, np.cross(b, c)))


@pytest.mark.parametrize("capped", [True, False])
def test_every_amino_acid_is_typed_and_left_handed(capped):
    """All twenty in two peptides: L at alpha, (2S,3S) isoleucine and (2S,3R) threonine at beta."""
    pytest.importorskip("PeptideBuilder")
    names = sorted(LETTERS)
    for half in (names[:10], names[10:]):
        sequence = "-".join(["ACE", *half, "NME"] if capped else half)
        built = sd.build(sequence)
        assert [residue.name for residue in built.topology.residues()] == sequence.split("-")
        app.ForceField("amber14-all.xml").createSystem(built.topology)
        atoms = atoms_of(built)
        for residue in built.topology.residues():
            index = residue.index
            if residue.name in LETTERS and residue.name != "GLY":
                # CORN rule: seen from H, CO, R and N are clockwise.
                assert improper(atoms, index, ("CA", "C", "CB", "N")) > 0, residue.name
            if residue.name == "ILE":
                assert improper(atoms, index, ("CB", "CA", "CG1", "CG2")) > 0
            if residue.name == "THR":
                assert improper(atoms, index, ("CB", "CA", "OG1", "CG2")) > 0
        bonds = np.array([[a.index, b.index] for a, b in built.topology.bonds()])
        lengths = np.linalg.norm(built.positions[bonds[:, 0]] - built.positions[bonds[:, 1]], axis=1)
        assert 0.09 < lengths.min() and lengths.max() < 0.19


def test_peptide_bonds_are_trans():
    pytest.importorskip("PeptideBuilder")
    built = sd.build("ACE-ALA-PRO-VAL-NME")
    index = {(a.residue.index, a.name): a.index for a in built.topology.atoms()}
    omegas = [
        [
            index[r, "CH3" if r == 0 else "CA"],
            index[r, "C"],
            index[r + 1, "N"],
            index[r + 1, "C" if r == 3 else "CA"],
        ]
        for r in range(4)
    ]
    angles = np.abs(np.degrees(dihedral_angles(built.positions[None].astype(np.float32), np.array(omegas))))
    assert angles.min() > 160


def test_a_built_dipeptide_starts_the_shipped_model(tmp_path):
    """The guard's checks of a start: bonds, angles, handedness, omega, contacts."""
    pytest.importorskip("PeptideBuilder")
    out = tmp_path / "x.pdb"
    result = CliRunner().invoke(command, ["build", "ACE-ALA-NME", "-o", str(out)])
    assert result.exit_code == 0, result.exception
    assert result.output == f"22 atoms in {out}.\n"
    simulation = sd.prepare(out, "alanine-dipeptide-obc2", seed=1, repair=False)
    simulation.step(2)
    mirrored = read_structure(out)
    with pytest.raises(MoleculeError, match="mirror"):
        sd.prepare(mirrored.topology, "alanine-dipeptide-obc2", positions=mirrored.positions * [1, 1, -1])


def test_smiles_become_a_file_with_bonds_that_a_force_field_takes(tmp_path):
    pytest.importorskip("rdkit")
    out = tmp_path / "x.pdb"
    result = CliRunner().invoke(command, ["build", "--smiles", "CCCC", "--name", "BUT", "--out", str(out)])
    assert result.exit_code == 0, result.exception
    found = read_structure(out)
    particles = Particles.from_topology(found.topology)
    assert "".join(particles.types) == "C" * 4 + "H" * 10
    assert len(particles.bonds) == 13 and len(particles.parts) == 1
    assert set(particles.residue_names) == {"BUT"}
    bonds = np.array(particles.bonds)
    lengths = np.linalg.norm(found.positions[bonds[:, 0]] - found.positions[bonds[:, 1]], axis=1)
    np.testing.assert_allclose(lengths[np.max(bonds, axis=1) < 4], 0.153, atol=0.003)
    again = sd.build(smiles="CCCC", name="BUT")
    np.testing.assert_allclose(again.positions, found.positions, atol=6e-5)


@pytest.mark.parametrize(("smiles", "sign"), [("F[C@](Cl)(Br)I", -1), ("F[C@@](Cl)(Br)I", 1)])
def test_smiles_keep_their_stereochemistry(smiles, sign):
    """Seen from the first neighbour, @ lists the others counter-clockwise: a negative triple product."""
    pytest.importorskip("rdkit")
    positions = sd.build(smiles=smiles).positions
    a, b, c = (positions[index] - positions[1] for index in (2, 3, 4))
    assert np.sign(np.dot(a, np.cross(b, c))) == sign
    assert len(stereocentres(Particles.from_topology(sd.build(smiles=smiles).topology))) == 1


def test_what_cannot_be_built_is_one_sentence(tmp_path, monkeypatch):
    cases = [
        ({"sequence": "ACE-XYZ-NME"}, "expected two or more of ALA, .*found XYZ in 'ACE-XYZ-NME'; correct"),
        ({"sequence": "ACE-NME"}, "found too few in 'ACE-NME'"),
        ({"sequence": "ALA-ACE"}, "found ACE in 'ALA-ACE'"),
        ({"sequence": "ALA"}, "found too few in 'ALA'"),
        ({}, "expected a sequence or SMILES, found neither"),
        ({"sequence": "ALA", "smiles": "C"}, "expected a sequence or SMILES, found both"),
        ({"smiles": "C(("}, r"expected SMILES that RDKit reads, found 'C\(\('"),
        ({"smiles": ""}, "expected SMILES that RDKit reads, found ''"),
        ({"smiles": "C.C"}, "expected one molecule, found 2 in 'C.C'"),
        ({"smiles": "C", "name": "LONG"}, "a name of up to three letters or digits, found 'LONG'"),
    ]
    pytest.importorskip("rdkit")
    for arguments, message in cases:
        with pytest.raises(MoleculeError, match=f"^build: .*{message}.*\\.$"):
            sd.build(**arguments)
    for package, arguments, extra in (
        ("rdkit", {"smiles": "C"}, "chemistry"),
        ("PeptideBuilder", {"sequence": "ALA-GLY"}, "setup"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingDependencyError, match=rf"pip install 'openmm-scoredyn\[{extra}\]'"):
                sd.build(**arguments)
    result = CliRunner().invoke(command, ["build", "ALA-GLY", "-o", str(tmp_path / "x.xyz")])
    assert "ends in .pdb, .cif or .sdf, found x.xyz" in str(result.exception)
    result = CliRunner().invoke(command, ["build", "ALA-GLY", "-o", str(tmp_path / "none" / "x.pdb")])
    assert "cannot write" in str(result.exception)
