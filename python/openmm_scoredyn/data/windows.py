"""Windows of frames one lag apart, the examples a transition density is learnt from."""

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
            "lagged_windows: the lag time must be an integer multiple of the frame spacing; expected a"
            f" multiple of {frame_spacing_ps:g} ps, found {lag_time_ps:g} ps; choose another lag or a finer"
            " trajectory."
        )
    return count


def lagged_windows(trajectory: Trajectory, lag_time_ps: float, history_length: int = 1) -> np.ndarray:
    """Indices of all windows of H + 1 frames, each one lag after the one before, within segments only.

    Parameters
    ----------
    trajectory : segments of T frames each
    lag_time_ps : ps, an integer multiple of the frame spacing
    history_length : number of frames H a model is conditioned on, >= 1

    Returns
    -------
    (W, H + 1) int64
        Indices for `Trajectory.frames` and `Trajectory.boxes`, oldest first: columns 0 .. H - 1 are the
        history, newest last, and column H is the frame one lag later.

    Raises
    ------
    LagTimeError
        If the lag is not a multiple of the spacing.
    TrajectoryError
        If no segment is long enough for one window, or the history is shorter than one frame.

    Notes
    -----
    Windows overlap (with a lag of k frames, each frame is in up to H + 1 of them), so split first.
    """
    if history_length < 1:
        raise TrajectoryError(
            f"lagged_windows: expected a history of 1 frame or more, found {history_length}; ask for one."
        )
    lag = frames_per_lag(trajectory.frame_spacing_ps, lag_time_ps)
    parts, start = [], 0
    for segment in trajectory.segments:
        parts.append(np.arange(start, start + len(segment) - history_length * lag, dtype=np.int64))
        start += len(segment)
    first = np.concatenate(parts)
    if not len(first):
        longest = max(len(segment) for segment in trajectory.segments)
        raise TrajectoryError(
            f"lagged_windows: no segment is long enough; expected more than {history_length * lag} frames for"
            f" {history_length} lags of {lag_time_ps:g} ps, found at most {longest}; use a longer trajectory,"
            " a shorter lag or a shorter history."
        )
    return first[:, None] + lag * np.arange(history_length + 1)
