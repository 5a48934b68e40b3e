"""Transition paths between core sets: how long they take, and over which saddle they go."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import CORES, Basin, core_labels, last_visits
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate, standard_error
from openmm_scoredyn.comparison.kinetics import PASSAGES

# The gaps between the cores, through which a path must go: either side of the circle.
PSI_SADDLES = (
    Basin("psi ~ 60", (-180.0, 0.0), (10.0, 110.0)),
    Basin("psi ~ -110", (-180.0, 0.0), (-150.0, -70.0)),
)
PHI_SADDLES = (
    Basin("phi ~ 0", (-30.0, 20.0), (-180.0, 180.0)),
    Basin("phi ~ 130", (110.0, 180.0), (-180.0, 180.0)),
)
ROUTES = {
    "beta -> alpha_R": PSI_SADDLES,
    "alpha_R -> beta": PSI_SADDLES,
    "into phi>0": PHI_SADDLES,
    "out of phi>0": PHI_SADDLES,
}
UNSEEN = "between two frames"


def find_paths(core: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Last frames in the source before, and first frames in the target after each passage: two (P,) int
    arrays.

    Parameters
    ----------
    core : (T,) int, 0 in the source, 1 in the target, 2 in another core, which ends a path, -1 in none;
    trajectories one
        after the other
    """
    last = last_visits(core, blocks.trajectory_starts)
    before, after = blocks.lagged_pairs(1)
    passes = (core[last[before]] == 0) & (core[after] == 1)
    return last[before[passes]], after[passes]


def routes_of(
    angles: np.ndarray, starts: np.ndarray, ends: np.ndarray, saddles: Sequence[Basin]
) -> np.ndarray:
    """Index of the saddle in which each path was last seen between its ends, -1 for a path seen in none, (P,)
    int.
    """
    index = np.arange(len(angles))
    last = np.stack(
        [np.maximum.accumulate(np.where(saddle.contains(angles), index, -1)) for saddle in saddles]
    )
    # The frame before the end: where that is the start itself, nothing of the path was seen.
    seen = last[:, ends - 1]
    return np.where(seen.max(axis=0) > starts, seen.argmax(axis=0), -1)


def transition_paths(
    trajectories: Sequence[np.ndarray], frame_spacing_ps: float, blocks: Blocks | None = None, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Duration and mechanism of the transition paths of each passage in `ROUTES`.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad

    Returns
    -------
    dict by passage of dicts: "path time", ps, from the last frame in the source to the first in the target;
    and for each saddle, by its name, the share of paths that were last seen in it, with the share seen in
    none as `UNSEEN`. `samples` is the number of paths; NaN where there was none.

    Notes
    -----
    Both are of the frames: a path cannot be shorter than their spacing. The error of a share is at least that
    of so many independent paths, and so is that of a time with fewer than ten.
    """
    blocks = blocks or cut(trajectories)
    angles = np.concatenate(trajectories)
    result = {}
    for passage, saddles in ROUTES.items():
        source, target = ([CORES[name] for name in names] for names in PASSAGES[passage])
        core = core_labels(angles, source, target)
        core[(core < 0) & CORES["phi>0"].contains(angles)] = 2
        starts, ends = find_paths(core, blocks)
        route = routes_of(angles, starts, ends, saddles)
        times = (ends - starts) * frame_spacing_ps
        members = np.stack([times, *(route == k for k in range(len(saddles))), route == -1], axis=1).astype(
            float
        )
        result[passage] = dict(
            zip(
                ("path time", *(saddle.name for saddle in saddles), UNSEEN),
                _means(members, starts, blocks, seed),
                strict=True,
            )
        )
    return result


def _means(values: np.ndarray, frames: np.ndarray, blocks: Blocks, seed: int) -> list[Estimate]:
    """Mean over paths of each column of (P, K) values; a path belongs to the block of its frame."""
    events = len(values)
    if events == 0:
        return [Estimate(float("nan"), float("nan"), 0.0)] * values.shape[1]
    mean, error = standard_error(
        blocks.sums_at(frames, *values.T), lambda s: s[..., :-1] / s[..., -1:], blocks, seed
    )
    # A share can be 0 or 1 in all blocks without being certain.
    least = _spread_of_one(values) / np.sqrt(events)
    if events >= FEW_EVENTS:
        least[0] = 0.0
    error = np.fmax(error, least)
    return [Estimate(float(m), float(e), float(events)) for m, e in zip(mean, error, strict=True)]


def _spread_of_one(values: np.ndarray) -> np.ndarray:
    """Standard deviation of one path: of times as if they were exponential; of shares with one path more of
    each kind, so that three of three are no certainty."""
    number = len(values)
    times = values[:, :1].mean(axis=0)
    share = (values[:, 1:].sum(axis=0) + 1.0) / (number + 2.0)
    return np.concatenate([times, np.sqrt(share * (1.0 - share))])
