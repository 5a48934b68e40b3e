"""Basins of the Ramachandran plane and their cores: where they lie, and which one a molecule was last in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Basin:
    """A rectangle of the periodic (phi, psi) plane.

    Attributes
    ----------
    name : str
    phi, psi : (low, high) in degrees, low < high <= low + 360; a range may pass through 180
    """

    name: str
    phi: tuple[float, float]
    psi: tuple[float, float]

    def contains(self, angles: np.ndarray) -> np.ndarray:
        """Which of the angles (T, 2), rad, lie inside, (T,) bool."""
        degrees = np.degrees(angles)
        inside = np.ones(len(degrees), dtype=bool)
        for column, (low, high) in enumerate((self.phi, self.psi)):
            inside &= np.mod(degrees[:, column] - low, 360.0) < high - low
        return inside


# Populations. phi > 0 ends at 130 degrees: beyond lies the far side of the beta basin, which wraps around at
# 180. It has two wells, parted where the density has its minima, near psi = -105 and 110 degrees: alpha_L,
# and another about psi = 180, called C7ax here. (The C7ax of the gas phase, near (75, -65), is a shoulder of
# alpha_L in solution and no well.)
BASINS = (
    Basin("beta", (-180.0, 0.0), (110.0, 210.0)),
    Basin("alpha_R", (-180.0, 0.0), (-70.0, 10.0)),
    Basin("phi>0", (0.0, 130.0), (-180.0, 180.0)),
    Basin("alpha_L", (0.0, 130.0), (-105.0, 110.0)),
    Basin("C7ax", (0.0, 130.0), (110.0, 255.0)),
)

# Kinetics. Cores keep away from the barriers at phi = 0 and 130 degrees, and a molecule belongs to the core
# it was last in: a frame on a barrier is not a crossing.
CORES = {
    "beta": Basin("beta", (-180.0, -30.0), (110.0, 210.0)),
    "alpha_R": Basin("alpha_R", (-180.0, -30.0), (-70.0, 10.0)),
    "phi>0": Basin("phi>0", (20.0, 110.0), (-180.0, 180.0)),
    "alpha_L": Basin("alpha_L", (20.0, 110.0), (-30.0, 80.0)),
    "C7ax": Basin("C7ax", (20.0, 110.0), (140.0, 230.0)),
}

# The basins whose passage times are given one by one; beta is beta and polyproline II together.
MAIN_BASINS = ("beta", "alpha_R", "alpha_L", "C7ax")
PAIRS = tuple((source, target) for source in MAIN_BASINS for target in MAIN_BASINS if source != target)


def core_labels(angles: np.ndarray, source: Sequence[Basin], target: Sequence[Basin]) -> np.ndarray:
    """Core of each frame of angles (T, 2), rad: 0 in the source, 1 in the target, -1 in neither, (T,) int."""
    core = np.full(len(angles), -1)
    for label, members in enumerate((source, target)):
        for basin in members:
            core[basin.contains(angles)] = label
    return core


def milestones(core: np.ndarray, trajectory_starts: np.ndarray) -> np.ndarray:
    """The core each frame was last in, (T,) int; -1 before a trajectory's first visit to any core. As
    `last_visits`.
    """
    return core[last_visits(core, trajectory_starts)]


def last_visits(core: np.ndarray, trajectory_starts: np.ndarray) -> np.ndarray:
    """The last frame, up to each, that lies in a core, (T,) int; before there is one, the first of the
    trajectory.

    Parameters
    ----------
    core : (T,) int, the core a frame lies in, -1 for none; trajectories one after the other
    trajectory_starts : first frame of each trajectory
    """
    visited = np.where(core >= 0, np.arange(len(core)), -1)
    # A trajectory's first frame always resets the memory, inside a core or not.
    visited[trajectory_starts] = trajectory_starts
    return np.maximum.accumulate(visited)
