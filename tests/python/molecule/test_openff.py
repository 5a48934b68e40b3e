"""Force fields of OpenFF: the System is OpenFF's own, and what cannot be has one sentence."""

import sys

import openmm
import pytest
from openmm import app, unit
from typed_commands import typed
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn.cli import app as command
from openmm_scoredyn.data.loading import load
from openmm_scoredyn.errors import MissingDependencyError, MoleculeError, SamplingError
from openmm_scoredyn.molecule.openff import with_openff
from openmm_scoredyn.molecule.structure import read_structure, structure_text

pytest.importorskip("rdkit")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
SAGE = "openff-2.3.0.offxml"
IBUPROFEN = "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O"


@pytest.fixture
def openff():
    """OpenFF's toolkit, where all of OpenFF can be imported."""
    pytest.importorskip("openff.nagl")
    pytest.importorskip("openff.interchange")
    return pytest.importorskip("openff.toolkit")


@pytest.fixture(scope="module")
def ibuprofen(tmp_path_factory):
    """SDF file."""
    path = tmp_path_factory.mktemp("openff") / "ibuprofen.sdf"
    path.write_text(structure_text(sd.build(smiles=IBUPROFEN), path.name))
    return path


def energy(system, positions):
    """Potential energy, kJ/mol."""
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def openffs_own(openff, path, name):
    """The System that OpenFF makes of a file it reads by itself."""
    molecule = openff.Molecule.from_file(str(path))
    charges = {}
    if name != SAGE and "unconstrained-2.3" not in name:
        molecule.assign_partial_charges("openff-gnn-am1bcc-1.0.0.pt")
        charges = {"charge_from_molecules": [molecule]}
    return openff.ForceField(name).create_openmm_system(molecule.to_topology(), **charges)


def test_sdf_keeps_the_molecule(ibuprofen):
    built, read = sd.build(smiles=IBUPROFEN), read_structure(ibuprofen)
    assert read.positions == pytest.approx(built.positions, abs=1e-5)  # nm; SDF has 1e-4 Angstrom
    orders = [[bond.GetBondType() for bond in s.molecule.GetBonds()] for s in (built, read)]
    assert orders[0] == orders[1]


def test_sdf_of_a_structure_without_bond_orders_is_refused(ibuprofen):
    built = sd.build(smiles="CCCC")
    pdb = ibuprofen.with_name("butane.pdb")
    pdb.write_text(structure_text(built, pdb.name))
    with pytest.raises(MoleculeError, match=r"x\.sdf would need orders of bonds; .*\.pdb or \.cif"):
        structure_text(read_structure(pdb), "x.sdf")
    with pytest.raises(MoleculeError, match=r"needs orders of bonds; .*found butane\.pdb; .*SDF or MOL2"):
        with_openff(read_structure(pdb), [SAGE])


def test_a_second_force_field_is_refused(ibuprofen):
    with pytest.raises(MoleculeError, match=r"one force field of OpenFF alone, found .*tip3p\.xml"):
        with_openff(read_structure(ibuprofen), [SAGE, "tip3p.xml"])


def test_without_openff_the_sentence_names_the_extra(ibuprofen, monkeypatch):
    monkeypatch.setitem(sys.modules, "openff", None)
    for name in [name for name in sys.modules if name.startswith("openff.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r"Python 3\.11 .*'openmm-scoredyn\[openff\]'"):
        with_openff(read_structure(ibuprofen), [SAGE])


@pytest.mark.parametrize(
    "name, free",
    [
        (SAGE, "openff_unconstrained-2.3.0.offxml"),
        ("openff-2.2.1.offxml", "openff_unconstrained-2.2.1.offxml"),
    ],
)
def test_energies_are_those_of_openff(openff, ibuprofen, name, free):
    made = with_openff(read_structure(ibuprofen), [name])
    rigid = made.create_system(constraints=app.HBonds, hydrogenMass=3 * unit.dalton)
    # 1e-4 kJ/mol: the same terms, summed in another order.
    assert energy(rigid, made.positions) == pytest.approx(
        energy(openffs_own(openff, ibuprofen, name), made.positions), abs=1e-4
    )
    assert energy(made.own_system(), made.positions) == pytest.approx(
        energy(openffs_own(openff, ibuprofen, free), made.positions), abs=1e-4
    )
    assert made.own_system().getNumConstraints() == 0
    masses = [rigid.getParticleMass(index)._value for index in range(33)]
    assert rigid.getNumConstraints() == 18 and masses[15:] == [3.0] * 18
    assert sum(masses) == pytest.approx(206.28, abs=0.02)


def test_another_solvent_and_an_unknown_file_are_refused(openff, ibuprofen, tmp_path):
    for options, error, match in (
        ([SAGE, "--solvent", "tip3p"], SamplingError, r"no parameters of a solvent; .*found 'tip3p'"),
        (["openff-0.0.0.offxml"], MoleculeError, r"no parameters with openff-0\.0\.0\.offxml"),
    ):
        arguments = ["simulate", str(ibuprofen), "--out", str(tmp_path / "md"), "--force-field", *options]
        arguments += ["--length", "1ps", "--equilibration", "1ps"]
        result = CliRunner().invoke(command, arguments)
        assert isinstance(result.exception, error)
        with pytest.raises(error, match=match):
            raise result.exception


def test_md_beside_each_other_says_force_field_and_charges(openff, ibuprofen, tmp_path):
    typed(
        *("simulate", ibuprofen, "--force-field", SAGE, "--out", tmp_path / "md", "--copies", 8),
        *("--trajectories", 1, "--length", "5ps", "--equilibration", "1ps", "--seed", 3),
    )
    first = load([tmp_path / "md"])[0]
    assert first.force_field == f"{SAGE} + charges of openff-gnn-am1bcc-1.0.0.pt"
    assert first.solvent == "vacuum"
