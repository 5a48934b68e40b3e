import io
import random
from dataclasses import replace

import numpy as np
import programs
import pytest
from alanine import PDB, alanine_molecule, alanine_positions
from openmm import OpenMMException
from openmm.unit import picosecond

from openmm_scoredyn.dynamics.prepare import build_system, fit_structure
from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.molecule.matching import match_atoms
from openmm_scoredyn.molecule.structure import read_structure, strip_solvent
from openmm_scoredyn.program.card import Card

LINES = [line for line in PDB.read_text().splitlines(keepends=True) if line.startswith("ATOM")]
NAMES = alanine_molecule().atom_names
CA, N, C, CB = 8, NAMES.index("N"), NAMES.index("C", 9), NAMES.index("CB")


def card(**changes):
    molecule = alanine_molecule()
    positions = alanine_positions()
    fields = {
        "name": "alanine",
        "lag_times_ps": (1.0,),
        "temperatures_K": (300.0,),
        "latent_size": 66,
        "bond_lengths_nm": tuple(
            float(np.linalg.norm(positions[i] - positions[j])) for i, j in molecule.bonds
        ),
        "stereocentres": ((CA, N, C, CB),),
    }
    heavier = tuple(3.0 if e == "H" else m for e, m in zip(molecule.types, molecule.masses_amu))
    return Card.of(replace(molecule, masses_amu=heavier), **(fields | changes))


def handedness(positions):
    a, b, d = (positions[index] - positions[CA] for index in (N, C, CB))
    return np.dot(a, np.cross(b, d))


@pytest.fixture
def the_card():
    order = (CA, N, C, CB) if handedness(alanine_positions()) > 0 else (CA, C, N, CB)
    return card(stereocentres=(order,))


def write(path, lines, head=""):
    path.write_text(head + "".join(lines) + "END\n")
    return path


def shuffled(seed=3):
    lines = LINES[:]
    random.Random(seed).shuffle(lines)
    assert lines != LINES
    return lines


def water(number):
    x = 10.0 + 4 * number
    return [
        f"HETATM{100 + i:5d} {name:<4s} HOH A{number + 10:4d}    {x + dx:8.3f}{0:8.3f}{dy:8.3f}  1.00  0.00  "
        f"         {el}\n"
        for i, (name, el, dx, dy) in enumerate(
            [(" O", "O", 0, 0), (" H1", "H", 0.957, 0), (" H2", "H", -0.24, 0.927)]
        )
    ]


ION = "HETATM  200 CL    CL A  90      30.000   0.000   0.000  1.00  0.00          CL\n"


@pytest.mark.parametrize("seed", range(3))
def test_atoms_in_any_order(tmp_path, the_card, seed):
    topology, positions = fit_structure(write(tmp_path / "x.pdb", shuffled(seed)), the_card)
    np.testing.assert_allclose(positions, alanine_positions(), atol=1e-9)
    assert tuple(atom.name for atom in topology.atoms()) == NAMES
    assert [residue.name for residue in topology.residues()] == ["ACE", "ALA", "NME"]
    assert topology.getNumBonds() == 21


