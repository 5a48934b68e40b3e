"""Autocorrelation of sin and cos of angles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks, lagged_products
from openmm_scoredyn.comparison.uncertainty import Estimate, mean_estimate, standard_error

LONGEST_LAG_PS = 200.0


def on_circles(angles: np.ndarray) -> np.ndarray:
    """sin and cos of each angle, (T, F) rad to (T, 2 F) float64."""
    angles = angles.astype(np.float64)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(angles), -1)


@dataclass(frozen=True)
class Autocorrelation:
    """Normalised autocorrelation functions.

    Attributes
    ----------
    names : of the C signals
    lags_ps : (L,) float64, from 0
    value, error : (L, C) float64, one column per signal; error is one standard error
    """

    names: tuple[str, ...]
    lags_ps: np.ndarray
    value: np.ndarray
    error: np.ndarray

    def at(self, lag_ps: float) -> dict[str, Estimate]:
        """Estimates at the lag, by signal; `samples` from the error of a correlation, (1 - C^2)^2 / n."""
        row = int(np.argmin(np.abs(self.lags_ps - lag_ps)))
        return {
            name: mean_estimate(value, error, (1.0 - value**2) ** 2)
            for name, value, error in zip(self.names, self.value[row], self.error[row], strict=True)
        }


def _block_products(signals: np.ndarray, blocks: Blocks, lags: int) -> np.ndarray:
    """Sums of x(t) x(t + k) and the pairs counted, t within a block and t + k in the same trajectory;
    (n_blocks, lags, C + 1), last the count."""
    products = np.zeros((len(blocks), lags, signals.shape[1] + 1))
    trajectory_ends = np.cumsum(blocks.lengths)
    for start, stop in blocks.pieces:
        end = trajectory_ends[np.searchsorted(trajectory_ends, start, side="right")]
        sums, counts = lagged_products(signals[start:stop], signals[start : min(stop + lags, end)], lags)
        products[blocks.owner[start], : len(sums)] += np.column_stack([sums, counts])
    return products


def autocorrelation(
    angles: np.ndarray,
    names: Sequence[str],
    frame_spacing_ps: float,
    blocks: Blocks,
    longest_lag_ps: float = LONGEST_LAG_PS,
    seed: int = 0,
) -> Autocorrelation:
    """Autocorrelation (mean removed, 1 at lag 0) of sin and cos of angles.

    Parameters
    ----------
    angles : (T, F) rad, trajectories one after the other
    names : of the angles
    longest_lag_ps : ps; cut to half of the longest trajectory where it is shorter
    """
    lags = max(2, min(round(longest_lag_ps / frame_spacing_ps) + 1, max(blocks.lengths) // 2))
    signals = on_circles(angles)
    number = signals.shape[1]
    # The mean is removed first, so that the products do not cancel in the last digits.
    signals -= signals.mean(axis=0)
    moments = np.column_stack([signals, np.ones(len(signals))])
    products = _block_products(signals, blocks, lags)
    statistics = np.concatenate([products.reshape(len(blocks), -1), blocks.sum(moments)], axis=1)

    def estimate(sums: np.ndarray) -> np.ndarray:
        pairs = sums[..., : lags * (number + 1)].reshape(*sums.shape[:-1], lags, number + 1)
        mean = sums[..., -number - 1 : -1] / sums[..., -1:]
        covariance = pairs[..., :-1] / pairs[..., -1:] - mean[..., None, :] ** 2
        correlation = covariance / covariance[..., :1, :]
        return correlation.reshape(*sums.shape[:-1], lags * number)

    value, error = standard_error(statistics, estimate, blocks, seed)
    return Autocorrelation(
        names=tuple(f"{function} {name}" for name in names for function in ("sin", "cos")),
        lags_ps=np.arange(lags) * frame_spacing_ps,
        value=value.reshape(lags, number),
        error=error.reshape(lags, number),
    )
