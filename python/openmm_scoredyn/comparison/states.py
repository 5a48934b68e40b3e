"""Populations, free energies and hops of any state definition; sojourns in its rare state."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS, Estimate, standard_error
from openmm_scoredyn.observables.states import Region, StateDefinition
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

PS_PER_NS = 1000.0


def core_labels(angles: np.ndarray, *groups: Sequence[Region]) -> np.ndarray:
    """Group of cores that each frame of angles (T, F), rad, lies in, -1 for none, (T,) int."""
    core = np.full(len(angles), -1)
    for label, members in enumerate(groups):
        for region in members:
            core[region.contains(angles)] = label
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


def sojourns(angles: np.ndarray, lengths: Sequence[int], definition: StateDefinition) -> np.ndarray:
    """Every sojourn in the rare state: its first frame and the first after it, (n, 2) int64.

    A sojourn lasts from the first frame in the core until the first in another; frames are counted over all
    trajectories. None where no state is rare.

    Parameters
    ----------
    angles : (T, F) rad, trajectories one after the other
    lengths : frames of each
    """
    if not definition.rare:
        return np.empty((0, 2), dtype=np.int64)
    starts = np.cumsum([0, *lengths[:-1]])
    others = definition.cores(definition.others(definition.rare))
    inside = milestones(core_labels(angles, others, definition.cores([definition.rare])), starts) == 1
    before = np.append(False, inside[:-1])
    before[starts] = False
    after = np.append(inside[1:], False)
    after[np.cumsum(lengths) - 1] = False
    return np.stack([np.flatnonzero(inside & ~before), np.flatnonzero(inside & ~after) + 1], axis=1)


def drawn_as_events(found: Sequence[np.ndarray], frames: int) -> np.ndarray:
    """Sojourns (n, 2) that the bootstrap over blocks of time would not see scatter: of each rare state those
    that are fewer than ten and take less than half of the frames; those that overlap are one.
    """
    few = [one for one in found if len(one) < FEW_EVENTS and np.diff(one).sum() / frames < 0.5]
    merged: list[list[int]] = []
    for first, end in sorted(interval for one in few for interval in one.tolist()):
        if merged and first < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([first, end])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def visits(angles: np.ndarray, definition: StateDefinition, blocks: Blocks) -> dict[str, int]:
    """Entries or exits of the core of each state, whichever are more, by name; 1 for a core that was never
    left.
    """
    result = {}
    for state in definition.states:
        others = definition.cores(definition.others(state.name))
        time, _, left, entered = core_statistics(angles, blocks, [state.core], others).sum(axis=0)
        result[state.name] = max(int(time > 0), int(left), int(entered))
    return result


def core_statistics(
    angles: np.ndarray, blocks: Blocks, source: Sequence[Region], target: Sequence[Region]
) -> np.ndarray:
    """Time and crossings of the two-state process "was last in source" / "was last in target".

    Returns
    -------
    (n_blocks, 4) float64: frames spent in source, frames spent in target, crossings source -> target, and
    back
    """
    state = milestones(core_labels(angles, source, target), blocks.trajectory_starts)
    before, after = blocks.lagged_pairs(1)
    assigned = state[before] >= 0
    before, after = before[assigned], after[assigned]
    pairs = blocks.count(before, 2 * state[before] + state[after], 4)
    return np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 2] + pairs[:, 3], pairs[:, 1], pairs[:, 2]], axis=1)


def populations(
    angles: np.ndarray, definition: StateDefinition, blocks: Blocks, visited: dict[str, int], seed: int = 0
) -> dict[str, Estimate]:
    """Fraction of frames in each state.

    Parameters
    ----------
    angles : (T, F) rad, unsteered
    visited : as `visits` counts them

    Returns
    -------
    dict of Estimate by name, dimensionless; `samples` is the number of separate visits

    Notes
    -----
    With fewer than ten visits the error is at least that of as many visits with exponential sojourns and
    waits, p (1 - p) sqrt(2 / visits).
    """
    regions = [state.region for state in definition.states]
    inside = np.stack([region.contains(angles) for region in regions] + [np.ones(len(angles))], axis=1)
    value, error = standard_error(
        blocks.sum(inside), lambda sums: sums[..., :-1] / sums[..., -1:], blocks, seed
    )
    result = {}
    for region, p, e in zip(regions, value, error, strict=True):
        number = visited[region.name]
        least = p * (1.0 - p) * np.sqrt(2.0 / number) if 0 < number < FEW_EVENTS else 0.0
        result[region.name] = Estimate(float(p), float(np.fmax(e, least)), float(number))
    return result


def free_energies(
    angles: np.ndarray,
    definition: StateDefinition,
    temperature_K: float,
    blocks: Blocks,
    visited: dict[str, int],
    seed: int = 0,
) -> dict[str, Estimate]:
    """Free energy of each state relative to the definition's zero, -R T ln(p / p_zero).

    Parameters
    ----------
    angles, visited : as in `populations`

    Returns
    -------
    dict of Estimate, kJ/mol, by "state - zero"; `samples` is the number of separate visits to the rarer of
    the two. NaN where one of them was never visited.

    Notes
    -----
    With fewer than ten visits the bootstrap does not see their scatter. The error is then at least that of as
    many visits with exponential sojourns, R T sqrt(2 / visits).
    """
    zero = definition.zero
    others = [state for state in definition.states if state.name != zero]
    regions = [state.region for state in (*others, definition[zero])]
    inside = np.stack([region.contains(angles) for region in regions], axis=1)
    scale = GAS_CONSTANT_KJ_PER_MOL_K * temperature_K
    value, error = standard_error(
        blocks.sum(inside), lambda s: -scale * np.log(s[..., :-1] / s[..., -1:]), blocks, seed
    )
    result = {}
    for state, v, e in zip(others, value, error, strict=True):
        name = f"{state.name} - {zero}"
        if not np.isfinite(v):
            result[name] = Estimate(float("nan"), float("nan"), 0.0)
            continue
        # Exchanges among the parts of a state are many; how often it is visited at all is what limits both.
        limiting = [zero, state.name, *([state.inside] if state.inside else [])]
        # A state whose core was never reached, only its rim, counts as one visit.
        events = max(1, min(visited[one] for one in limiting))
        floor = scale * np.sqrt(2.0 / events) if events < FEW_EVENTS else 0.0
        result[name] = Estimate(float(v), float(np.fmax(e, floor)), float(events))
    return result


def rate(statistics: np.ndarray, ratio, blocks: Blocks, events: float, seed: int) -> tuple[float, float]:
    """A rate per frame and its standard error, with the Poisson error as the least where events are few."""
    value, error = (float(result[0]) for result in standard_error(statistics, ratio, blocks, seed))
    if events < FEW_EVENTS:
        poisson = value / np.sqrt(events) if events else float("nan")
        error = poisson if np.isnan(error) else max(error, poisson) if events else poisson
    return value, error


def hop_rate(
    angles: np.ndarray,
    frame_spacing_ps: float,
    definition: StateDefinition,
    blocks: Blocks,
    seed: int = 0,
) -> Estimate:
    """Crossings among the cores of the definition's `hops`, all directions together, per nanosecond of
    trajectory; 1/ns.
    """
    cores = [[core] for core in definition.cores(definition.hops[1])]
    state = milestones(core_labels(angles, *cores), blocks.trajectory_starts)
    before, after = blocks.lagged_pairs(1)
    assigned = state[before] >= 0
    before, after = before[assigned], after[assigned]
    statistics = blocks.count(before, (state[before] != state[after]).astype(int), 2)
    events = float(statistics[:, 1].sum())
    value, error = rate(statistics, lambda s: s[..., 1] / (s[..., 0] + s[..., 1]), blocks, events, seed)
    per_ns = PS_PER_NS / frame_spacing_ps
    return Estimate(value * per_ns, error * per_ns, events)