@pytest.mark.parametrize(
    "missing", [{"CB"}, {"H"}, {"HA", "HB1", "HB2", "HB3", "H", "H1", "H2", "H3"}, {"O", "CB"}]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_missing_atoms_are_added_and_the_others_stay(tmp_path, the_card, missing):
    pytest.importorskip("pdbfixer")
    kept = [line for line in LINES if line[12:16].strip() not in missing]
    assert len(kept) < 22
    path = write(tmp_path / "x.pdb", kept)
    _, positions = fit_structure(path, the_card)
    # Whatever the state of the global generator, as in another process.
    random.seed(12345)
    again = fit_structure(path, the_card)[1]
    np.testing.assert_array_equal(positions, again)
    # Hydrogens of a residue that misses a heavy atom are built again.
    heavy = [element != "H" for element in alanine_molecule().types]
    there = [i for i, name in enumerate(NAMES) if name not in missing and (heavy[i] or "CB" not in missing)]
    np.testing.assert_allclose(positions[there], alanine_positions()[there], atol=1e-6)
    lengths = [np.linalg.norm(positions[i] - positions[j]) for i, j in alanine_molecule().bonds]
    np.testing.assert_allclose(lengths, the_card.guard.bond_lengths_nm, atol=0.03)
    with pytest.raises(MoleculeError, match="is not the model's; expected atoms .* or let it be repaired"):
        fit_structure(path, the_card, repair=False)


def test_scattered_and_incomplete(tmp_path, the_card):
    pytest.importorskip("pdbfixer")
    kept = [line for line in shuffled() if line[12:16].strip() != "HA"]
    _, positions = fit_structure(write(tmp_path / "x.pdb", kept), the_card)
    there = [index for index, name in enumerate(NAMES) if name != "HA"]
    np.testing.assert_allclose(positions[there], alanine_positions()[there], atol=1e-6)


def test_solvent_and_ions_are_stripped_on_request_only(tmp_path, the_card):
    cell = "CRYST1   40.000   40.000   40.000  90.00  90.00  90.00 P 1           1\n"
    path = write(tmp_path / "x.pdb", [*LINES, *water(0), *water(1), ION], cell)
    topology, positions = fit_structure(path, the_card, strip=True)
    np.testing.assert_allclose(positions, alanine_positions(), atol=1e-9)
    assert topology.getPeriodicBoxVectors() is None
    with pytest.raises(MoleculeError, match="expected residues ACE-ALA-NME, found ACE-ALA-NME-HOH-HOH-CL"):
        fit_structure(path, the_card)
    found = read_structure(write(tmp_path / "w.pdb", [*water(0), ION]))
    with pytest.raises(MoleculeError, match="nothing is left without solvent and ions"):
        strip_solvent(found.topology, found.positions)


def test_box_must_fit_the_model(tmp_path, the_card):
    cell = "CRYST1   40.000   40.000   40.000  90.00  90.00  90.00 P 1           1\n"
    path = write(tmp_path / "x.pdb", LINES, cell)
    with pytest.raises(MoleculeError, match="the structure is periodic, the model is not"):
        fit_structure(path, the_card)
    periodic = card(stereocentres=the_card.guard.stereocentres, periodic=True)
    with pytest.raises(
        MoleculeError, match="the structure is not periodic, the model is; expected a periodic box"
    ):
        fit_structure(PDB, periodic)
    topology, _ = fit_structure(path, periodic)
    box = build_system(topology, periodic).getDefaultPeriodicBoxVectors()
    assert [box[i][i]._value for i in range(3)] == [4.0, 4.0, 4.0]


def test_another_molecule_is_refused(tmp_path, the_card):
    glycine = [line.replace("ALA", "GLY") for line in LINES]
    with pytest.raises(MoleculeError, match="expected residues ACE-ALA-NME, found ACE-GLY-NME"):
        fit_structure(write(tmp_path / "x.pdb", glycine), the_card)
    renamed = [line.replace(" CB ", " CX ") for line in LINES]
    with pytest.raises(MoleculeError, match=r"residue 2 \(ALA\) is not the model's.*add CB"):
        fit_structure(write(tmp_path / "x.pdb", renamed), the_card, repair=False)
    sulphur = [line[:76] + " S" + line[78:] if line[12:16] == " CB " else line for line in LINES]
    with pytest.raises(MoleculeError, match="atom ALA:CB has another element; expected C, found S"):
        fit_structure(write(tmp_path / "x.pdb", sulphur), the_card)


def test_mirror_image_is_refused(the_card):
    from openmm.app import PDBFile

    with pytest.raises(MoleculeError, match="atom ALA:CA is the mirror image of the model's"):
        fit_structure(PDBFile(str(PDB)).topology, the_card, positions=alanine_positions() * [1, 1, -1])


def test_positions_are_checked(the_card):
    from openmm.app import PDBFile

    topology = PDBFile(str(PDB)).topology
    positions = alanine_positions()
    positions[7, 1] = np.nan
    with pytest.raises(MoleculeError, match="the position of atom 7 is not finite"):
        fit_structure(topology, the_card, positions=positions)
    with pytest.raises(MoleculeError, match="expected 22 of them, found none"):
        fit_structure(topology, the_card)
    with pytest.raises(MoleculeError, match="expected 22 of them, found 21"):
        fit_structure(topology, the_card, positions=alanine_positions()[1:])


def test_unreadable_structures(tmp_path, the_card):
    with pytest.raises(MoleculeError, match="cannot read .*missing.pdb; No such file"):
        fit_structure(tmp_path / "missing.pdb", the_card)
    (tmp_path / "x.pdb").write_text("nonsense\n")
    with pytest.raises(MoleculeError, match="x.pdb is not a readable PDB structure"):
        fit_structure(tmp_path / "x.pdb", the_card)


def test_match_atoms_gives_the_permutation(the_card):
    from openmm.app import PDBFile

    lines = shuffled()
    topology = PDBFile(io.StringIO("".join(lines) + "END\n")).topology
    order = match_atoms(topology, alanine_molecule())
    expected = [lines.index(line) for line in LINES]
    np.testing.assert_array_equal(order, expected)


def test_system_has_the_masses_of_the_card(the_card):
    from openmm.app import HBonds, PDBFile

    topology = PDBFile(str(PDB)).topology
    bare = build_system(topology, the_card)
    full = build_system(
        topology, the_card, force_field=["amber99sbildn.xml", "amber99_obc.xml"], constraints=HBonds
    )
    for system in (bare, full):
        masses = [system.getParticleMass(index)._value for index in range(22)]
        assert tuple(masses) == the_card.particles.masses_amu
    assert (bare.getNumForces(), bare.getNumConstraints()) == (0, 0)
    assert full.getNumForces() > 3
    assert full.getNumConstraints() == 12
    with pytest.raises(MoleculeError, match="constraints need a force field"):
        build_system(topology, the_card, constraints=HBonds)
    with pytest.raises(MoleculeError, match="no System with this force field"):
        build_system(topology, the_card, force_field="tip3p.xml")


MOLECULE_PDB = "".join(
    f"HETATM{i + 1:5d}  {name:<3s} MOL A   1    "
    + "".join(f"{10 * x:8.3f}" for x in xyz)
    + f"{'':22s}{element:>2s}\n"
    for i, (name, element, xyz) in enumerate(
        zip(("C", "H", "F", "CL", "BR"), programs.TYPES, programs.POSITIONS)
    )
)


def test_prepare_gives_a_simulation_that_steps(make_program, tmp_path):
    from openmm_scoredyn.dynamics.prepare import prepare
    from openmm_scoredyn.program.model import ScoreModel

    path = write(tmp_path / "x.pdb", MOLECULE_PDB.splitlines(keepends=True)[::-1])
    model = ScoreModel(make_program(programs.OrnsteinUhlenbeck()))

    def state_after(seed, steps, source=model):
        simulation = prepare(path, source, platform="Reference", seed=seed)
        assert simulation.context.getPlatform().getName() == "Reference"
        assert [atom.name for atom in simulation.topology.atoms()] == ["C", "H", "F", "CL", "BR"]
        simulation.step(steps)
        state = simulation.context.getState(getPositions=True, getVelocities=True)
        assert state.getTime().value_in_unit(picosecond) == steps
        return state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value

    positions, velocities = state_after(3, 0)
    np.testing.assert_allclose(positions, programs.POSITIONS, atol=1e-4)
    # 18.7 kJ/mol on average for 5 free atoms at 300 K.
    kinetic = 0.5 * np.sum(np.array(programs.MASSES)[:, None] * velocities**2)
    assert 1 < kinetic < 80
    moved = state_after(3, 5)[0]
    assert 0 < np.abs(moved - positions).max() < 0.02
    np.testing.assert_array_equal(moved, state_after(3, 5, model.source)[0])
    assert not np.array_equal(moved, state_after(4, 5)[0])


@pytest.mark.parametrize("lag", ["2.5ps", 2.5, 2.5 * picosecond])
def test_prepare_takes_the_lag_time(make_program, tmp_path, lag):
    from openmm_scoredyn.dynamics.prepare import prepare

    path = write(tmp_path / "x.pdb", [MOLECULE_PDB])
    program = make_program(programs.LagAndTemperature(), lag_times_ps=[1.0, 5.0], lag_time_range=True)
    simulation = prepare(path, program, lag=lag, platform="Reference")
    simulation.step(1)
    state = simulation.context.getState(getPositions=True)
    assert state.getTime().value_in_unit(picosecond) == 2.5
    moved = state.getPositions(asNumpy=True)._value - programs.POSITIONS
    np.testing.assert_allclose(moved[:, 0], 0.025, rtol=0, atol=1e-4)
    with pytest.raises(OpenMMException, match="trained for a step of 1 to 5 ps, but the step size is 9 ps"):
        prepare(path, program, lag="9ps", platform="Reference")
    with pytest.raises(SamplingError, match="expected no lag beside it, found 2ps"):
        prepare(path, program, lag="2ps", integrator=simulation.integrator)


def test_prepare_takes_the_lag_time_that_the_model_recommends(make_program, tmp_path):
    from openmm_scoredyn.dynamics.prepare import prepare

    path = write(tmp_path / "x.pdb", [MOLECULE_PDB])
    for recommended, expected in (({}, 1.0), ({"recommended_lag_time_ps": 2.5}, 2.5)):
        known = {"lag_times_ps": [1.0, 5.0], "lag_time_range": True} | recommended
        program = make_program(programs.LagAndTemperature(), **known)
        simulation = prepare(path, program, platform="Reference")
        simulation.step(1)
        state = simulation.context.getState(getPositions=True)
        assert state.getTime().value_in_unit(picosecond) == expected
        moved = state.getPositions(asNumpy=True)._value - programs.POSITIONS
        np.testing.assert_allclose(moved[:, 0], expected / 100, rtol=0, atol=1e-4)


def test_prepare_takes_another_integrator(make_program, tmp_path):
    from openmm import VerletIntegrator

    from openmm_scoredyn.dynamics.prepare import prepare

    path = write(tmp_path / "x.pdb", [MOLECULE_PDB])
    simulation = prepare(path, make_program(programs.OrnsteinUhlenbeck()), integrator=VerletIntegrator(0.001))
    assert isinstance(simulation.integrator, VerletIntegrator)
    simulation.step(1)
