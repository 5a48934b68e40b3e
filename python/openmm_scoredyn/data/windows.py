"""Windows of frames one lag apart, the examples a transition density is learnt from."""

from math import ceil

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import LagTimeError, TrajectoryError

LAGS_PER_FRAME = 2  # of a range


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
    first, _ = _beginnings(trajectory, lag, history_length)
    return first[:, None] + lag * np.arange(history_length + 1)


def fewest_frames(frame_spacing_ps: float, shortest_ps: float) -> int:
    """Frames that the shortest lag of a range takes which is a multiple of the spacing, one or more."""
    return max(1, ceil(shortest_ps / frame_spacing_ps - 1e-4))


def windows_of_all_lags(
    trajectory: Trajectory, shortest_ps: float, longest_ps: float, history_length: int = 1, *, seed: int
) -> np.ndarray:
    """As `lagged_windows`, each window with a lag of its own from a range.

    Every frame begins `LAGS_PER_FRAME` windows. Their lags, multiples of the frame spacing, are drawn evenly
    in the logarithm, as far as the segment reaches: which lag a frame is shown with does not depend on what
    the molecule does, so that windows of each lag are a fair sample of its transition density.

    Parameters
    ----------
    shortest_ps, longest_ps : ps
    seed : of the draws

    Raises
    ------
    LagTimeError
        If the range holds no multiple of the spacing.
    TrajectoryError
        As `lagged_windows`, of the shortest of them.
    """
    spacing = trajectory.frame_spacing_ps
    shortest, longest = fewest_frames(spacing, shortest_ps), int(longest_ps / spacing + 1e-4)
    if longest < shortest:
        raise LagTimeError(
            "windows_of_all_lags: the range of lag times must hold a multiple of the frame spacing; expected"
            f" one of {spacing:g} ps from {shortest_ps:g} to {longest_ps:g} ps, found none; choose another"
            " range or a finer trajectory."
        )
    first, left = (
        np.repeat(part, LAGS_PER_FRAME) for part in _beginnings(trajectory, shortest, history_length)
    )
    reach = np.minimum(longest, left // history_length)
    even = np.random.default_rng(seed).random(len(first))
    lag = (shortest * ((reach + 1) / shortest) ** even).astype(np.int64)
    return first[:, None] + np.minimum(lag, reach)[:, None] * np.arange(history_length + 1)


def _beginnings(trajectory: Trajectory, lag: int, history_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames that windows of a lag, in frames, begin with, and the number of frames that follow each in its
    segment.
    """
    parts, after, start = [], [], 0
    for segment in trajectory.segments:
        count = max(len(segment) - history_length * lag, 0)
        parts.append(np.arange(start, start + count, dtype=np.int64))
        after.append(len(segment) - 1 - np.arange(count, dtype=np.int64))
        start += len(segment)
    first = np.concatenate(parts)
    if not len(first):
        found = max(len(segment) for segment in trajectory.segments)
        lag_ps = lag * trajectory.frame_spacing_ps
        raise TrajectoryError(
            f"lagged_windows: no segment is long enough; expected more than {history_length * lag} frames for"
            f" {history_length} lags of {lag_ps:g} ps, found at most {found}; use a longer trajectory, a"
            " shorter lag or a shorter history."
        )
    return first, np.concatenate(after)
