"""Pairs of frames one lag apart, the examples a transition density is learnt from."""

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import LagTimeError, TrajectoryError


def frames_per_lag(frame_spacing_ps: float, lag_time_ps: float) -> int:
    """Number of frame spacings in one lag.

    Raises
    ------
    LagTimeError
        If the lag is not a positive integer multiple of the spacing, to one part in 10^4.
    """
    ratio = lag_time_ps / frame_spacing_ps
    count = round(ratio)
    if count < 1 or abs(ratio - count) > 1e-4 * count:
        raise LagTimeError(
            "lagged_pairs: the lag time must be an integer multiple of the frame spacing; expected a"
            f" multiple of {frame_spacing_ps:g} ps, found {lag_time_ps:g} ps; choose another lag or a finer"
            " trajectory."
        )
    return count


def lagged_pairs(
    trajectory: Trajectory, lag_time_ps: float, history_length: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all pairs of frames one lag apart, within segments only.

    Parameters
    ----------
    trajectory : segments of T frames each
    lag_time_ps : ps, an integer multiple of the frame spacing
    history_length : number of frames H a model sees; a pair is kept where the H - 1 earlier frames, one lag
    apart, exist

    Returns
    -------
    before, after : (P,) int64 arrays
        Indices into `trajectory.positions`; `before` is the newest frame of the history.

    Raises
    ------
    LagTimeError
        If the lag is not a multiple of the spacing.
    TrajectoryError
        If no segment is long enough for one pair.

    Notes
    -----
    Pairs overlap (with a lag of k frames, each frame is in up to two pairs), so split by trajectory first.
    """
    lag = frames_per_lag(trajectory.frame_spacing_ps, lag_time_ps)
    before, start = [], 0
    for segment in trajectory.segments:
        before.append(
            np.arange(start + (history_length - 1) * lag, start + len(segment) - lag, dtype=np.int64)
        )
        start += len(segment)
    before = np.concatenate(before)
    if not len(before):
        longest = max(len(segment) for segment in trajectory.segments)
        raise TrajectoryError(
            f"lagged_pairs: no segment is long enough; expected more than {history_length * lag} frames for a"
            f" lag of {lag_time_ps:g} ps, found at most {longest}; use a longer trajectory or a shorter lag."
        )
    return before, before + lag
