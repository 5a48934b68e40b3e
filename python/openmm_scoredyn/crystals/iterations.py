"""Iterations of the network: noise off a frame, until atoms settle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import DenoisingError

# An iteration that moves atoms by less than this part of the nearest-neighbour distance in the mean is the
# last: thermal noise is gone then, and what more iterations smooth away is the strain around defects,
# dislocations above all.
SETTLED = 0.01


@dataclass(frozen=True, eq=False)
class DenoisedFrame:
    """A frame without thermal noise.

    Attributes
    ----------
    positions : (N, 3) float64, nm, each atom moved from where it was given, not wrapped
    spacing_nm : float, nearest-neighbour distance that was used
    moved_nm : float, mean distance an atom was moved
    last_move_nm : float, mean distance of the last iteration; small if more would change nothing
    iterations : int, how many were done
    """

    positions: np.ndarray
    spacing_nm: float
    moved_nm: float
    last_move_nm: float
    iterations: int


def iterate(
    predict: Callable[..., np.ndarray],
    frame: np.ndarray,
    mask: np.ndarray,
    spacing: float,
    rounds: int,
    settled: float,
) -> tuple[np.ndarray, list[float]]:
    """Positions (N, 3) without noise, and the mean distance that each iteration moved atoms by.

    Parameters
    ----------
    predict : called with positions (N, 3), `spacing` and `check`, whether to look for atoms that overlap;
    gives displacements
        (N, 3) from the lattice
    frame : (N, 3), left as it is, any unit
    mask : (N,) bool, the atoms to be moved
    spacing : nearest-neighbour distance, in the unit of the frame
    rounds : the most iterations
    settled : the mean distance, in nearest-neighbour distances, below which an iteration is the last

    Raises
    ------
    DenoisingError
        If a displacement is not finite, and what `predict` raises.
    """
    clean = frame.copy()
    moves: list[float] = []
    for index in range(rounds):
        step = predict(clean, spacing=spacing, check=index == 0)
        if not np.isfinite(step).all():
            raise DenoisingError(
                "denoise: the network gave no finite displacement; expected numbers, found NaN; check the"
                " model."
            )
        clean[mask] -= step[mask]
        moves.append(float(np.linalg.norm(step[mask], axis=1).mean()))
        if moves[-1] < settled * spacing:
            break
    return clean, moves
