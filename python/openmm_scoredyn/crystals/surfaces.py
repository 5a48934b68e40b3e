"""Pieces of ideal lattices with free surfaces: slabs, particles, wires, and crystals with voids."""

from itertools import product

import numpy as np

from openmm_scoredyn.crystals.lattices import Lattice, face_distances, repetitions, unit_cell
from openmm_scoredyn.crystals.neighbours import find_neighbours

# Miller indices of the faces of slabs, in the cell that `unit_cell` gives.
FACES = ((1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (1, 1, 1))
# All lengths are in nearest-neighbour distances.
THICKNESSES = (2.5, 4.5)
PARTICLE_RADII = (1.05, 4.0)
WIRE_RADII = (1.3, 2.8)
VOID_RADII = (0.9, 2.2)
NARROWEST_WITH_VOID = 6.0
# Closer than this are the neighbours of the first shell.
FIRST_SHELL = 1.1
# An atom with fewer than this part of the lattice's neighbours belongs to no surface and is left out.
FEWEST = 0.25


def cut_surfaces(source, generator: np.random.Generator, number: int) -> list[Lattice]:
    """Slabs of all low-index faces, and `number` each of spheres, polyhedra, wires and crystals with voids.

    Parameters
    ----------
    source : as `read_lattice`
    generator : draws radii, centres, axes and facets
    number : pieces of each kind but slabs

    Returns
    -------
    list of Lattice, each with the directions in which it is periodic

    Raises
    ------
    LatticeError
        As `read_lattice`.
    """
    crystal = unit_cell(source)
    pieces = [slab(crystal, face, thickness) for face in FACES for thickness in THICKNESSES]
    pieces += [make(crystal, generator) for make in (sphere, polyhedron, wire, void) for _ in range(number)]
    fewest = FEWEST * _neighbour_numbers(crystal).max()
    trimmed = [_without_strays(piece, fewest) for piece in pieces]
    return [piece for piece in trimmed if len(piece.elements) > 4]


def slab(crystal: Lattice, face: tuple[int, int, int], thickness: float) -> Lattice:
    """A slab of a unit cell, at least so thick, with the Miller indices `face` on both sides."""
    from ase import Atoms
    from ase.build import surface

    atoms = Atoms(numbers=np.arange(1, len(crystal.positions) + 1), positions=crystal.positions)
    atoms.set_cell(crystal.cell)
    atoms.pbc = True
    height = face_distances(np.asarray(surface(atoms, face, 1, periodic=True).cell[:]))[2]
    made = surface(atoms, face, int(np.ceil(thickness / height)), periodic=True)
    cell = np.asarray(made.cell[:])
    cell[2] = np.cross(cell[0], cell[1]) / np.linalg.norm(np.cross(cell[0], cell[1]))
    counts = (*repetitions(cell)[:2], 1)
    shifts = np.array(list(np.ndindex(*counts))) @ cell
    positions = (made.positions[None] + shifts[:, None]).reshape(-1, 3)
    elements = tuple(crystal.elements[number - 1] for number in made.numbers) * len(shifts)
    cell = np.array(counts)[:, None] * cell
    return Lattice(crystal.name, positions, cell, elements, (True, True, False))


def sphere(crystal: Lattice, generator: np.random.Generator) -> Lattice:
    """A round particle: all kinds of steps and kinks."""
    radius = generator.uniform(*PARTICLE_RADII)
    block = _block(crystal, radius, generator)
    return _keep(block, np.linalg.norm(block.positions, axis=1) < radius)


def polyhedron(crystal: Lattice, generator: np.random.Generator) -> Lattice:
    """A particle with low-index facets, those of a kind at the same distance from the centre."""
    radius = generator.uniform(*PARTICLE_RADII)
    indices = np.array([face for face in product((-1, 0, 1), repeat=3) if any(face)])
    normals = indices @ np.linalg.inv(crystal.cell).T
    lengths = np.linalg.norm(normals, axis=1)
    kinds = np.unique(np.round(lengths, 6), return_inverse=True)[1]
    distances = radius * generator.uniform(0.75, 1.4, kinds.max() + 1)[kinds]
    block = _block(crystal, 1.8 * radius, generator, generator.random() < 0.5)
    heights = block.positions @ (normals / lengths[:, None]).T
    inside = (heights < distances + 1e-6).all(axis=1)
    return _keep(block, inside & (np.linalg.norm(block.positions, axis=1) < 1.5 * radius))


def wire(crystal: Lattice, generator: np.random.Generator) -> Lattice:
    """A round wire along a short vector of the lattice."""
    radius = generator.uniform(*WIRE_RADII)
    directions = [face for face in product((0, 1), repeat=3) if any(face)]
    along = np.array(directions[generator.integers(len(directions))]) @ crystal.cell
    length = np.linalg.norm(along)
    axis = along / length
    period = length * np.ceil(4.1 / length)
    block = _block(crystal, np.hypot(radius, period), generator)
    heights = block.positions @ axis
    across = np.linalg.norm(block.positions - heights[:, None] * axis, axis=1)
    cell = np.vstack([np.linalg.svd(axis[None])[2][1:], period * axis])
    # Half open, at a height where there is no atom: an atom and its image would both be kept, or neither.
    start = generator.random() * 1e-3 - period / 2 + 0.01234
    inside = (across < radius) & (heights >= start) & (heights < start + period)
    return Lattice(
        crystal.name,
        block.positions[inside],
        cell,
        tuple(np.array(block.elements)[inside]),
        (False, False, True),
    )


def void(crystal: Lattice, generator: np.random.Generator) -> Lattice:
    """A crystal with a round hole."""
    radius = generator.uniform(*VOID_RADII)
    counts = repetitions(crystal.cell, NARROWEST_WITH_VOID)
    shifts = np.array(list(np.ndindex(*counts))) @ crystal.cell
    positions = (crystal.positions[None] + shifts[:, None]).reshape(-1, 3)
    cell = counts[:, None] * crystal.cell
    fractions = (positions - generator.random(3) @ crystal.cell) @ np.linalg.inv(cell)
    # Of the images of the centre the nearest counts; in a skewed cell rounding alone would miss it.
    images = np.array(list(product((-1, 0, 1), repeat=3)))
    nearest = (fractions - np.round(fractions))[:, None] + images
    inside = np.linalg.norm(nearest @ cell, axis=-1).min(axis=1) >= radius
    elements = np.array(crystal.elements * len(shifts))
    return Lattice(crystal.name, positions[inside], cell, tuple(elements[inside]))


def _block(crystal: Lattice, radius: float, generator, on_atom: bool = False) -> Lattice:
    """All atoms within a ball of this radius and some more, around a random point of the cell or an atom."""
    counts = 2 * np.ceil(radius / face_distances(crystal.cell)).astype(int) + 3
    shifts = (np.array(list(np.ndindex(*counts))) - counts // 2) @ crystal.cell
    positions = (crystal.positions[None] + shifts[:, None]).reshape(-1, 3)
    centre = crystal.positions[0] if on_atom else generator.random(3) @ crystal.cell
    block = Lattice(crystal.name, positions - centre, np.zeros((3, 3)), crystal.elements * len(shifts))
    return _keep(block, np.linalg.norm(positions - centre, axis=1) < radius + 1)


def _keep(block: Lattice, chosen: np.ndarray) -> Lattice:
    elements = tuple(element for element, kept in zip(block.elements, chosen) if kept)
    return Lattice(block.name, block.positions[chosen], np.zeros((3, 3)), elements, (False,) * 3)


def _neighbour_numbers(piece: Lattice) -> np.ndarray:
    near = find_neighbours(piece.positions, piece.cell, piece.periodic, FIRST_SHELL)
    return near.present.sum(axis=1)


def _without_strays(piece: Lattice, fewest: float) -> Lattice:
    """The piece without atoms of fewer neighbours than that, and without those that this makes so."""
    while len(piece.positions):
        kept = _neighbour_numbers(piece) > fewest
        if kept.all():
            break
        elements = tuple(element for element, stays in zip(piece.elements, kept) if stays)
        piece = Lattice(piece.name, piece.positions[kept], piece.cell, elements, piece.periodic)
    return piece
