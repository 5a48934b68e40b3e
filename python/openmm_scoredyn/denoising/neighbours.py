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
    calculator = _vesin().NeighborList(cutoff=float(cutoff), full_list=True)
    first, second, vectors = calculator.compute(
        points=np.ascontiguousarray(positions, dtype=np.float64),
        box=np.ascontiguousarray(cell, dtype=np.float64),
        periodic=np.asarray(periodic, dtype=bool),
        quantities="ijD",
    )
    return as_table(first.astype(np.int64), second.astype(np.int64), vectors, len(positions))


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


def _vesin():
    try:
        import vesin
    except ImportError:
        raise MissingDependencyError(
            "find_neighbours: the neighbour list is vesin's, which is not installed; expected vesin, found none; "
            "install it with pip install 'openmm-scoredyn[denoise]'."
        ) from None
    return vesin
