"""Neighbours in periodic cells of any shape, as a table of equal rows."""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Who is near whom.

    Attributes
    ----------
    indices : (N, K) int64; the atom itself where there is no further neighbour
    present : (N, K) float32, 1 where there is a neighbour, else 0
    separations : (N, K, 3) float32, vectors to the neighbours; zeros where there is none
    """

    indices: np.ndarray
    present: np.ndarray
    separations: np.ndarray


def find_neighbours(positions: np.ndarray, cell: np.ndarray, periodic, cutoff: float) -> Neighbours:
    """All pairs within the cutoff, by a cell list: time and memory grow linearly with the number of atoms.

    Parameters
    ----------
    positions : (N, 3) float64;  cell : (3, 3), rows are the vectors;  periodic : three bools
    cutoff : float, in the unit of the positions
    """
    first, second, vectors = _pairs(positions, cell, periodic, cutoff, True, "ijD")
    return as_table(first.astype(np.int64), second.astype(np.int64), vectors, len(positions))


def pair_distances(
    positions: np.ndarray, cell: np.ndarray, periodic, cutoff: float
) -> tuple[np.ndarray, np.ndarray]:
    """First atom (P,) and distance (P,) of all pairs within the cutoff, each once from either side; arguments
    as `find_neighbours`.
    """
    first, distances = _pairs(positions, cell, periodic, cutoff, True, "id")
    return first.astype(np.int64), distances


def closest_distances(positions: np.ndarray, cell: np.ndarray, periodic) -> np.ndarray:
    """Distance (N,) of every atom to the closest other one, infinite where there is none; as
    `find_neighbours`.
    """
    extent = np.ptp(positions, axis=0)
    volume = abs(np.linalg.det(cell)) if all(periodic) else np.prod(np.maximum(extent, 1e-3 * extent.max()))
    reach = 1.3 * np.cbrt(volume / len(positions))
    for _ in range(8):
        first, distances = pair_distances(positions, cell, periodic, reach)
        closest = np.full(len(positions), np.inf)
        np.minimum.at(closest, first, distances)
        # Half of the atoms suffice: a vapour atom has no neighbour anywhere near.
        if np.isfinite(closest).mean() > 0.5:
            return closest
        reach *= 1.4
    return closest


def as_table(first: np.ndarray, second: np.ndarray, vectors: np.ndarray, n_atoms: int) -> Neighbours:
    """Pairs (P,), (P,), (P, 3), both directions listed, as a table with one row per atom."""
    counts = np.bincount(first, minlength=n_atoms)
    width = max(1, int(counts.max(initial=0)))
    order = np.argsort(first, kind="stable")
    rows = first[order]
    columns = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    indices = np.repeat(np.arange(n_atoms)[:, None], width, axis=1)
    indices[rows, columns] = second[order]
    present = np.zeros((n_atoms, width), dtype=np.float32)
    present[rows, columns] = 1.0
    separations = np.zeros((n_atoms, width, 3), dtype=np.float32)
    separations[rows, columns] = vectors[order]
    return Neighbours(indices, present, separations)


def _pairs(positions, cell, periodic, cutoff: float, full: bool, quantities: str):
    return (
        _vesin()
        .NeighborList(cutoff=float(cutoff), full_list=full)
        .compute(
            points=np.ascontiguousarray(positions, dtype=np.float64),
            box=np.ascontiguousarray(cell, dtype=np.float64),
            periodic=np.asarray(periodic, dtype=bool),
            quantities=quantities,
        )
    )


def _vesin():
    try:
        import vesin
    except ImportError:
        raise MissingDependencyError(
            "find_neighbours: the neighbour list is vesin's, which is not installed; expected vesin, found"
            " none; install it with pip install 'openmm-scoredyn[denoise]'."
        ) from None
    return vesin
