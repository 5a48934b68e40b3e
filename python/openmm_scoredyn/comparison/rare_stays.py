"""Stays at phi > 0 that are so few that the bootstrap over blocks of time would not see their scatter."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import CORES, core_labels, milestones
from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS


def stays(trajectories: Sequence[np.ndarray]) -> np.ndarray:
    """Every stay at phi > 0 of lists of (T, 2) phi and psi, rad: its first frame and the first after it, (n,
    2) int64.

    A stay lasts from the first frame in the core until the first in another; frames are counted over all
    trajectories.
    """
    lengths = [len(trajectory) for trajectory in trajectories]
    starts = np.cumsum([0, *lengths[:-1]])
    core = core_labels(np.concatenate(trajectories), [CORES["beta"], CORES["alpha_R"]], [CORES["phi>0"]])
    inside = milestones(core, starts) == 1
    before = np.append(False, inside[:-1])
    before[starts] = False
    after = np.append(inside[1:], False)
    after[np.cumsum(lengths) - 1] = False
    return np.stack([np.flatnonzero(inside & ~before), np.flatnonzero(inside & ~after) + 1], axis=1)


def rare_stays(trajectories: Sequence[np.ndarray]) -> np.ndarray:
    """`stays` where there are fewer than ten that take less than half of the time; else none, (0, 2)."""
    found = stays(trajectories)
    share = np.diff(found).sum() / sum(map(len, trajectories))
    return found if len(found) < FEW_EVENTS and share < 0.5 else found[:0]
