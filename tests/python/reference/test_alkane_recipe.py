"""The alkanes' force field as OpenMM reads it, against GROMACS and its own files; which molecules are held
out.
"""

from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit
from recipes import recipe

from openmm_scoredyn.data import load

DATA = Path(__file__).parents[3] / "examples" / "data" / "alkanes-tip3p"
SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def alkanes():
    with recipe("alkanes") as module:
        yield module


@pytest.fixture(scope="module")
def molecules(alkanes):
    return alkanes("molecules")


@pytest.fixture(scope="module")
def force_field(alkanes):
    return app.ForceField(str(alkanes("check_forces").FORCE_FIELD))


NAMES = [
    "ethane",
    "propane",
    "pentane",
    "hexane",
    "heptane",
    "isobutane",
    "neopentane",
    "methylhexane",
    "dimethylpentane",
    "butane",
    "octane",
    "isopentane",
    "dimethylbutane",
    "decane",
]


def shape_of(bonds):
    """The same for skeletons that are numbered in another way, different for all alkanes of up to ten carbons
    here.
    """
    number = 1 + max(map(max, bonds))
    adjacency = np.zeros((number, number))
    for i, j in bonds:
        adjacency[i, j] = adjacency[j, i] = 1
    return tuple(np.linalg.eigvalsh(adjacency).round(6))


def test_training_and_held_out_molecules_are_different(molecules):
    assert set(molecules.HELD_OUT) == {"butane", "octane", "decane", "isopentane", "dimethylbutane"}
    assert set(NAMES) == set(molecules.TRAINING) | set(molecules.HELD_OUT)
    shapes = [shape_of(bonds) for bonds in (*molecules.TRAINING.values(), *molecules.HELD_OUT.values())]
    assert len(set(shapes)) == len(NAMES)


def test_packed_molecules_lie_where_they_belong(molecules):
    folders = {"training": molecules.TRAINING, "held_out": molecules.HELD_OUT}
    for folder, of_folder in folders.items():
        found = {path.name for path in (DATA / folder).iterdir()}
        assert found and found <= set(of_folder)


def test_packed_trajectories_are_of_their_molecules(molecules):
    for path in DATA.glob("*/*/*.npz"):
        alkane = molecules.alkane(path.parent.name)
        (trajectory,) = load(path)
        assert trajectory.molecule.types == alkane.elements
        assert {frozenset(bond) for bond in trajectory.molecule.bonds} == set(map(frozenset, alkane.bonds))
        # Constrained; each coordinate of two atoms is rounded to 0.1 pm by GROMACS, then to 1 pm.
        rounding_nm = np.sqrt(3) * (0.001 + 0.0001)
        lengths_nm = [
            np.linalg.norm(trajectory.positions[:, i] - trajectory.positions[:, j], axis=1)
            for i, j in alkane.bonds
            if "H" in (alkane.elements[i], alkane.elements[j])
        ]
        assert np.abs(np.array(lengths_nm) - 0.109).max() < rounding_nm


@pytest.mark.parametrize("name", NAMES)
def test_force_field_agrees_with_the_gromacs_topology(alkanes, molecules, force_field, name):
    alkane = molecules.alkane(name)
    system = force_field.createSystem(alkane.topology(), hydrogenMass=3 * unit.dalton)
    forces = {type(force).__name__: force for force in system.getForces()}
    text = alkanes("gromacs").topology(alkane)
    sections = {}
    for block in text.split("[")[1:]:
        title, body = block.split("]")
        sections[title.strip()] = [line.split() for line in body.splitlines() if line[:1].isdigit()]
    charges = [
        forces["NonbondedForce"].getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
        for i in range(system.getNumParticles())
    ]
    masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())]
    assert sum(charges) == pytest.approx(0, abs=1e-9)
    assert charges == pytest.approx([float(line[6]) for line in sections["atoms"]])
    assert masses == pytest.approx([float(line[7]) for line in sections["atoms"]], abs=1e-5)
    assert forces["HarmonicBondForce"].getNumBonds() == len(sections["bonds"])
    assert forces["HarmonicAngleForce"].getNumAngles() == len(sections["angles"])
    assert forces["RBTorsionForce"].getNumTorsions() == len(sections["dihedrals"])
    assert forces["CustomBondForce"].getNumBonds() == len(sections["pairs"])


