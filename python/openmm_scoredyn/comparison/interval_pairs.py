"""Pairs of frames one interval apart, counted by the states and by the bins of angles that they lead from and
to.
"""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.basins import BASINS
from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.series import DihedralSeries

ANGLE_BINS = 18
STATES = (*(basin for basin in BASINS if basin.name in ("beta", "alpha_R", "phi>0")),)
NAMES = (*(basin.name for basin in STATES), "elsewhere")


@dataclass(frozen=True)
class IntervalPairs:
    """Counts of one side.

    Attributes
    ----------
    lag : frames of the interval, by which pairs overlap
    spacing_ps : between frames
    blocks : Blocks
    states : (n_blocks, K^2) pairs of `NAMES`
    angles : by angle, (n_blocks, ANGLE_BINS^2) pairs of its bins
    """

    lag: int
    spacing_ps: float
    blocks: Blocks
    states: np.ndarray
    angles: dict[str, np.ndarray]

    @property
    def length_ps(self) -> float:
        """Time that pairs begin in, if none was left out."""
        return float(self.states.sum()) * self.spacing_ps


def count_pairs(series: DihedralSeries, blocks: Blocks, lag: int, every: int = 1) -> IntervalPairs:
    """Count the pairs that end at every so many frames of a trajectory.

    Parameters
    ----------
    blocks : of the series; a pair belongs to the block that it ends in
    lag : frames of the interval
    every : frames; more than one to see as few pairs as a series of a wider spacing holds
    """
    angles = np.concatenate(series.angles)
    state = np.full(len(angles), len(STATES))
    for index, basin in enumerate(STATES):
        state[basin.contains(angles)] = index
    cells = np.floor((angles / (2 * np.pi) + 0.5) * ANGLE_BINS).astype(np.int64) % ANGLE_BINS
    earlier, later = blocks.lagged_pairs(lag)
    first = np.repeat(blocks.trajectory_starts, blocks.lengths)
    seen = (later - first[later]) % every == 0
    earlier, later = earlier[seen], later[seen]

    def count(labels: np.ndarray, number: int) -> np.ndarray:
        return blocks.count(later, labels[earlier] * number + labels[later], number**2)

    return IntervalPairs(
        lag=lag,
        spacing_ps=series.frame_spacing_ps,
        blocks=blocks,
        states=count(state, len(NAMES)),
        angles={angle: count(cells[:, k], ANGLE_BINS) for k, angle in enumerate(("phi", "psi"))},
    )
