"""Chapman-Kolmogorov test between lag times: what models of several lags, and MD, say of the
same interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.distribution import (
    block_divergence,
    block_divergence_by_chance,
    cells,
)
from openmm_scoredyn.comparison.measurement import Fit, blocks_of
from openmm_scoredyn.comparison.uncertainty import Estimate, standard_error
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.observables.protocol import Observable
from openmm_scoredyn.observables.series import Observations
from openmm_scoredyn.observables.states import Coordinate, StateDefinition

INTERVAL_PS = 10.0
ANGLE_BINS = 18
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class IntervalStatistics:
    """What one side does in one interval along one coordinate.

    Attributes
    ----------
    coordinate : its name
    name : of the side
    step_ps : spacing of its frames: the lag of a model whose every step is kept
    states : names of the outermost states, and "elsewhere"
    probabilities : by (from, to) of `states`, Estimate of the probability to be there one interval later;
        `samples` is the number of independent intervals that began there
    divergence : by angle, Estimate, bits, of the joint distribution of an angle now and one interval later
        from the reference's
    floor : by angle, Estimate, bits, of what two sets of the reference, as long as these and the second with
        frames as far apart as here, would show
    """

    coordinate: str
    name: str
    step_ps: float
    states: tuple[str, ...]
    probabilities: dict[tuple[str, str], Estimate]
    divergence: dict[str, Estimate]
    floor: dict[str, Estimate]

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "coordinate": self.coordinate,
            "name": self.name,
            "step_ps": self.step_ps,
            "probabilities": {f"{a} -> {b}": e.to_dict() for (a, b), e in self.probabilities.items()},
            "joint_divergence_bit": {angle: e.to_dict() for angle, e in self.divergence.items()},
            "joint_divergence_floor_bit": {angle: e.to_dict() for angle, e in self.floor.items()},
        }


def chapman_kolmogorov(
    reference: Observations,
    others: dict[str, Observations],
    observables: Sequence[Observable],
    *,
    reference_name: str = "reference",
    interval_ps: float = INTERVAL_PS,
    seed: int = 0,
) -> list[IntervalStatistics]:
    """Compare the transition probabilities of several trajectories over one interval.

    Parameters
    ----------
    reference : Observations of MD
    others : by name, trajectories of models: of lag 10 ps, where one step is the interval; of lag 1 ps, where
        ten steps are
    observables : whose coordinates with states are looked at

    Returns
    -------
    list of IntervalStatistics, coordinate by coordinate, the reference first

    Raises
    ------
    TrajectoryError
        If the interval is no whole number of frames of a side, or a side has no trajectory that long.
    MoleculeError
        If no coordinate has states.

    Notes
    -----
    The steps are composed by the models themselves, in full coordinates, not by powers of a matrix of a few
    states: a difference between lags is one between the models, and none of a projection that forgets.
    """
    fit = Fit.of(reference, observables, seed, markov_models=False)
    if not any(coordinate.states for _, coordinate in fit.coordinates):
        raise MoleculeError(
            "chapman_kolmogorov: no coordinate has states; expected a torsion with several wells in"
            f" {reference_name}, found none; leave the test out."
        )
    sides = {reference_name: reference, **others}
    blocks = {name: _blocks(name, side, fit, interval_ps) for name, side in sides.items()}
    result = []
    for observable, coordinate in fit.coordinates:
        if coordinate.states is not None:
            counted = {
                name: _Intervals(side, observable, coordinate, coordinate.states, blocks[name], interval_ps)
                for name, side in sides.items()
            }
            known = counted[reference_name]
            result += [_statistics(name, one, known, fit, seed) for name, one in counted.items()]
    return result


def _statistics(
    name: str, interval: "_Intervals", known: "_Intervals", fit: Fit, seed: int
) -> IntervalStatistics:
    """One side beside the reference; the reference itself has no divergence."""
    states, joint = interval.counts()
    ours = known.counts()[1]
    return IntervalStatistics(
        coordinate=interval.coordinate.name,
        name=name,
        step_ps=interval.side.frame_spacing_ps,
        states=interval.names,
        probabilities=_probabilities(states, interval, seed),
        divergence={
            angle: block_divergence(ours[angle], known.blocks, counts, interval.blocks, seed)
            for angle, counts in joint.items()
            if interval is not known
        },
        floor=_by_chance(known, interval, fit, seed),
    )


def _blocks(name: str, side: Observations, fit: Fit, interval_ps: float) -> Blocks:
    lag = round(interval_ps / side.frame_spacing_ps)
    if lag < 1 or abs(lag * side.frame_spacing_ps - interval_ps) > 1e-6 * interval_ps:
        raise TrajectoryError(
            f"chapman_kolmogorov: the frames of {name} do not fit the interval; expected a spacing of which"
            f" {interval_ps:g} ps is a multiple, found {side.frame_spacing_ps:g} ps; write frames more"
            " often."
        )
    if lag >= max(side.lengths):
        raise TrajectoryError(
            f"chapman_kolmogorov: {name} is too short; expected a trajectory longer than {interval_ps:g} ps,"
            f" found {(max(side.lengths) - 1) * side.frame_spacing_ps:g} ps; run a longer one."
        )
    return blocks_of(side, fit)


@dataclass(frozen=True, eq=False)
class _Intervals:
    """Pairs of frames one interval apart of one side along one coordinate."""

    side: Observations
    observable: str
    coordinate: Coordinate
    states: StateDefinition
    blocks: Blocks
    interval_ps: float

    @property
    def lag(self) -> int:
        """Frames of the interval, by which pairs overlap."""
        return round(self.interval_ps / self.side.frame_spacing_ps)

    @property
    def names(self) -> tuple[str, ...]:
        """Outermost states, then everything else."""
        return (*self.states.outermost, ELSEWHERE)

    @property
    def length_ps(self) -> float:
        """Time that pairs begin in."""
        pairs = sum(max(length - self.lag, 0) for length in self.side.lengths)
        return pairs * self.side.frame_spacing_ps

    def counts(
        self, every: int = 1, blocks: Blocks | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Pairs that end at every `every`-th frame of a trajectory, by the states and by the bins of each
        angle that they lead from and to: (n_blocks, S^2), and (n_blocks, ANGLE_BINS^2) by angle.

        A pair belongs to the block that it ends in. It is more than one to see as few pairs as frames
        of a wider spacing hold.
        """
        blocks = blocks or self.blocks
        angles = self.side.values[self.observable][:, self.coordinate.columns]
        state = np.full(len(angles), len(self.names) - 1)
        for index, name in enumerate(self.states.outermost):
            state[self.states[name].region.contains(angles)] = index
        earlier, later = blocks.lagged_pairs(self.lag)
        first = np.repeat(blocks.trajectory_starts, blocks.lengths)
        seen = (later - first[later]) % every == 0
        earlier, later = earlier[seen], later[seen]

        def count(labels: np.ndarray, number: int) -> np.ndarray:
            return blocks.count(later, labels[earlier] * number + labels[later], number**2)

        joint = {
            angle: count(cells(angles[:, [k]], ANGLE_BINS), ANGLE_BINS)
            for k, angle in enumerate(self.coordinate.angles)
        }
        return count(state, len(self.names)), joint


