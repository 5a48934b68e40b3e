"""Crossings between core sets: rates and mean first passage times."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.basins import CORES, PAIRS, Basin, core_labels, milestones
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate, standard_error

PS_PER_NS = 1000.0

# Four by name, then every ordered pair of main basins.
PASSAGES = {
    "beta -> alpha_R": (("beta",), ("alpha_R",)),
    "alpha_R -> beta": (("alpha_R",), ("beta",)),
    "into phi>0": (("beta", "alpha_R"), ("phi>0",)),
    "out of phi>0": (("phi>0",), ("beta", "alpha_R")),
}
PASSAGES |= {f"{source} -> {target}": ((source,), (target,)) for source, target in PAIRS}


def core_statistics(
    trajectories: Sequence[np.ndarray], blocks: Blocks, source: Sequence[Basin], target: Sequence[Basin]
) -> np.ndarray:
    """Time and crossings of the two-state process "was last in source" / "was last in target".

    Returns
    -------
    (n_blocks, 4) float64: frames spent in source, frames spent in target, crossings source -> target, and
    back
    """
    state = milestones(core_labels(np.concatenate(trajectories), source, target), blocks.trajectory_starts)
    before, after = blocks.lagged_pairs(1)
    assigned = state[before] >= 0
    before, after = before[assigned], after[assigned]
    pairs = blocks.count(before, 2 * state[before] + state[after], 4)
    return np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 2] + pairs[:, 3], pairs[:, 1], pairs[:, 2]], axis=1)


def _rate(statistics: np.ndarray, ratio, blocks: Blocks, events: float, seed: int) -> tuple[float, float]:
    """A rate per frame and its standard error, with the Poisson error as the least where events are few."""
    value, error = (float(result[0]) for result in standard_error(statistics, ratio, blocks, seed))
    if events < FEW_EVENTS:
        poisson = value / np.sqrt(events) if events else float("nan")
        error = poisson if np.isnan(error) else max(error, poisson) if events else poisson
    return value, error


def crossing_rate(
    trajectories: Sequence[np.ndarray],
    frame_spacing_ps: float,
    blocks: Blocks | None = None,
    between: tuple[str, str] = ("beta", "alpha_R"),
    cores: dict[str, Basin] = CORES,
    seed: int = 0,
) -> Estimate:
    """Crossings between two cores, both directions together, per nanosecond of trajectory.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad
    frame_spacing_ps : ps between frames

    Returns
    -------
    Estimate, 1/ns
    """
    blocks = blocks or cut(trajectories)
    statistics = core_statistics(trajectories, blocks, *([cores[name]] for name in between))
    events = float(statistics[:, 2:].sum())
    value, error = _rate(
        statistics, lambda s: (s[..., 2] + s[..., 3]) / (s[..., 0] + s[..., 1]), blocks, events, seed
    )
    per_ns = PS_PER_NS / frame_spacing_ps
    return Estimate(value * per_ns, error * per_ns, events)


def first_passage_times(
    trajectories: Sequence[np.ndarray],
    frame_spacing_ps: float,
    blocks: Blocks | None = None,
    cores: dict[str, Basin] = CORES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mean first passage times between core sets.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad
    frame_spacing_ps : ps between frames

    Returns
    -------
    dict of Estimate by passage, ns; `samples` is the number of passages. Where that is 0 the value is a lower
    bound, the time waited in vain, and the error infinite; NaN if the source was never visited.

    Notes
    -----
    Total time spent "last in the source" over the number of passages: the mean over complete waits, and the
    maximum likelihood estimate of an exponential waiting time when trajectories end (are censored) before the
    passage, as most short replicas are. A passage by way of other basins does not wait exponentially:
    trajectories shorter than the detours give too short a time.
    """
    blocks = blocks or cut(trajectories)
    times = {}
    for name, (source, target) in PASSAGES.items():
        statistics = core_statistics(
            trajectories, blocks, [cores[core] for core in source], [cores[core] for core in target]
        )
        events = float(statistics[:, 2].sum())
        # The error is that of the rate: its inverse has no finite spread once a resample holds no event.
        rate, error = _rate(statistics, lambda s: s[..., 2] / s[..., 0], blocks, events, seed)
        ns_per_frame = frame_spacing_ps / PS_PER_NS
        if events:
            times[name] = Estimate(ns_per_frame / rate, ns_per_frame / rate * error / rate, events)
        else:
            waited = float(statistics[:, 0].sum()) * ns_per_frame
            times[name] = Estimate(waited, np.inf, 0.0) if waited else Estimate(np.nan, np.nan, 0.0)
    return times
