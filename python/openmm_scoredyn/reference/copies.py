"""Many copies of a solute in one box: where they begin, and what keeps them apart."""

import numpy as np

# Two layers of water between molecules that point at each other.
_GAP_NM = 0.5
_STIFFNESS_KJ_PER_MOL_NM2 = 500.0
# Copies need room to pass each other: lattice sites are this much farther apart than the contact distance.
_LEAST_ROOM = 1.3
_OCTAHEDRON_VOLUME = 4 * 3**0.5 / 9  # of width 1


def contact_distance(radius_nm: float) -> float:
    """Distance of two centres, nm, below which they repel, for molecules of a radius about their centre."""
    return 2 * radius_nm + _GAP_NM


def cell_edge(width_nm: float, contact_nm: float) -> float:
    """Edge of the cube, nm, that a copy begins in: the volume of a truncated octahedron of this width, or
    more.
    """
    return max(width_nm * _OCTAHEDRON_VOLUME ** (1 / 3), _LEAST_ROOM * contact_nm)


def lattice(copies: int, edge_nm: float) -> tuple[np.ndarray, np.ndarray]:
    """Sites (copies, 3), nm, one in each cell of the most cube-like box of as many cells, and the box's edges
    (3,), nm.
    """
    counts = min(
        (
            (nx, ny, copies // (nx * ny))
            for nx in range(1, copies + 1)
            for ny in range(1, copies // nx + 1)
            if copies % (nx * ny) == 0
        ),
        key=lambda shape: (sum(shape), shape),
    )
    cells = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 3)
    return (cells + 0.5) * edge_nm, np.array(counts) * edge_nm


def random_rotation(generator: np.random.Generator) -> np.ndarray:
    """A rotation matrix (3, 3), drawn uniformly."""
    matrix, upper = np.linalg.qr(generator.normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(upper))
    return matrix * np.linalg.det(matrix)


def repulsion(copies: int, atoms: int, contact_nm: float):
    """A force between the centres of mass of every two copies, zero beyond `contact_nm`, harmonic within.

    Acting on centres of mass, it accelerates all atoms of a copy alike and leaves its internal motion alone.

    Parameters
    ----------
    copies : of `atoms` atoms each, the first particles of the System
    """
    import openmm

    force = openmm.CustomCentroidBondForce(
        2, f"0.5*{_STIFFNESS_KJ_PER_MOL_NM2!r}*max(0, {contact_nm!r}-distance(g1,g2))^2"
    )
    for copy in range(copies):
        force.addGroup(range(copy * atoms, (copy + 1) * atoms))
    for first in range(copies):
        for second in range(first):
            force.addBond([second, first], [])
    force.setUsesPeriodicBoundaryConditions(True)
    return force
