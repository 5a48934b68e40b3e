"""One molecule from files of every format: the same atoms, bonds, positions and energies."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from alanine import PDB
from openmm import app, unit

from openmm_scoredyn.errors import MissingDependencyError, MoleculeError
from openmm_scoredyn.molecule.formats import FORMATS
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.structure import read_structure

ROOT = Path(__file__).parents[3]
INPUTS = ROOT / "examples" / "inputs"
PRMTOP = Path(PDB).with_name("alanine_dipeptide.prmtop")

ETHANE_PSF = """PSF

       1 !NTITLE
 ethane

       8 !NATOM
{atoms}

       7 !NBOND: bonds
       1       2       1       3       1       4       1       5
       2       6       2       7       2       8

      12 !NTHETA: angles
       2       1       3       2       1       4       2       1       5
       3       1       4       3       1       5       4       1       5
       1       2       6       1       2       7       1       2       8
       6       2       7       6       2       8       7       2       8

       9 !NPHI: dihedrals
       3       1       2       6       3       1       2       7
       3       1       2       8       4       1       2       6
       4       1       2       7       4       1       2       8
       5       1       2       6       5       1       2       7
       5       1       2       8

       0 !NIMPHI: impropers

       0 !NDON: donors

       0 !NACC: acceptors

       0 !NNB

       0       0       0       0       0       0       0       0

       1       0 !NGRP
       0       0       0

"""
ETHANE_PRM = """* ethane
*

ATOMS
MASS  1 CT 12.011
MASS  2 HA 1.008

BONDS
CT CT 222.5 1.53
CT HA 309.0 1.111

ANGLES
CT CT HA 34.6 110.1
HA CT HA 35.5 108.4

DIHEDRALS
HA CT CT HA 0.16 3 0.0

NONBONDED
CT 0.0 -0.078 2.05
HA 0.0 -0.024 1.34

END
"""
ETHANE = ["C1", "C2", "H1", "H2", "H3", "H4", "H5", "H6"]


def energy(system, positions) -> float:
    """kJ/mol, on the Reference platform."""
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def pdb_of(topology, positions, path) -> Path:
    with open(path, "w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    return path


@pytest.fixture
def ethane(tmp_path):
    """psf, prm and PDB of ethane in one folder; the psf."""
    chem = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import AllChem

    molecule = chem.AddHs(chem.MolFromSmiles("CC"))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    positions = molecule.GetConformer().GetPositions()
    atoms = "\n".join(
        f"{i + 1:8d} A    1    ETH  {name:<4s} {'CT' if name[0] == 'C' else 'HA':<4s}"
        f" {-0.27 if name[0] == 'C' else 0.09:10.6f}    {12.011 if name[0] == 'C' else 1.008:10.4f} 0"
        for i, name in enumerate(ETHANE)
    )
    (tmp_path / "ethane.psf").write_text(ETHANE_PSF.format(atoms=atoms))
    (tmp_path / "ethane.prm").write_text(ETHANE_PRM)
    lines = [
        f"HETATM{i + 1:5d}  {name:<3s} ETH A   1    "
        + "".join(f"{x:8.3f}" for x in positions[i])
        + f"{'':22s}{name[0]:>2s}\n"
        for i, name in enumerate(ETHANE)
    ]
    (tmp_path / "ethane.pdb").write_text("".join(lines) + "END\n")
    return tmp_path / "ethane.psf"


def test_amber_gromacs_and_pdb_are_one_system():
    """Three programs' files of one force field: energies within the rounding of their texts."""
    pdb = read_structure(INPUTS / "alanine.pdb")
    forces = app.ForceField("amber99sbildn.xml", "tip3p.xml")
    options = {
        "nonbondedMethod": app.PME,
        "nonbondedCutoff": 0.8 * unit.nanometer,
        "rigidWater": False,
    }
    expected = Particles.from_topology(pdb.topology)
    truth = energy(forces.createSystem(pdb.topology, **options), pdb.positions)
    for name in ("alanine.prmtop", "alanine.top"):
        found = read_structure(INPUTS / name)
        particles = Particles.from_topology(found.topology)
        assert (particles.types, particles.residue_names[:22]) == (
            expected.types,
            expected.residue_names[:22],
        )
        assert particles.atom_names[:22] == expected.atom_names[:22]
        assert {frozenset(b) for b in particles.bonds} >= {
            frozenset(b) for b in expected.bonds if max(b) < 22
        }
        assert found.topology.getPeriodicBoxVectors() is not None
        assert energy(found.create_system(**options), pdb.positions) == pytest.approx(truth, abs=0.5)
        np.testing.assert_allclose(found.positions, pdb.positions, atol=6e-4)
    assert abs(truth) > 1000


def test_an_amber_solute_has_the_energy_of_its_force_field():
    found = read_structure(PRMTOP)
    assert found.files == (PRMTOP, PRMTOP.with_suffix(".inpcrd"))
    system = app.ForceField("amber99sbildn.xml").createSystem(found.topology, removeCMMotion=False)
    assert energy(found.own_system(), found.positions) == pytest.approx(
        energy(system, found.positions), abs=0.02
    )


def test_mmcif_is_the_pdb(tmp_path):
    pdb = app.PDBFile(str(PDB))
    with open(tmp_path / "x.cif", "w") as file:
        app.PDBxFile.writeFile(pdb.topology, pdb.positions, file)
    ours, theirs = read_structure(tmp_path / "x.cif"), read_structure(PDB)
    found, expected = (Particles.from_topology(one.topology) for one in (ours, theirs))
    assert replace(found, bonds=expected.bonds) == expected
    assert {frozenset(bond) for bond in found.bonds} == {frozenset(bond) for bond in expected.bonds}
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-6)


