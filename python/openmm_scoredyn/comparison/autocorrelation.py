"""Autocorrelation of sin and cos of the dihedrals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import Estimate, mean_estimate, standard_error
from openmm_scoredyn.comparison.correlation_time import lagged_products

SIGNALS = ("sin phi", "cos phi", "sin psi", "cos psi")


def signals_of(angles: np.ndarray) -> np.ndarray:
    """sin and cos of phi and psi, (T, 2) rad to (T, 4) float64 in the order of `SIGNALS`."""
    return np.stack([f(angles[:, k].astype(np.float64)) for k in (0, 1) for f in (np.sin, np.cos)], axis=1)


@dataclass(frozen=True)
class Autocorrelation:
    """Normalised autocorrelation functions.

    Attributes
    ----------
    lags_ps : (L,) float64, from 0
    value, error : (L, 4) float64, one column per signal; error is one standard error
    """

    lags_ps: np.ndarray
    value: np.ndarray
    error: np.ndarray

    def at(self, lag_ps: float) -> dict[str, Estimate]:
        """Estimates at the lag, by signal; `samples` from the error of a correlation, (1 - C^2)^2 / n."""
        row = int(np.argmin(np.abs(self.lags_ps - lag_ps)))
        return {
            name: mean_estimate(value, error, (1.0 - value**2) ** 2)
            for name, value, error in zip(SIGNALS, self.value[row], self.error[row], strict=True)
        }


def _block_products(signals: np.ndarray, blocks: Blocks, lags: int) -> np.ndarray:
    """Sums of x(t) x(t + k) and the pairs counted, t within a block and t + k in the same trajectory;
    (n_blocks, lags, 5), last the count."""
    products = np.zeros((len(blocks), lags, signals.shape[1] + 1))
    trajectory_ends = np.cumsum(blocks.lengths)
    for start, stop in blocks.pieces:
        end = trajectory_ends[np.searchsorted(trajectory_ends, start, side="right")]
        sums, counts = lagged_products(signals[start:stop], signals[start : min(stop + lags, end)], lags)
        products[blocks.owner[start], : len(sums)] += np.column_stack([sums, counts])
    return products


def autocorrelation(
    trajectories: Sequence[np.ndarray],
    frame_spacing_ps: float,
    longest_lag_ps: float = 200.0,
    blocks: Blocks | None = None,
    seed: int = 0,
) -> Autocorrelation:
    """Autocorrelation (mean removed, 1 at lag 0) of sin and cos of phi and psi.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad
    longest_lag_ps : ps; cut to half of the longest trajectory where it is shorter
    """
    blocks = blocks or cut(trajectories)
    lags = max(2, min(round(longest_lag_ps / frame_spacing_ps) + 1, max(blocks.lengths) // 2))
    signals = signals_of(np.concatenate(trajectories))
    # The mean is removed first, so that the products do not cancel in the last digits.
    signals -= signals.mean(axis=0)
    moments = np.column_stack([signals, np.ones(len(signals))])
    products = _block_products(signals, blocks, lags)
    statistics = np.concatenate([products.reshape(len(blocks), -1), blocks.sum(moments)], axis=1)

    def estimate(sums: np.ndarray) -> np.ndarray:
        pairs = sums[..., : lags * 5].reshape(*sums.shape[:-1], lags, 5)
        mean = sums[..., -5:-1] / sums[..., -1:]
        covariance = pairs[..., :-1] / pairs[..., -1:] - mean[..., None, :] ** 2
        correlation = covariance / covariance[..., :1, :]
        return correlation.reshape(*sums.shape[:-1], lags * 4)

    value, error = standard_error(statistics, estimate, blocks, seed)
    return Autocorrelation(
        lags_ps=np.arange(lags) * frame_spacing_ps, value=value.reshape(lags, 4), error=error.reshape(lags, 4)
    )
