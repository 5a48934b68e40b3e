"""Iterations of the network: noise off a frame, until atoms settle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import DenoisingError

# An iteration that moves atoms by less than this part of the nearest-neighbour distance in the mean is the
# last: thermal noise is gone then, and what more iterations smooth away is the strain around defects,
# dislocations above all.
SETTLED = 0.01
# No atom is moved further than this number of standard deviations per coordinate of the largest noise in
# training. Of the noise itself one atom in 65,000 is further away; of metals at melting, whose noise is two
# thirds of that, none.
FURTHEST = 5.0
# Mean length of a vector of three normal numbers: what moved further in the mean held more than noise.
MEAN_LENGTH = (8 / np.pi) ** 0.5


@dataclass(frozen=True, eq=False)
class DenoisedFrame:
    """A frame without thermal noise.

    Attributes
    ----------
    positions : (N, 3) float64, nm, each atom moved from where it was given, not wrapped
    spacing_nm : float, nearest-neighbour distance that was used
    moved_nm : float, mean distance an atom was moved
    furthest_nm : float, largest distance an atom was moved
    last_move_nm : float, mean distance of the last iteration; small if more would change nothing
    iterations : int, how many were done
    beyond_heat : bool
        Atoms would have moved further than the largest noise in training can: they were held, or the mean is
        larger than that of noise. The frame is molten, or of a lattice that the model does not know.
    """

    positions: np.ndarray
    spacing_nm: float
    moved_nm: float
    furthest_nm: float
    last_move_nm: float
    iterations: int
    beyond_heat: bool


def iterate(
    predict: Callable[..., np.ndarray],
    frame: np.ndarray,
    mask: np.ndarray,
    spacing: float,
    sigma_max: float,
    rounds: int,
    settled: float,
) -> DenoisedFrame:
    """The frame without noise.

    Parameters
    ----------
    predict : called with positions (N, 3), `spacing` and `check`, whether to look for atoms that overlap;
    gives displacements
        (N, 3) from the lattice
    frame : (N, 3) nm, left as it is
    mask : (N,) bool, the atoms to be moved
    spacing : nearest-neighbour distance, nm
    sigma_max : largest noise per coordinate in training, in nearest-neighbour distances
    rounds : the most iterations
    settled : the mean distance, in nearest-neighbour distances, below which an iteration is the last

    Raises
    ------
    DenoisingError
        If a displacement is not finite, and what `predict` raises.
    """
    total = np.zeros_like(frame)
    moves: list[float] = []
    limit, held = FURTHEST * sigma_max * spacing, False
    for index in range(rounds):
        step = predict(frame + total, spacing=spacing, check=index == 0)
        if not np.isfinite(step).all():
            raise DenoisingError(
                "denoise: the network gave no finite displacement; expected numbers, found NaN; check the"
                " model."
            )
        before = total[mask]
        after = before - step[mask]
        lengths = np.linalg.norm(after, axis=1)
        held = bool((lengths > limit).any())
        total[mask] = after * np.minimum(1.0, limit / np.maximum(lengths, limit))[:, None]
        moves.append(float(np.linalg.norm(total[mask] - before, axis=1).mean()))
        if moves[-1] < settled * spacing:
            break
    distances = np.linalg.norm(total[mask], axis=1)
    mean = float(distances.mean())
    beyond = held or mean > MEAN_LENGTH * sigma_max * spacing
    return DenoisedFrame(frame + total, spacing, mean, float(distances.max()), moves[-1], len(moves), beyond)
