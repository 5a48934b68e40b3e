"""Error bars: every estimate is a function of sums over blocks, and the bootstrap resamples the blocks.

It does not see the scatter of few events: the other side's fluctuations then say how large the error is
at least.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.observables.protocol import Contribution, Quantity, Statistic

RESAMPLES = 400
# Below this number of events the bootstrap does not see the spread of a Poisson count.
FEW_EVENTS = 10
# Of a rate or time: with a larger relative error not even a bound is worth saying.
LARGEST_RELATIVE_ERROR = 10.0


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty.

    Attributes
    ----------
    value : NaN where the data say nothing
    error : one standard error; NaN where it cannot be known (a single block)
    samples : independent samples behind the value: events for rates and passage times, variance of one sample
    over
        the squared standard error for averages
    """

    value: float
    error: float
    samples: float

    def to_dict(self) -> dict:
        """JSON-ready; NaN and infinity become None."""
        return {key: float(number) if np.isfinite(number) else None for key, number in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: dict) -> "Estimate":
        """Inverse of `to_dict`."""
        return cls(
            **{
                key: float("nan") if fields[key] is None else fields[key]
                for key in ("value", "error", "samples")
            }
        )


def time_estimate(value: float, error: float, total: float) -> Estimate:
    """Estimate of a time scale from trajectories that are `total` long together, in the same unit.

    Of fewer than ten times its length a bootstrap does not see the scatter: the error is then at least that
    of as many events with exponential waits, value sqrt(2 / events).
    """
    events = total / value
    least = value * np.sqrt(2.0 / events) if events < FEW_EVENTS else 0.0
    return Estimate(float(value), float(np.fmax(error, least)), float(events))


def bound(estimate: Estimate, from_above: bool) -> float:
    """Of a rate or time whose error is larger than its value, the bound at 2 standard errors; NaN where the
    error is so large that not even a bound is worth saying.
    """
    relative = estimate.error / estimate.value
    if relative > LARGEST_RELATIVE_ERROR:
        return float("nan")
    factor = 1.0 + 2.0 * relative
    return estimate.value * factor if from_above else estimate.value / factor


def estimates(statistic: Statistic, blocks: Blocks, seed: int = 0) -> dict[Quantity, Estimate]:
    """The quantities of a statistic, with errors."""
    sums = np.concatenate([_block_sums(part, blocks) for part in statistic.parts], axis=1)
    values, errors = standard_error(sums, statistic.estimate, blocks, seed)
    if statistic.least_error is not None:
        least = statistic.least_error(values)
        errors = np.where(least > 0, np.fmax(errors, least), errors)
    if statistic.variance is None:
        found = [Estimate(float(v), float(e), statistic.samples) for v, e in zip(values, errors, strict=True)]
    else:
        found = [
            mean_estimate(*numbers)
            for numbers in zip(values, errors, statistic.variance(values), strict=True)
        ]
    return dict(zip(statistic.quantities, found, strict=True))


def _block_sums(part: Contribution, blocks: Blocks) -> np.ndarray:
    """Sums of the rows of each block, and their number, (n_blocks, K + 1)."""
    pieces = (blocks.sums_at(frames, *np.asarray(rows).T) for frames, rows in part.rows())
    return functools.reduce(np.add, pieces)


def resample(
    statistics: np.ndarray,
    blocks: Blocks,
    seed: int = 0,
    resamples: int = RESAMPLES,
    length_ratio: float = 1.0,
) -> np.ndarray:
    """Sums of block statistics over resampled blocks.

    Parameters
    ----------
    statistics : (n_blocks, K) float64, additive over blocks
    length_ratio : length of the resampled set over that of the blocks

    Returns
    -------
    (resamples, K) float64
    """
    return blocks.draw(np.random.default_rng(seed), resamples, length_ratio) @ statistics


