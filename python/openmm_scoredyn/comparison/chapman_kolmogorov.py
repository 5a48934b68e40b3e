"""Chapman-Kolmogorov test between lag times: what models of several lags, and MD, say of the
same interval.
"""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import cut
from openmm_scoredyn.comparison.bootstrap import Estimate, standard_error
from openmm_scoredyn.comparison.interval_pairs import NAMES, IntervalPairs, count_pairs
from openmm_scoredyn.comparison.ramachandran import block_divergence, block_divergence_by_chance
from openmm_scoredyn.comparison.series import DihedralSeries
from openmm_scoredyn.errors import TrajectoryError

INTERVAL_PS = 10.0


@dataclass(frozen=True)
class IntervalStatistics:
    """What one side does in one interval.

    Attributes
    ----------
    name : str
    step_ps : spacing of its frames: the lag of a model whose every step is kept
    probabilities : by (from, to) of `NAMES`, Estimate of the probability to be there one interval later;
    `samples` is the
        number of independent intervals that began there
    divergence : by angle, Estimate, bits, of the joint distribution of an angle now and one interval later
    from the
        reference's
    floor : by angle, Estimate, bits, of what two sets of the reference, as long as these and the second with
    frames as far
        apart as here, would show
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
    others : by name, trajectories of models: of lag 10 ps, where one step is the interval; of lag 1 ps, where
    ten steps are

    Returns
    -------
    list of IntervalStatistics, the reference first

    Raises
    ------
    TrajectoryError
        If the interval is no whole number of frames of a side, or a side has no trajectory that long.

    Notes
    -----
    The steps are composed by the models themselves, in full coordinates, not by powers of a matrix of a few
    states: a difference between lags is one between the models, and none of a projection that forgets.
    """
    sides = {reference_name: reference, **others}
    counted = {name: _count(name, series, interval_ps) for name, series in sides.items()}
    known = counted[reference_name]
    result = []
    for name, interval in counted.items():
        divergence = {
            angle: block_divergence(known.angles[angle], known.blocks, counts, interval.blocks, seed)
            for angle, counts in interval.angles.items()
            if name != reference_name
        }
        result.append(
            IntervalStatistics(
                name=name,
                step_ps=sides[name].frame_spacing_ps,
                probabilities=_probabilities(interval, seed),
                divergence=divergence,
                floor=_by_chance(reference, known, interval, seed),
            )
        )
    return result


def _count(name: str, series: DihedralSeries, interval_ps: float) -> IntervalPairs:
    lag = round(interval_ps / series.frame_spacing_ps)
    if lag < 1 or abs(lag * series.frame_spacing_ps - interval_ps) > 1e-6 * interval_ps:
        raise TrajectoryError(
            f"chapman_kolmogorov: the frames of {name} do not fit the interval; expected a spacing of which"
            f" {interval_ps:g} ps is a multiple, found {series.frame_spacing_ps:g} ps; write frames more"
            " often."
        )
    blocks = cut(series.angles)
    if lag >= max(blocks.lengths):
        raise TrajectoryError(
            f"chapman_kolmogorov: {name} is too short; expected a trajectory longer than {interval_ps:g} ps,"
            f" found {(max(blocks.lengths) - 1) * series.frame_spacing_ps:g} ps; run a longer one."
        )
    return count_pairs(series, blocks, lag)


def _by_chance(
    reference: DihedralSeries, known: IntervalPairs, interval: IntervalPairs, seed: int
) -> dict[str, Estimate]:
    """The divergence of a set of the reference as long as `interval`, with frames as far apart, from one as
    long as all.
    """
    ratio = interval.length_ps / known.length_ps
    if ratio * known.blocks.num_ordinary < 1:
        # No set so short can be drawn from blocks that are longer.
        frames = max(2, round(interval.length_ps / known.spacing_ps))
        known = count_pairs(reference, cut(reference.angles, frames), known.lag)
    every = round(interval.spacing_ps / known.spacing_ps)
    seldom = known if every <= 1 else count_pairs(reference, known.blocks, known.lag, every)
    return {
        angle: block_divergence_by_chance(counts, seldom.angles[angle], known.blocks, ratio, seed)
        for angle, counts in known.angles.items()
    }


def _probabilities(interval: IntervalPairs, seed: int) -> dict[tuple[str, str], Estimate]:
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
