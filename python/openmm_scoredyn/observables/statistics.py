"""Statistics that several observables share: mean and spread, and correlation in time."""

from collections.abc import Iterable

import numpy as np

from openmm_scoredyn.observables.protocol import Contribution, Quantity, Sample, Statistic

LAGS_PS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def mean_and_spread(mean: Quantity, spread: Quantity, values: np.ndarray) -> Statistic:
    """Mean and standard deviation of (frames, R) values, of all R alike."""
    about = values.mean(dtype=np.float64)
    centred = values.astype(np.float64) - about

    def estimate(sums: np.ndarray) -> np.ndarray:
        shift = sums[..., 0] / sums[..., 2]
        variance = np.maximum(sums[..., 1] / sums[..., 2] - shift**2, 0.0)
        return np.stack([about + shift, np.sqrt(variance)], axis=-1)

    return Statistic(
        (mean, spread),
        (_moments(centred),),
        estimate,
        variance=lambda values: np.array([values[1] ** 2, values[1] ** 2 / 2]),
    )


def autocorrelation(quantity: Quantity, values: np.ndarray, sample: Sample, lag: int) -> Statistic:
    """Correlation of (frames, R) values with those `lag` frames later, mean removed, 1 at lag 0, of all R
    alike.
    """
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    earlier, later = sample.pairs(lag)
    products = (centred[earlier] * centred[later]).mean(axis=1)

    def estimate(sums: np.ndarray) -> np.ndarray:
        mean = sums[..., 2] / sums[..., 4]
        covariance, variance = sums[..., 0] / sums[..., 1] - mean**2, sums[..., 3] / sums[..., 4] - mean**2
        return (covariance / variance)[..., None]

    return Statistic(
        (quantity,),
        (Contribution(later, products[:, None]), _moments(centred)),
        estimate,
        variance=lambda value: (1.0 - value**2) ** 2,
    )


def of_length(group: str, name: str, values: np.ndarray, sample: Sample) -> Iterable[Statistic]:
    """Mean, spread and autocorrelation of lengths (frames, R), nm, of all R alike; half a picometre and a
    correlation of 0.02 do not matter.
    """
    mean, spread = (
        Quantity(group, f"{name}, {what}", "nm", absolute_tolerance=0.0005, of_frames=True)
        for what in ("mean", "spread")
    )
    yield mean_and_spread(mean, spread, values)
    for lag_ps, lag in sample.lags(LAGS_PS):
        yield autocorrelation(correlation_at(group, name, lag_ps), values, sample, lag)


def correlation_at(group: str, name: str, lag_ps: float) -> Quantity:
    """A point of a curve of correlation against time, of which 0.02 do not matter."""
    return Quantity(
        group,
        f"{name} at {lag_ps:g} ps",
        "",
        absolute_tolerance=0.02,
        of_frames=True,
        curve=name,
        at=lag_ps,
    )


def mean_of_pairs(
    quantity: Quantity, later: np.ndarray, values: np.ndarray, factor: float = 1.0
) -> Statistic:
    """A factor times the mean of (P,) values of pairs of frames, each with the frame that it ends in."""
    return Statistic(
        (quantity,),
        (Contribution(later, values[:, None]),),
        lambda sums: factor * sums[..., :1] / sums[..., 1:2],
        variance=lambda _: np.array([factor**2 * values.var()]),
    )


def _moments(centred: np.ndarray) -> Contribution:
    """First and second moments, averaged over columns."""
    frames = np.arange(len(centred))
    return Contribution(frames, np.stack([centred.mean(axis=1), (centred**2).mean(axis=1)], axis=1))
