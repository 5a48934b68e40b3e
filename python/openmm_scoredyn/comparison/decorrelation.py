"""Decorrelation times of angles, as MDGen's analysis has them (Jing, Stark, Jaakkola, Berger 2024)."""

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import on_circles
from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.uncertainty import Estimate, standard_error, time_estimate

LEVEL = float(np.exp(-1.0))
# All lags up to the first number, then as many for each factor of ten.
FIRST_LAGS, LAGS_PER_DECADE = 10, 16


def lag_grid(longest: int) -> np.ndarray:
    """Lags in frames from 1 to `longest`, ever wider apart, ascending int."""
    number = max(2, int(LAGS_PER_DECADE * np.log10(max(longest, 2))) + 1)
    spaced = np.round(np.geomspace(1, max(longest, 1), number)).astype(int)
    return np.unique(np.concatenate([np.arange(1, min(FIRST_LAGS, longest) + 1), spaced]))


def decorrelation_times(
    angles: np.ndarray, frame_spacing_ps: float, blocks: Blocks, seed: int = 0
) -> list[Estimate]:
    """Times, ps, at which the correlation of angles (T, F), rad, has fallen to 1/e.

    Notes
    -----
    The correlation is <cos(angle(t + lag) - angle(t))>, from which the baseline <cos>^2 + <sin>^2 is taken
    and which is 1 at lag 0. Lags reach to half of the longest trajectory; NaN where it has not fallen by
    then. Between lags it is interpolated.
    """
    lags = lag_grid(max(blocks.lengths) // 2)
    points = on_circles(angles)
    number = angles.shape[1]
    parts = [blocks.sum(np.column_stack([points, np.ones(len(points))]))]
    for lag in lags.tolist():
        earlier, later = blocks.lagged_pairs(lag)
        cosines = (points[earlier] * points[later]).reshape(len(earlier), number, 2).sum(axis=2)
        parts.append(blocks.sums_at(later, *cosines.T))
    times = np.concatenate([[0.0], lags * frame_spacing_ps])

    def estimate(sums: np.ndarray) -> np.ndarray:
        own, rest = sums[..., : 2 * number + 1], sums[..., 2 * number + 1 :]
        means = (own[..., :-1] / own[..., -1:]).reshape(*sums.shape[:-1], number, 2)
        baseline = (means**2).sum(axis=-1)[..., None, :]
        pairs = rest.reshape(*sums.shape[:-1], len(lags), number + 1)
        correlation = (pairs[..., :-1] / pairs[..., -1:] - baseline) / (1.0 - baseline)
        return _crossing(correlation, times)

    value, error = standard_error(np.concatenate(parts, axis=1), estimate, blocks, seed)
    total_ps = blocks.num_frames * frame_spacing_ps
    return [time_estimate(v, e, total_ps) for v, e in zip(value, error, strict=True)]


def component_time(component: np.ndarray, frame_spacing_ps: float, blocks: Blocks, seed: int = 0) -> Estimate:
    """Time, ps, at which the autocovariance of a component (T,) about 0 has fallen to 1/e of that at lag 0.

    Notes
    -----
    A component that is centred on the reference is not centred on a candidate with other populations, whose
    autocovariance then falls to a level above 0, as in MDGen's script; NaN where that is above 1/e.
    """
    lags = lag_grid(max(blocks.lengths) // 2)
    parts = [blocks.sum(np.column_stack([component**2, np.ones(len(component))]))]
    for lag in lags.tolist():
        earlier, later = blocks.lagged_pairs(lag)
        parts.append(blocks.sums_at(later, component[earlier] * component[later]))
    times = np.concatenate([[0.0], lags * frame_spacing_ps])

    def estimate(sums: np.ndarray) -> np.ndarray:
        square = (sums[..., 0] / sums[..., 1])[..., None]
        pairs = sums[..., 2:].reshape(*sums.shape[:-1], len(lags), 2)
        return _crossing((pairs[..., 0] / pairs[..., 1] / square)[..., None], times)

    value, error = standard_error(np.concatenate(parts, axis=1), estimate, blocks, seed)
    return time_estimate(float(value[0]), float(error[0]), blocks.num_frames * frame_spacing_ps)


def _crossing(correlation: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Where (..., L, F) correlations at times[1:], 1 at times[0], first fall below the level, (..., F)."""
    curve = np.concatenate(
        [np.ones((*correlation.shape[:-2], 1, correlation.shape[-1])), correlation], axis=-2
    )
    below = curve < LEVEL
    after = np.argmax(below, axis=-2)
    seen = below.any(axis=-2)
    after = np.where(seen, after, 1)
    high, low = (
        np.take_along_axis(curve, index[..., None, :], axis=-2)[..., 0, :] for index in (after - 1, after)
    )
    found = times[after - 1] + (high - LEVEL) / (high - low) * (times[after] - times[after - 1])
    return np.where(seen, found, np.nan)
