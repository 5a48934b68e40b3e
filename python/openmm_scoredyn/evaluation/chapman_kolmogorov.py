"""Chapman-Kolmogorov test between lag times: what models of several lags, and MD, say of the same interval."""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.evaluation.basins import BASINS
from openmm_scoredyn.evaluation.blocks import Blocks, cut
from openmm_scoredyn.evaluation.bootstrap import Estimate, standard_error
from openmm_scoredyn.evaluation.ramachandran import block_divergence
from openmm_scoredyn.evaluation.series import DihedralSeries

INTERVAL_PS = 10.0
ANGLE_BINS = 18
STATES = (*(basin for basin in BASINS if basin.name in ("beta", "alpha_R", "phi>0")),)
NAMES = (*(basin.name for basin in STATES), "elsewhere")


@dataclass(frozen=True)
class IntervalStatistics:
    """What one side does in one interval.

    Attributes
    ----------
    name : str
    step_ps : spacing of its frames: the lag of a model whose every step is kept
    probabilities : by (from, to) of `NAMES`, Estimate of the probability to be there one interval later; `samples` is the
        number of independent intervals that began there
    divergence : by angle, Estimate, bits, of the joint distribution of an angle now and one interval later from the
        reference's
    floor : by angle, Estimate, bits, of what two sets of the reference, as long as these, would show
    """

    name: str
    step_ps: float
    probabilities: dict[tuple[str, str], Estimate]
    divergence: dict[str, Estimate]
    floor: dict[str, Estimate]

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "name": self.name,
            "step_ps": self.step_ps,
            "probabilities": {f"{a} -> {b}": e.to_dict() for (a, b), e in self.probabilities.items()},
            "joint_divergence_bit": {angle: e.to_dict() for angle, e in self.divergence.items()},
            "joint_divergence_floor_bit": {angle: e.to_dict() for angle, e in self.floor.items()},
        }


@dataclass(frozen=True)
class _Interval:
    """Counts per block of one side: of pairs of states, (n_blocks, K^2), and of pairs of angle bins, by angle; their lag in
    frames, by which the pairs overlap."""

    lag: int
    blocks: Blocks
    states: np.ndarray
    angles: dict[str, np.ndarray]


def chapman_kolmogorov(
    reference: DihedralSeries,
    others: dict[str, DihedralSeries],
    *,
    reference_name: str = "reference",
    interval_ps: float = INTERVAL_PS,
    seed: int = 0,
) -> list[IntervalStatistics]:
    """Compare the transition probabilities of several trajectories over one interval.

    Parameters
    ----------
    reference : DihedralSeries of MD
    others : by name, trajectories of models: of lag 10 ps, where one step is the interval; of lag 1 ps, where ten steps are

    Returns
    -------
    list of IntervalStatistics, the reference first

    Raises
    ------
    TrajectoryError
        If the interval is no whole number of frames of a side, or a side has no trajectory that long.

    Notes
    -----
    The steps are composed by the models themselves, in full coordinates, not by powers of a matrix of a few states:
    a difference between lags is one between the models, and none of a projection that forgets.
    """
    sides = {reference_name: reference, **others}
    counted = {name: _count(name, series, interval_ps) for name, series in sides.items()}
    known = counted[reference_name]
    result = []
    for name, interval in counted.items():
        divergences = {
            angle: block_divergence((known.angles[angle], known.blocks), (counts, interval.blocks), seed)
            for angle, counts in interval.angles.items()
        }
        own = name == reference_name
        result.append(
            IntervalStatistics(
                name=name,
                step_ps=sides[name].frame_spacing_ps,
                probabilities=_probabilities(interval, seed),
                divergence={} if own else {angle: pair[0] for angle, pair in divergences.items()},
                floor={angle: pair[1] for angle, pair in divergences.items()},
            )
        )
    return result


def _count(name: str, series: DihedralSeries, interval_ps: float) -> _Interval:
    lag = round(interval_ps / series.frame_spacing_ps)
    if lag < 1 or abs(lag * series.frame_spacing_ps - interval_ps) > 1e-6 * interval_ps:
        raise TrajectoryError(
            f"chapman_kolmogorov: the frames of {name} do not fit the interval; expected a spacing of which {interval_ps:g} "
            f"ps is a multiple, found {series.frame_spacing_ps:g} ps; write frames more often."
        )
    blocks = cut(series.angles)
    if lag >= max(blocks.lengths):
        raise TrajectoryError(
            f"chapman_kolmogorov: {name} is too short; expected a trajectory longer than {interval_ps:g} ps, found "
            f"{(max(blocks.lengths) - 1) * series.frame_spacing_ps:g} ps; run a longer one."
        )
    angles = np.concatenate(series.angles)
    state = np.full(len(angles), len(STATES))
    for index, basin in enumerate(STATES):
        state[basin.contains(angles)] = index
    cells = np.floor((angles / (2 * np.pi) + 0.5) * ANGLE_BINS).astype(np.int64) % ANGLE_BINS
    earlier, later = blocks.lagged_pairs(lag)
    return _Interval(
        lag=lag,
        blocks=blocks,
        states=_pairs(blocks, state, len(NAMES), earlier, later),
        angles={angle: _pairs(blocks, cells[:, k], ANGLE_BINS, earlier, later) for k, angle in enumerate(("phi", "psi"))},
    )


def _pairs(blocks: Blocks, labels: np.ndarray, number: int, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    return blocks.count(later, labels[earlier] * number + labels[later], number**2)


def _probabilities(interval: _Interval, seed: int) -> dict[tuple[str, str], Estimate]:
    """Transition probabilities between states; NaN for a state that no interval began in."""
    counts, size = interval.states, len(NAMES)

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
        result[NAMES[row], NAMES[column]] = Estimate(float(p), float(e), float(samples))
    return result
