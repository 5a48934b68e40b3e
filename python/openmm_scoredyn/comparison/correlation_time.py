"""How long dihedrals remember: the time that sizes the blocks of the bootstrap."""

from collections.abc import Sequence

import numpy as np


def lagged_products(earlier: np.ndarray, later: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over t of earlier[t] * later[t + k] for k from 0, and how many products each holds.

    Parameters
    ----------
    earlier : (S, K) float64
    later : (L, K) float64, L >= S, from the same frame on
    lags : the most to give

    Returns
    -------
    (min(lags, L), K) float64 and (min(lags, L),) int64
    """
    size, reach = len(earlier) + len(later), min(lags, len(later))
    spectrum = np.fft.rfft(earlier, size, axis=0).conj() * np.fft.rfft(later, size, axis=0)
    return np.fft.irfft(spectrum, size, axis=0)[:reach], np.minimum(
        len(earlier), len(later) - np.arange(reach)
    )


def correlation_frames(trajectories: Sequence[np.ndarray]) -> float:
    """Longest integrated autocorrelation time of sin and cos of the angles, in frames.

    Parameters
    ----------
    trajectories : list of (T, K) angles, rad

    Notes
    -----
    Initial positive sequence (Geyer 1992) of the correlation pooled over all trajectories about their common
    mean, up to half of the longest: one trajectory may have seen none of the slow process that another has.
    """
    signals = [np.concatenate([np.sin(a), np.cos(a)], axis=1, dtype=np.float64) for a in trajectories]
    mean = sum(signal.sum(axis=0) for signal in signals) / sum(map(len, signals))
    reach = max(2, max(map(len, signals)) // 2)
    products, pairs = np.zeros((reach, len(mean))), np.zeros((reach, 1))
    for signal in signals:
        sums, counts = lagged_products(signal - mean, signal - mean, reach)
        products[: len(sums)] += sums
        pairs[: len(sums), 0] += counts
    covariance = products / pairs
    moving = covariance[0] > 1e-18
    times = [0.5]
    for correlation in (covariance[:, moving] / covariance[0, moving]).T:
        negative = np.flatnonzero(correlation <= 0)
        end = negative[0] if len(negative) else reach
        times.append(0.5 + correlation[1:end].sum())
    return float(max(times))
