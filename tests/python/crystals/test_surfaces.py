"""Crystals with free surfaces: the pieces that training is shown, and what the shipped model does to them."""

import crystals
import numpy as np
import pytest
from ase.build import bcc100, bcc110, bulk, fcc100, fcc110, fcc111
from ase.cluster import Icosahedron, Octahedron

import openmm_scoredyn as sd
from openmm_scoredyn.crystals.arguments import as_cell
from openmm_scoredyn.crystals.iterations import FURTHEST, iterate
from openmm_scoredyn.crystals.lattices import read_lattice, unit_cell
from openmm_scoredyn.crystals.neighbours import find_neighbours
from openmm_scoredyn.crystals.samples import draw_batch, without_rigid_motion
from openmm_scoredyn.crystals.spacing import measure_spacing
from openmm_scoredyn.crystals.surfaces import FACES, cut_surfaces, polyhedron, slab, sphere, void, wire

COPPER, IRON = 3.61, 2.87
NEAREST = {"Cu": COPPER / 2**0.5, "Fe": IRON * 3**0.5 / 2}


def shells(positions, cell, periodic, reach):
    """Number of neighbours of every atom within a distance."""
    return find_neighbours(positions, *as_cell(cell, periodic), reach).present.sum(axis=1).astype(int)


def hole():
    """Copper with a void of 1 nm."""
    atoms = bulk("Cu", cubic=True, a=COPPER).repeat(5)
    return atoms[np.linalg.norm(atoms.positions - 2.4 * COPPER, axis=1) > 5]


def round_wire():
    atoms = bulk("Cu", cubic=True, a=COPPER).repeat((7, 7, 4))
    atoms = atoms[np.linalg.norm(atoms.positions[:, :2] - 3.1 * COPPER, axis=1) < 8.5]
    atoms.pbc = (False, False, True)
    return atoms


OBJECTS = {
    "particle 13": lambda: Octahedron("Cu", 3, 1),
    "particle 140": lambda: Octahedron("Cu", 6, 1),
    "particle 586": lambda: Octahedron("Cu", 10, 3),
    "fcc (100)": lambda: fcc100("Cu", (5, 5, 6), a=COPPER, vacuum=8, orthogonal=True),
    "fcc (110)": lambda: fcc110("Cu", (5, 5, 9), a=COPPER, vacuum=8, orthogonal=True),
    "fcc (111)": lambda: fcc111("Cu", (5, 6, 6), a=COPPER, vacuum=8, orthogonal=True),
    "bcc (100)": lambda: bcc100("Fe", (5, 5, 8), a=IRON, vacuum=8, orthogonal=True),
    "bcc (110)": lambda: bcc110("Fe", (5, 6, 6), a=IRON, vacuum=8, orthogonal=True),
    "wire": round_wire,
    "void": hole,
}


@pytest.fixture(scope="module")
def model():
    return sd.CrystalDenoiser(sd.pretrained("metals"))


@pytest.mark.parametrize("name", OBJECTS)
def test_a_cold_object_stays(model, name):
    """Perfect at 0 K: no atom leaves its place, and the spacing is that of the inside."""
    atoms = OBJECTS[name]()
    nearest = NEAREST[atoms.symbols[0]]
    clean = model.denoise_frame(atoms.positions / 10, atoms.cell[:] / 10, periodic=atoms.pbc)
    assert 10 * clean.spacing_nm == pytest.approx(nearest, rel=0.01)
    moved = 10 * clean.positions - atoms.positions
    assert np.linalg.norm(moved - moved.mean(axis=0), axis=1).max() < 0.03 * nearest
    assert not clean.beyond_heat


@pytest.mark.parametrize("name", [name for name in OBJECTS if name != "particle 13"])
def test_a_hot_object_comes_back(model, name):
    """Gaussian noise of 0.06 spacings: all atoms have the number of neighbours that they had."""
    atoms = OBJECTS[name]()
    nearest = NEAREST[atoms.symbols[0]]
    reach = nearest * (1.3 if atoms.symbols[0] == "Fe" else 1.2)
    built = shells(atoms.positions, atoms.cell[:], atoms.pbc, reach)
    hot = atoms.positions + 0.06 * nearest * np.random.default_rng(4).normal(size=(len(atoms), 3))
    clean = model.denoise_frame(hot / 10, atoms.cell[:] / 10, periodic=atoms.pbc)
    assert (shells(hot, atoms.cell[:], atoms.pbc, reach) != built).mean() > 0.05
    assert (shells(10 * clean.positions, atoms.cell[:], atoms.pbc, reach) == built).mean() > 0.995


@pytest.mark.parametrize("atoms", [Octahedron("Cu", 3, 1), Icosahedron("Cu", 2, COPPER)])
def test_a_hot_cluster_of_thirteen_stays_together(model, atoms):
    hot = atoms.positions + 0.15 * np.random.default_rng(1).normal(size=(13, 3))
    clean = model.denoise_frame(hot / 10, periodic=False, iterations=20)
    assert clean.furthest_nm <= FURTHEST * model.card.sigma_max * clean.spacing_nm * (1 + 1e-9)
    extent = np.ptp(10 * clean.positions, axis=0).max()
    assert extent < 1.15 * np.ptp(atoms.positions, axis=0).max()