def standard_error(
    statistics: np.ndarray,
    estimator: Callable[[np.ndarray], np.ndarray],
    blocks: Blocks,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """Value and bootstrap standard error of a function of summed block statistics.

    Parameters
    ----------
    statistics : (n_blocks, K) float64
    estimator : maps sums (..., K) to estimates (..., M); NaN in a resample is left out

    Returns
    -------
    value, error : (M,) float64 each. The error is NaN for a single block.

    Notes
    -----
    The factor n/(n-1) makes the bootstrap variance of a mean unbiased for few blocks (Efron and Tibshirani
    1993).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.atleast_1d(estimator(statistics.sum(axis=0)))
        number = blocks.num_ordinary
        if number < 2:
            return value, np.full(value.shape, np.nan)
        replicates = np.asarray(estimator(resample(statistics, blocks, seed, resamples))).reshape(
            resamples, -1
        )
    replicates = np.where(np.isfinite(replicates), replicates, np.nan)
    enough = np.isfinite(replicates).sum(axis=0) > resamples // 2
    error = np.full(value.shape, np.nan)
    error[enough] = np.nanstd(replicates[:, enough], axis=0) * np.sqrt(number / (number - 1))
    return value, error


def mean_estimate(value: float, error: float, variance: float) -> Estimate:
    """Estimate of an average whose single independent sample has the given variance."""
    samples = variance / error**2 if error > 0 else (0.0 if variance == 0 else float("nan"))
    return Estimate(float(value), float(error), float(samples))


def with_borrowed_errors(
    quantity: Quantity,
    reference: Estimate,
    candidate: Estimate,
    length_ratio: float,
    sojourns: tuple[float, float],
) -> tuple[Estimate, Estimate]:
    """Reference and candidate with the errors that they are judged by.

    Parameters
    ----------
    length_ratio : length of the candidate over that of the reference
    sojourns : how often reference and candidate were in the rare state that was seen least often
    """
    if quantity.of_frames:
        few = [number < FEW_EVENTS for number in sojourns]
        return (
            _of_frames(reference, candidate, length_ratio, few[0]),
            _of_frames(candidate, reference, 1.0 / length_ratio, few[1]),
        )
    if quantity.of_paths:
        return _of_paths(reference, candidate), _of_paths(candidate, reference)
    if quantity.ratio:
        return _of_events(reference, candidate), _of_events(candidate, reference)
    return reference, candidate


def _of_frames(side: Estimate, other: Estimate, length_ratio: float, few_sojourns: bool) -> Estimate:
    """A side that saw what is rare too seldom, with at least the other's error scaled to its own length.

    A state that was never visited has a population of 0 +- 0 by its own blocks; what it could have been by
    chance is what the other side's fluctuations say. `length_ratio` is the other side's length over this
    one's.
    """
    if not (few_sojourns or side.samples < FEW_EVENTS) or np.isnan(side.error + other.error):
        return side
    return replace(side, error=float(np.fmax(side.error, other.error * np.sqrt(length_ratio))))


def _of_paths(side: Estimate, other: Estimate) -> Estimate:
    """A share of a few paths, with at least the binomial error that the other side's share gives so few."""
    if not 0 < side.samples < FEW_EVENTS or not 0.0 <= other.value <= 1.0:
        return side
    return replace(
        side, error=float(np.fmax(side.error, np.sqrt(other.value * (1.0 - other.value) / side.samples)))
    )


def _of_events(side: Estimate, other: Estimate) -> Estimate:
    """A rate or time of a few events, with at least the other's relative error scaled to its own number of
    events.

    Waits that are now and then a thousand times as long as mostly, as by a detour through other states, are
    not seen in six of them; exponential ones leave the error as it is.
    """
    if not 0 < side.samples < FEW_EVENTS or not min(side.value, other.value) > 0 or not other.samples > 0:
        return side
    relative = other.error / other.value * np.sqrt(other.samples / side.samples)
    return replace(side, error=float(np.fmax(side.error, side.value * relative)))
