"""How much of the time is spent in each basin."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import BASINS
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate, standard_error
from openmm_scoredyn.comparison.visits import visits


def populations(
    trajectories: Sequence[np.ndarray],
    blocks: Blocks | None = None,
    seed: int = 0,
    visited: dict[str, int] | None = None,
) -> dict[str, Estimate]:
    """Fraction of frames in each basin of `BASINS`.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad, unsteered
    blocks : as `cut(trajectories)` gives them, the default
    visited : as `visits(trajectories, blocks)` counts them, the default

    Returns
    -------
    dict of Estimate by basin name, dimensionless; `samples` is the number of separate visits

    Notes
    -----
    With fewer than ten visits the error is at least that of so many visits with exponential stays and waits,
    p (1 - p) sqrt(2 / visits).
    """
    blocks = blocks or cut(trajectories)
    angles = np.concatenate(trajectories)
    inside = np.stack([basin.contains(angles) for basin in BASINS] + [np.ones(len(angles))], axis=1)
    value, error = standard_error(
        blocks.sum(inside), lambda sums: sums[..., :-1] / sums[..., -1:], blocks, seed
    )
    visited, result = visited or visits(trajectories, blocks), {}
    for basin, p, e in zip(BASINS, value, error, strict=True):
        number = visited[basin.name]
        least = p * (1.0 - p) * np.sqrt(2.0 / number) if 0 < number < FEW_EVENTS else 0.0
        result[basin.name] = Estimate(float(p), float(np.fmax(e, least)), float(number))
    return result
