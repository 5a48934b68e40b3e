"""How many separate times each basin was visited."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import CORES
from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.kinetics import core_statistics

# Cores that lie inside another are no neighbours of it.
_NEIGHBOURS = {
    "beta": ("alpha_R", "phi>0"),
    "alpha_R": ("beta", "phi>0"),
    "phi>0": ("beta", "alpha_R"),
    "alpha_L": ("beta", "alpha_R", "C7ax"),
    "C7ax": ("beta", "alpha_R", "alpha_L"),
}


def visits(trajectories: Sequence[np.ndarray], blocks: Blocks) -> dict[str, int]:
    """Entries or exits of the core of each basin, whichever are more, by name; 1 for a core that was never
    left.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad
    """
    result = {}
    for basin, others in _NEIGHBOURS.items():
        statistics = core_statistics(trajectories, blocks, [CORES[basin]], [CORES[name] for name in others])
        time, _, left, entered = statistics.sum(axis=0)
        result[basin] = max(int(time > 0), int(left), int(entered))
    return result