def test_charmm_needs_its_parameters(ethane):
    found = read_structure(ethane)
    assert [atom.name for atom in found.topology.atoms()] == ETHANE
    assert found.files[1].suffix == ".pdb"
    assert not found.holds_parameters and found.own_system() is None
    system = read_structure(ethane, parameters=[ethane.with_suffix(".prm")]).own_system()
    assert system.getNumParticles() == 8
    assert 0 < energy(system, found.positions) < 100


def test_sdf_and_mol2_hold_names_bonds_and_positions(tmp_path):
    chem = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import AllChem

    molecule = chem.AddHs(chem.MolFromSmiles("C=CO"))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    molecule.SetProp("_Name", "VOH")
    chem.SDWriter(str(tmp_path / "x.sdf")).write(molecule)
    found = read_structure(tmp_path / "x.sdf")
    assert [atom.name for atom in found.topology.atoms()] == ["C1", "C2", "O1", "H1", "H2", "H3", "H4"]
    assert {residue.name for residue in found.topology.residues()} == {"VOH"}
    orders = {(b[0].name, b[1].name): b.order for b in found.topology.bonds() if "H" not in b[1].name}
    assert orders == {("C1", "C2"): 2, ("C2", "O1"): 1}
    np.testing.assert_allclose(found.positions, molecule.GetConformer().GetPositions() / 10, atol=6e-5)
    (tmp_path / "x.mol2").write_text(
        "@<TRIPOS>MOLECULE\nMEO\n 6 5 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n"
        "1 CA 0.00 0.00 0.00 C.3 1 MEO 0\n2 OX 1.42 0.00 0.00 O.3 1 MEO 0\n3 HA -0.37 1.02 0.00 H 1 MEO 0\n"
        "4 HB -0.37 -0.51 0.88 H 1 MEO 0\n5 HC -0.37 -0.51 -0.88 H 1 MEO 0\n6 HO 1.74 0.90 0.00 H 1 MEO 0\n"
        "@<TRIPOS>BOND\n1 1 2 1\n2 1 3 1\n3 1 4 1\n4 1 5 1\n5 2 6 1\n"
    )
    found = read_structure(tmp_path / "x.mol2")
    assert [atom.name for atom in found.topology.atoms()] == ["CA", "OX", "HA", "HB", "HC", "HO"]
    assert found.topology.getNumBonds() == 5


def test_without_rdkit_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    (tmp_path / "x.sdf").write_text("x")
    with pytest.raises(MissingDependencyError, match=r"pip install 'openmm-scoredyn\[chemistry\]'"):
        read_structure(tmp_path / "x.sdf")


def test_a_system_must_be_of_the_structure(tmp_path):
    system = app.ForceField("amber99sbildn.xml").createSystem(app.PDBFile(str(PDB)).topology)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    found = read_structure(PDB, system=tmp_path / "system.xml")
    assert found.own_system().getNumParticles() == 22
    with pytest.raises(MoleculeError, match="expected 604 particles, one per atom, found 22; give the files"):
        read_structure(INPUTS / "alanine.pdb", system=tmp_path / "system.xml")


def test_the_digest_is_of_all_files(tmp_path):
    for name in ("alanine.prmtop", "alanine.inpcrd"):
        shutil.copy(INPUTS / name, tmp_path / name)
    before = read_structure(tmp_path / "alanine.prmtop").sha256
    text = (tmp_path / "alanine.inpcrd").read_text()
    (tmp_path / "alanine.inpcrd").write_text(text.replace("9.6971901", "9.6971900"))
    assert read_structure(tmp_path / "alanine.prmtop").sha256 != before


@pytest.mark.parametrize("ending", sorted(e for one in FORMATS for e in one.endings))
def test_a_damaged_file_is_one_sentence(tmp_path, ending):
    if ending in (".sdf", ".mol", ".mol2"):
        pytest.importorskip("rdkit")
    path = tmp_path / f"x{ending}"
    path.write_text("junk\n")
    with pytest.raises(MoleculeError, match=r"^Structure: .*x\.\w+ (is not a readable|holds no atoms).*\.$"):
        read_structure(path, with_positions=False)
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(MoleculeError, match=r"^Structure: .*x\.\w+ (is not a readable|holds no atoms).*\.$"):
        read_structure(path, with_positions=False)


def test_what_does_not_belong_together_is_refused(tmp_path):
    shutil.copy(PRMTOP, tmp_path / "x.prmtop")
    with pytest.raises(
        MoleculeError, match=r"holds no positions; expected x.inpcrd, .* beside it, found none"
    ):
        read_structure(tmp_path / "x.prmtop")
    assert read_structure(tmp_path / "x.prmtop", with_positions=False).positions is None
    with pytest.raises(MoleculeError, match="expected 22 positions, one per atom, found 604"):
        read_structure(PRMTOP, coordinates=INPUTS / "alanine.inpcrd")
    with pytest.raises(MoleculeError, match="holds positions of its own; expected no other file"):
        read_structure(PDB, coordinates=INPUTS / "alanine.inpcrd")
    with pytest.raises(MoleculeError, match=r"the format of x.xyz is not known; .*\.prmtop.*found .xyz"):
        read_structure("x.xyz")
    with pytest.raises(MoleculeError, match="cannot read gone.prmtop; No such file or directory"):
        read_structure("gone.prmtop", with_positions=False)
