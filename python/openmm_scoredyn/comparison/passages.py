"""Passages between the states of any definition: how long they are waited for, how long they take, and where
they go.
"""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.states import PS_PER_NS, core_labels, core_statistics, last_visits, rate
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS, Estimate, standard_error
from openmm_scoredyn.observables.states import Region, StateDefinition

UNSEEN = "between two frames"
PATH_TIME = "path time"


def first_passage_times(
    angles: np.ndarray,
    frame_spacing_ps: float,
    definition: StateDefinition,
    blocks: Blocks,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mean first passage times between core sets.

    Parameters
    ----------
    angles : (T, F) rad, trajectories one after the other
    frame_spacing_ps : ps between frames

    Returns
    -------
    dict of Estimate by passage, ns; `samples` is the number of passages. Where that is 0 the value is the
    time in which none was seen, and the error infinite; NaN if the source was never visited.

    Notes
    -----
    Total time spent "last in the source" over the number of passages: the mean over complete waits, and the
    maximum likelihood estimate of an exponential waiting time when trajectories end (are censored) before the
    passage, as most short replicas are. A passage by way of other states does not wait exponentially:
    trajectories shorter than the detours give too short a time.
    """
    times = {}
    for name, (source, target) in definition.passages.items():
        statistics = core_statistics(angles, blocks, definition.cores(source), definition.cores(target))
        events = float(statistics[:, 2].sum())
        # The error is that of the rate: its inverse has no finite spread once a resample holds no event.
        per_frame, error = rate(statistics, lambda s: s[..., 2] / s[..., 0], blocks, events, seed)
        ns_per_frame = frame_spacing_ps / PS_PER_NS
        if events:
            times[name] = Estimate(
                ns_per_frame / per_frame, ns_per_frame / per_frame * error / per_frame, events
            )
        else:
            waited = float(statistics[:, 0].sum()) * ns_per_frame
            times[name] = Estimate(waited, np.inf, 0.0) if waited else Estimate(np.nan, np.nan, 0.0)
    return times


def find_paths(core: np.ndarray, blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Last frames in the source before, and first frames in the target after each passage: two (P,) int
    arrays.

    Parameters
    ----------
    core : (T,) int, 0 in the source, 1 in the target, 2 in another core, which ends a path, -1 in none
    """
    last = last_visits(core, blocks.trajectory_starts)
    before, after = blocks.lagged_pairs(1)
    passes = (core[last[before]] == 0) & (core[after] == 1)
    return last[before[passes]], after[passes]


def routes_of(
    angles: np.ndarray, starts: np.ndarray, ends: np.ndarray, saddles: Sequence[Region]
) -> np.ndarray:
    """Index of the saddle in which each path was last seen between its ends, -1 for a path seen in none, (P,)
    int.
    """
    if not saddles:
        return np.full(len(starts), -1)
    index = np.arange(len(angles))
    last = np.stack(
        [np.maximum.accumulate(np.where(saddle.contains(angles), index, -1)) for saddle in saddles]
    )
    # The frame before the end: where that is the start itself, nothing of the path was seen.
    seen = last[:, ends - 1]
    return np.where(seen.max(axis=0) > starts, seen.argmax(axis=0), -1)


def transition_paths(
    angles: np.ndarray,
    frame_spacing_ps: float,
    definition: StateDefinition,
    blocks: Blocks,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """Duration and mechanism of the transition paths of each passage that has saddles; of all where none has.

    Parameters
    ----------
    angles : (T, F) rad, trajectories one after the other

    Returns
    -------
    dict by passage of dicts: "path time", ps, from the last frame in the source to the first in the target;
    and for each saddle, by its name, the share of paths that were last seen in it, with the share seen in
    none as `UNSEEN`. `samples` is the number of paths; NaN where there was none.

    Notes
    -----
    Both are of the frames: a path cannot be shorter than their spacing. The error of a share is at least that
    of as many independent paths, and so is that of a time with fewer than ten.
    """
    result = {}
    for passage in definition.saddles or definition.passages:
        saddles, (source, target) = definition.saddles.get(passage, ()), definition.passages[passage]
        others = [name for name in definition.outermost if name not in (*source, *target)]
        groups = [definition.cores(names) for names in (source, target)]
        core = core_labels(angles, *groups)
        for other in definition.cores(others):
            core[(core < 0) & other.contains(angles)] = 2
        starts, ends = find_paths(core, blocks)
        route = routes_of(angles, starts, ends, saddles)
        times = (ends - starts) * frame_spacing_ps
        shares = [route == k for k in range(len(saddles))] + ([route == -1] if saddles else [])
        names = [PATH_TIME, *(saddle.name for saddle in saddles), *([UNSEEN] if saddles else [])]
        members = np.stack([times, *shares], axis=1).astype(float)
        result[passage] = dict(zip(names, _means(members, starts, blocks, seed), strict=True))
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
