"""Free-energy differences between basins."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import BASINS
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate, standard_error
from openmm_scoredyn.comparison.visits import visits
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

ZERO = "beta"


def free_energies(
    trajectories: Sequence[np.ndarray],
    temperature_K: float,
    blocks: Blocks | None = None,
    seed: int = 0,
    visited: dict[str, int] | None = None,
) -> dict[str, Estimate]:
    """Free energy of each basin relative to beta, -R T ln(p / p_beta).

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad, unsteered
    blocks, visited : as in `populations`

    Returns
    -------
    dict of Estimate, kJ/mol, by "basin - beta"; `samples` is the number of separate visits to the rarer of
    the two. NaN where one of them was never visited.

    Notes
    -----
    With fewer than ten visits the bootstrap does not see their scatter. The error is then at least that of so
    many visits with exponential stays, R T sqrt(2 / visits).
    """
    blocks = blocks or cut(trajectories)
    angles = np.concatenate(trajectories)
    others = [basin for basin in BASINS if basin.name != ZERO]
    zero = next(basin for basin in BASINS if basin.name == ZERO)
    inside = np.stack([basin.contains(angles) for basin in (*others, zero)], axis=1)
    scale = GAS_CONSTANT_KJ_PER_MOL_K * temperature_K
    value, error = standard_error(
        blocks.sum(inside), lambda s: -scale * np.log(s[..., :-1] / s[..., -1:]), blocks, seed
    )
    visited = visited or visits(trajectories, blocks)
    result = {}
    for basin, v, e in zip(others, value, error, strict=True):
        name = f"{basin.name} - {ZERO}"
        if not np.isfinite(v):
            result[name] = Estimate(float("nan"), float("nan"), 0.0)
            continue
        # Exchanges among the wells of phi > 0 are many; how often that side is visited at all is what limits
        # both.
        limiting = [ZERO, basin.name, *(["phi>0"] if basin.name in ("alpha_L", "C7ax") else [])]
        # A basin whose core was never reached, only its rim, counts as one visit.
        events = max(1, min(visited[name] for name in limiting))
        floor = scale * np.sqrt(2.0 / events) if events < FEW_EVENTS else 0.0
        result[name] = Estimate(float(v), float(np.fmax(e, floor)), float(events))
    return result
