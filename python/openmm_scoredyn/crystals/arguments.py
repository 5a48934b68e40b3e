"""What is checked before a frame is denoised: its atoms, its cell, and what was asked for."""

import math
from numbers import Real

import numpy as np

from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.crystals.lattices import face_distances
from openmm_scoredyn.errors import DenoisingError

# Closer than this part of the nearest-neighbour distance two atoms overlap; in a liquid the least is about
# 0.75.
OVERLAP = 0.4
MAX_ITERATIONS = 100


def as_frame(positions) -> np.ndarray:
    """Positions (N, 3) as float64.

    Raises
    ------
    DenoisingError
        If the shape is another, a number is not finite, or there are fewer than two atoms.
    """
    frame = np.array(positions, dtype=np.float64)
    if frame.ndim != 2 or frame.shape[1] != 3:
        raise DenoisingError(
            f"denoise: the positions have the wrong shape; expected (N, 3), found {frame.shape}; give one"
            " frame."
        )
    if len(frame) < 2:
        raise DenoisingError(
            f"denoise: there is nothing to denoise; expected two atoms or more, found {len(frame)}; give a"
            " crystal."
        )
    bad = np.flatnonzero(~np.isfinite(frame).all(axis=1))
    if len(bad):
        raise DenoisingError(
            f"denoise: {len(bad)} atoms are nowhere; expected finite positions, found {frame[bad[0]]} for"
            f" atom {bad[0]} (0-based); leave such frames out."
        )
    return frame


def as_cell(box, periodic) -> tuple[np.ndarray, np.ndarray]:
    """Box vectors (3, 3) as float64 rows, and which of them are periodic as three bools.

    Raises
    ------
    DenoisingError
        If a periodic direction has no vector, or the vectors lie in a plane.
    """
    directions = np.broadcast_to(np.asarray(periodic, dtype=bool), 3).copy()
    cell = np.zeros((3, 3)) if box is None else np.array(box, dtype=np.float64)
    if cell.shape == (3,):
        cell = np.diag(cell)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise DenoisingError(
            "denoise: the box is not valid; expected three finite vectors as rows of (3, 3), found"
            f" {cell.shape} with {int(np.isfinite(cell).sum())} finite numbers; correct it."
        )
    if not directions.any():
        return np.zeros((3, 3)), directions
    if (np.linalg.norm(cell[directions], axis=1) == 0).any():
        raise DenoisingError(
            "denoise: there is no cell; expected a vector for every periodic direction, found zeros; give the"
            " box, or say that the system is not periodic."
        )
    for index in np.flatnonzero(~directions):
        # Only the periodic vectors matter; what completes them must merely not be parallel to them.
        cell[index] = np.linalg.svd(np.delete(cell, index, axis=0))[2][-1]
    if abs(np.linalg.det(cell)) < 1e-6 * np.prod(np.linalg.norm(cell, axis=1)):
        raise DenoisingError(
            f"denoise: the box vectors lie in one plane; expected a volume, found {cell.tolist()}; correct"
            " the box."
        )
    return cell, directions


def check_cell_width(cell: np.ndarray, periodic: np.ndarray, reach_nm: float) -> None:
    """Refuse a cell in which an atom would see its own images.

    Parameters
    ----------
    cell : (3, 3) nm;  periodic : three bools;  reach_nm : cutoff of the model
    """
    if not periodic.any():
        return
    widths = face_distances(cell)[periodic]
    if widths.min() < reach_nm:
        raise DenoisingError(
            f"denoise: the cell is thinner than the model's cutoff; expected at least {reach_nm:.3g} nm"
            f" between opposite faces, found {widths.min():.3g}; repeat the cell."
        )


def check_overlaps(separations: np.ndarray, present: np.ndarray, spacing_nm: float) -> None:
    """Refuse atoms that lie on top of each other; `separations`, nm, and `present` as `Neighbours`."""
    lengths = np.where(present > 0, np.linalg.norm(separations, axis=-1), np.inf)
    closest = lengths.min(axis=1)
    atom = int(closest.argmin())
    if closest[atom] < OVERLAP * spacing_nm:
        raise DenoisingError(
            f"denoise: {int((closest < OVERLAP * spacing_nm).sum())} atoms overlap; expected no distance"
            f" below {OVERLAP * spacing_nm:.3g} nm, found {closest[atom]:.3g} for atom {atom} (0-based);"
            " check the cell, or give the nearest-neighbour distance yourself."
        )


def checked_iterations(value) -> int:
    """Number of iterations; raises DenoisingError if it is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= int(value) <= MAX_ITERATIONS:
        raise DenoisingError(
            f"denoise: the number of iterations is not valid; expected an integer from 1 to {MAX_ITERATIONS},"
            f" found {value!r}; leave it out to stop when atoms settle."
        )
    return int(value)


def checked_spacing(value) -> float | None:
    """Nearest-neighbour distance or None; raises DenoisingError if it is no length."""
    if value is None:
        return None
    if not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise DenoisingError(
            "denoise: the nearest-neighbour distance is not valid; expected a positive number of nm, found "
            f"{value!r}; leave it out to measure it."
        )
    return float(value)


def as_mask(selection, n_atoms: int) -> np.ndarray:
    """Truth values (N,) of a selection, all true for None; raises DenoisingError if it does not fit, or holds
    no atom.
    """
    mask = np.ones(n_atoms, dtype=bool)
    if selection is None:
        return mask
    chosen = np.asarray(selection)
    truths = chosen.dtype == bool and chosen.shape == (n_atoms,)
    if chosen.size == 0 or (truths and not chosen.any()):
        raise DenoisingError(
            "denoise: the selection is empty; expected at least one atom, found none; leave it out to denoise"
            " all atoms."
        )
    if truths:
        return chosen
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= n_atoms:
        raise DenoisingError(
            f"denoise: the selection does not fit; expected {n_atoms} truth values or indices from 0 to"
            f" {n_atoms - 1}, found {chosen.dtype} of shape {chosen.shape}; correct it."
        )
    mask[:] = False
    mask[chosen] = True
    return mask


def as_kinds(elements, n_atoms: int, card: DenoiserCard) -> np.ndarray:
    """Species (N,) int64 of chemical symbols, in the numbers of the model; zeros where all atoms are alike to
    it.

    Raises
    ------
    DenoisingError
        If the model needs symbols and there is not one per atom, or it does not know one of them.
    """
    known = card.elements
    if not known:
        return np.zeros(n_atoms, dtype=np.int64)
    if elements is None or len(elements) != n_atoms:
        raise DenoisingError(
            f"denoise: the model {card.name} tells elements apart; expected {n_atoms} chemical symbols, found"
            f" {'none' if elements is None else len(elements)}; give elements=."
        )
    unknown = sorted(set(elements) - set(known))
    if unknown:
        raise DenoisingError(
            f"denoise: the model {card.name} does not know {', '.join(unknown)}; expected atoms of "
            f"{', '.join(known)} only; train a model for this crystal."
        )
    return np.array([known.index(element) for element in elements], dtype=np.int64)