@pytest.mark.parametrize("name", ["isopentane", "dimethylbutane"])
def test_forces_in_water_are_those_of_gromacs(alkanes, molecules, name):
    # GROMACS computes in single precision and stores float32; the differences are 0.05 of forces of some
    # 1000.
    frame = np.load(SUPPORT / f"{name}_gromacs.npz")
    energy, forces = alkanes("check_forces").openmm_frame(frame)
    solute = len(molecules.alkane(name).elements)
    difference = np.linalg.norm(forces - frame["forces"], axis=1)
    assert energy == pytest.approx(frame["energy"][0], rel=3e-5)
    assert difference[:solute].max() < 0.1
    assert np.sqrt((difference**2).mean()) < 0.2


def test_lennard_jones_is_mixed_geometrically(molecules, force_field):
    # Ethane and one water, far apart but for one pair: the energy of carbon and oxygen.
    alkane = molecules.alkane("ethane")
    topology = alkane.topology()
    water = topology.addResidue("HOH", next(topology.chains()))
    atoms = [topology.addAtom(name, app.Element.getBySymbol(name[0]), water) for name in ("O", "H1", "H2")]
    for hydrogen in atoms[1:]:
        topology.addBond(atoms[0], hydrogen)
    system = force_field.createSystem(topology)
    force = next(f for f in system.getForces() if f.getName() == "LennardJones")
    acoef, bcoef = (force.getTabulatedFunction(k).getFunctionParameters() for k in (0, 1))
    types = [int(force.getParticleParameters(i)[0]) for i in range(system.getNumParticles())]
    sigma, epsilon = np.sqrt(0.35 * 0.315061), np.sqrt(0.276144 * 0.636386)
    carbon, oxygen = types[0], types[-3]
    cell = carbon + acoef[0] * oxygen
    assert acoef[2][cell] == pytest.approx(4 * epsilon * sigma**12, rel=1e-6)
    assert bcoef[2][cell] == pytest.approx(4 * epsilon * sigma**6, rel=1e-6)


def molecule(elements, bonds):
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    atoms = [topology.addAtom(f"{e}{i}", app.Element.getBySymbol(e), residue) for i, e in enumerate(elements)]
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    return topology


def test_an_alkane_of_no_list_is_typed(force_field):
    methane = force_field.createSystem(molecule("CHHHH", [(0, k) for k in range(1, 5)]))
    nonbonded = next(force for force in methane.getForces() if isinstance(force, mm.NonbondedForce))
    assert nonbonded.getParticleParameters(0)[0].value_in_unit(unit.elementary_charge) == -0.24


@pytest.mark.parametrize(
    "elements, bonds",
    [
        ("CCHHHH", [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)]),  # ethene
        ("COHHHH", [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5)]),  # methanol
        ("CCCHHHHHH", [(0, 1), (1, 2), (2, 0), *[(k // 2, 3 + k) for k in range(6)]]),  # cyclopropane
    ],
    ids=["ethene", "methanol", "cyclopropane"],
)
def test_what_is_no_alkane_is_refused(force_field, elements, bonds):
    with pytest.raises(ValueError, match="No template found"):
        force_field.createSystem(molecule(elements, bonds))


def test_molecules_broken_by_the_box_are_made_whole(alkanes, molecules):
    decane = molecules.alkane("decane")
    box = np.array([[2.4, 0, 0], [0, 2.4, 0], [1.2, 1.2, 1.7]])  # a rhombic dodecahedron
    rng = np.random.default_rng(3)
    images = rng.integers(-2, 3, size=(50, len(decane.elements), 3)) @ box
    broken = decane.positions_nm + images
    whole = alkanes("make_md").whole(broken, decane.bonds, box)
    whole -= whole[:, :1] - decane.positions_nm[:1]
    assert whole == pytest.approx(np.broadcast_to(decane.positions_nm, whole.shape), abs=1e-9)