def _by_chance(known: _Intervals, interval: _Intervals, fit: Fit, seed: int) -> dict[str, Estimate]:
    """The divergence of a set of the reference as long as `interval`, with frames as far apart, from one as
    long as all.
    """
    ratio, blocks = interval.length_ps / known.length_ps, known.blocks
    if ratio * blocks.num_ordinary < 1:
        # No set so short can be drawn from blocks that are longer.
        frames = max(2, round(interval.length_ps / known.side.frame_spacing_ps))
        blocks = blocks_of(known.side, fit, frames)
    every = max(1, round(interval.side.frame_spacing_ps / known.side.frame_spacing_ps))
    all_pairs, seldom = known.counts(1, blocks)[1], known.counts(every, blocks)[1]
    return {
        angle: block_divergence_by_chance(counts, seldom[angle], blocks, ratio, seed)
        for angle, counts in all_pairs.items()
    }


def _probabilities(counts: np.ndarray, interval: _Intervals, seed: int) -> dict[tuple[str, str], Estimate]:
    """Transition probabilities between states; NaN for a state that no interval began in."""
    names, size = interval.names, len(interval.names)

    def matrix(sums: np.ndarray) -> np.ndarray:
        table = sums.reshape(*sums.shape[:-1], size, size)
        return (table / table.sum(axis=-1, keepdims=True)).reshape(sums.shape)

    value, error = standard_error(counts, matrix, interval.blocks, seed)
    began = counts.reshape(len(counts), size, size).sum(axis=(0, 2)) / interval.lag
    result = {}
    for index, (p, e) in enumerate(zip(value, error, strict=True)):
        row, column = divmod(index, size)
        if np.isfinite(p):
            # Never less than the binomial error of intervals that do not overlap would be.
            padded = (p * began[row] + 1) / (began[row] + 2)
            e = np.fmax(e, np.sqrt(padded * (1 - padded) / began[row]))
        samples = p * (1 - p) / e**2 if e > 0 else float("nan")
        result[names[row], names[column]] = Estimate(float(p), float(e), float(samples))
    return result
