"""Error bars: every estimate is a function of sums over blocks, and the bootstrap redraws the blocks."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from openmm_scoredyn.comparison.blocks import Blocks

RESAMPLES = 400
# Below this number of events the bootstrap does not see the spread of a Poisson count.
FEW_EVENTS = 10


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


def resample(
    statistics: np.ndarray,
    blocks: "Blocks",
    seed: int = 0,
    resamples: int = RESAMPLES,
    length_ratio: float = 1.0,
) -> np.ndarray:
    """Sums of block statistics over redrawn blocks.

    Parameters
    ----------
    statistics : (n_blocks, K) float64, additive over blocks
    length_ratio : length of the redrawn set over that of the blocks

    Returns
    -------
    (resamples, K) float64
    """
    return blocks.draw(np.random.default_rng(seed), resamples, length_ratio) @ statistics


def standard_error(
    statistics: np.ndarray,
    estimator: Callable[[np.ndarray], np.ndarray],
    blocks: "Blocks",
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
