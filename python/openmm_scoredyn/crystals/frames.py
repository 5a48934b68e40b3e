"""What is checked before a frame is denoised."""

import numpy as np

from openmm_scoredyn.crystals.lattices import face_distances
from openmm_scoredyn.errors import DenoisingError

# Closer than this part of the nearest-neighbour distance two atoms overlap; in a liquid they come to about
# 0.75.
OVERLAP = 0.4


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