def test_no_atom_moves_further_than_heat(model):
    """A network that pushes without end: atoms are held at the bound, and the frame says so."""
    frame = np.random.default_rng(1).random((30, 3))

    def push(step):
        return iterate(
            lambda positions, **_: np.full((30, 3), step), frame, np.arange(30) > 4, 0.25, 0.13, 50, 0
        )

    far = push(0.02)
    assert far.beyond_heat
    assert far.furthest_nm == pytest.approx(FURTHEST * 0.13 * 0.25)
    assert np.linalg.norm(far.positions - frame, axis=1).max() == pytest.approx(far.furthest_nm)
    assert np.array_equal(far.positions[:5], frame[:5])
    assert push(0.02 / 50).beyond_heat is False
    # Short of the bound of one atom, but of all of them: more than the mean of the largest noise.
    assert push(0.04 / 50).beyond_heat and push(0.04 / 50).furthest_nm < FURTHEST * 0.13 * 0.25


@pytest.mark.parametrize("name", ["particle 140", "particle 586", "fcc (110)", "bcc (100)", "wire", "void"])
def test_spacing_is_measured_inside(name):
    """Also where the surface swells by a tenth, and most of the atoms are at it."""
    atoms = OBJECTS[name]()
    nearest = NEAREST[atoms.symbols[0]]
    cell, periodic = as_cell(atoms.cell[:], atoms.pbc)
    # The two shells of bcc are one peak, somewhat further out.
    accuracy = 8e-3 if atoms.symbols[0] == "Fe" else 2e-3
    assert measure_spacing(atoms.positions, cell, periodic) == pytest.approx(nearest, rel=accuracy)
    if name.startswith("particle"):
        outside = shells(atoms.positions, atoms.cell[:], atoms.pbc, 1.2 * nearest) < 12
        centre = atoms.positions.mean(axis=0)
        swollen = atoms.positions + np.where(outside[:, None], 0.1, 0) * (atoms.positions - centre)
        assert measure_spacing(swollen, cell, periodic) == pytest.approx(nearest, rel=5e-3)


@pytest.mark.parametrize("lattice", crystals.SHELLS)
def test_pieces_are_cut_from_the_lattice(lattice):
    """Atoms of a piece have neighbours at the distances of the lattice only, none twice, and no strays."""
    full = unit_cell(lattice)
    near = find_neighbours(full.positions, full.cell, (True,) * 3, 1.5)
    lengths = np.linalg.norm(near.separations, axis=-1)[near.present > 0]
    allowed = np.unique(np.round(lengths, 4))
    number = (lengths < 1.1).sum() / len(full.positions)
    pieces = cut_surfaces(lattice, np.random.default_rng(0), 4)
    assert len(pieces) >= 4 * 3 + len(FACES)
    for piece in pieces:
        cell, periodic = as_cell(piece.cell, piece.periodic)
        near = find_neighbours(piece.positions, cell, periodic, 1.5)
        lengths = np.linalg.norm(near.separations, axis=-1)[near.present > 0]
        assert np.abs(lengths[:, None] - allowed).min(axis=1).max() < 1e-3
        coordination = ((np.linalg.norm(near.separations, axis=-1) < 1.1) * near.present).sum(axis=1)
        assert coordination.min() > 0.25 * number
        assert coordination.min() < number, "there is a surface"
        assert coordination.max() <= number


def test_shapes_of_pieces():
    fcc = unit_cell("fcc")
    generator = np.random.default_rng(3)
    flat = slab(fcc, (1, 1, 1), 3.0)
    assert flat.periodic == (True, True, False)
    heights = np.unique(np.round(flat.positions @ flat.cell[2], 4))
    assert heights == pytest.approx(np.arange(4) * (2 / 3) ** 0.5, abs=1e-3)
    assert sphere(fcc, generator).periodic == polyhedron(fcc, generator).periodic == (False,) * 3
    assert wire(fcc, generator).periodic == (False, False, True)
    holed = void(fcc, generator)
    assert holed.periodic == (True,) * 3
    assert len(holed.positions) < 2**0.5 * np.linalg.det(holed.cell)


@pytest.mark.parametrize("periodic", [(False,) * 3, (False, False, True), (True, True, False)])
def test_noise_holds_no_motion_of_the_whole(periodic):
    """Shifts always, turns of particles, and that of a wire around itself; the rest of the noise stays."""
    generator = np.random.default_rng(2)
    positions, cell = generator.normal(size=(40, 3)), np.diag([8.0, 8.0, 6.0])
    axes = {0: np.eye(3), 1: np.eye(3)[2:], 2: np.zeros((0, 3))}[sum(periodic)]
    noise = generator.normal(size=(40, 3))
    arms = positions - positions.mean(axis=0)
    turns = sum((np.cross(axis, arms) * weight for axis, weight in zip(axes, (0.3, -0.2, 0.5))), 0 * arms)
    found = without_rigid_motion(noise, positions, cell, periodic)
    moved = without_rigid_motion(noise + [1.0, 2.0, 3.0] + turns, positions, cell, periodic)
    assert moved == pytest.approx(found, abs=1e-9)
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert (np.cross(arms, found).sum(axis=0) @ axes.T) == pytest.approx(0, abs=1e-9)
    rigid = noise - found
    assert (rigid * found).sum() == pytest.approx(0, abs=1e-9), "no more than the rigid motion is taken away"


def test_examples_with_surfaces_are_drawn_as_they_are():
    """The network sees of a slab's atoms what is there, not images across the vacuum."""
    piece = slab(unit_cell("fcc"), (1, 0, 0), 2.5)
    batch = draw_batch([piece, read_lattice("fcc")], ("",), 1e-9, 1.2, np.random.default_rng(1), 0.0)
    numbers = batch.present.sum(1)[batch.owners == 0].numpy()
    assert sorted(set(numbers.tolist())) == [8, 12]
