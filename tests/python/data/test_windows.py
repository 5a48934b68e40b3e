import numpy as np
import pytest
from alanine import make_trajectory

from openmm_scoredyn.data import (
    cut,
    discard,
    divide,
    lagged_windows,
    split_by_trajectory,
    windows_of_all_lags,
)
from openmm_scoredyn.errors import LagTimeError, TrajectoryError


def numbered(*lengths, spacing=1.0, **fields):
    """A trajectory whose x coordinates are 1000 x segment + frame, which tells where a window is from."""
    segments = tuple(
        np.broadcast_to((1000 * s + np.arange(n))[:, None, None], (n, 22, 3)) for s, n in enumerate(lengths)
    )
    return make_trajectory(segments=segments, frame_spacing_ps=spacing, **fields)


@pytest.mark.parametrize("lag, count", [(1, 4 + 2 + 6), (2, 3 + 1 + 5), (4, 1 + 0 + 3)])
def test_windows_never_cross_segments(lag, count):
    trajectory = numbered(5, 3, 7)
    windows = lagged_windows(trajectory, float(lag))
    x = trajectory.frames(windows)[..., 0, 0]
    assert windows.shape == (count, 2) and windows.dtype == np.int64
    np.testing.assert_array_equal(x[:, 1] - x[:, 0], lag)
    np.testing.assert_array_equal(x[:, 0] // 1000, x[:, 1] // 1000)
    assert len(set(windows[:, 0])) == count


def test_lag_is_counted_in_frame_spacings():
    windows = lagged_windows(numbered(10, spacing=0.2), 0.6)
    np.testing.assert_array_equal(windows[:, 1] - windows[:, 0], 3)
    assert len(windows) == 7


@pytest.mark.parametrize("history_length", [1, 2, 3])
def test_histories_stay_within_the_segment(history_length):
    trajectory = numbered(5, 8)
    x = trajectory.frames(lagged_windows(trajectory, 2.0, history_length))[..., 0, 0]
    assert x.shape[1] == history_length + 1
    # Oldest first, one lag apart, the last one the frame that is to be predicted.
    np.testing.assert_array_equal(np.diff(x, axis=1), 2)
    expected = [1000 * s + t for s, n in enumerate((5, 8)) for t in range(n - 2 * history_length)]
    np.testing.assert_array_equal(x[:, 0], expected)


def test_boxes_belong_to_their_frames():
    boxes = np.eye(3) * (1 + np.arange(12))[:, None, None]
    trajectory = numbered(5, 7, box=boxes)
    windows = lagged_windows(trajectory, 2.0, 2)
    np.testing.assert_array_equal(trajectory.boxes(windows)[..., 0, 0], 1 + windows)
    constant = numbered(5, 7, box=3 * np.eye(3))
    assert constant.boxes(windows).shape == (*windows.shape, 3, 3)
    np.testing.assert_array_equal(constant.boxes(windows)[2, 1], 3 * np.eye(3))
    np.testing.assert_array_equal(numbered(5, 7).boxes(windows), 0)
    # Parts keep the boxes of their frames.
    (left,) = (discard(trajectory, 3.0),)
    np.testing.assert_array_equal(left.box[:, 0, 0], [4, 5, 9, 10, 11, 12])
    np.testing.assert_array_equal(divide(trajectory, 8)[1].box[:, 0, 0], [9, 10, 11, 12])


@pytest.mark.parametrize("lag", [1.0, 3.0, 0.0, -2.0])
def test_lag_that_the_spacing_does_not_divide(lag):
    with pytest.raises(LagTimeError, match=f"expected a multiple of 2 ps, found {lag:g} ps"):
        lagged_windows(numbered(10, spacing=2.0), lag)


def test_too_short_for_one_window():
    with pytest.raises(
        TrajectoryError, match="expected more than 5 frames for 1 lags of 5 ps, found at most 4"
    ):
        lagged_windows(numbered(4, 3), 5.0)
    assert len(lagged_windows(numbered(5, 3), 1.0, 4)) == 1
    with pytest.raises(TrajectoryError, match="expected more than 5 frames for 5 lags"):
        lagged_windows(numbered(5, 3), 1.0, 5)
    with pytest.raises(TrajectoryError, match="expected a history of 1 frame or more, found 0"):
        lagged_windows(numbered(5, 3), 1.0, 0)


def test_a_trajectory_is_divided_along_time():
    earlier, later = divide(numbered(5, 3, 7), 7)
    assert [list(segment[:, 0, 0]) for segment in earlier.segments] == [[0, 1, 2, 3, 4], [1000, 1001]]
    assert [list(segment[:, 0, 0]) for segment in later.segments] == [list(range(2000, 2007))]
    assert len({part.source_sha256 for part in (earlier, later, numbered(5, 3, 7))}) == 3
    with pytest.raises(TrajectoryError, match="expected two frames or more on either side, found 4 frames"):
        divide(numbered(4), 3)
    paths = make_trajectory(2, 2, 2, steered=True, weights=np.arange(1.0, 7).reshape(3, 2))
    assert [list(part.weights[:, 0]) for part in divide(paths, 3)] == [[1], [5]]


def test_cut_gives_parts_apart():
    parts = cut(numbered(20), 3, gap_frames=2)
    assert [list(part.positions[:, 0, 0]) for part in parts] == [
        [0, 1, 2, 3, 4], [7, 8, 9, 10, 11], [14, 15, 16, 17, 18]
    ]  # fmt: skip
    assert len({part.source_sha256 for part in parts}) == 3
    split_by_trajectory(parts)
    with pytest.raises(TrajectoryError, match="expected one segment"):
        cut(numbered(5, 5), 2)


def test_discard_leaves_out_the_beginning_of_every_segment():
    left = discard(numbered(9, 7, spacing=0.5), 2.0)
    assert [segment[0, 0, 0] for segment in left.segments] == [4, 1004]
    assert [len(segment) for segment in left.segments] == [5, 3]
    assert left.source_sha256 != numbered(9, 7, spacing=0.5).source_sha256
    with pytest.raises(TrajectoryError, match="expected segments longer than 3 ps, found one of 3 ps"):
        discard(numbered(9, 7, spacing=0.5), 3.0)


def test_lags_of_a_range_are_drawn_evenly_in_the_logarithm_as_far_as_the_segment_reaches():
    trajectory = numbered(30_000, 5, 2)
    windows = windows_of_all_lags(trajectory, 1.0, 100.0, seed=3)
    x = trajectory.frames(windows)[..., 0, 0]
    lag = windows[:, 1] - windows[:, 0]
    np.testing.assert_array_equal(x[:, 1] - x[:, 0], lag)  # within segments
    assert lag.min() == 1 and lag.max() == 100
    long = lag[windows[:, 0] < 29_900]
    for low, high in ((1, 4), (4, 20), (20, 101)):
        expected = np.log(high / low) / np.log(101)
        error = np.sqrt(expected * (1 - expected) / len(long))
        assert abs(((low <= long) & (long < high)).mean() - expected) < 4 * error
    np.testing.assert_array_equal(windows, windows_of_all_lags(trajectory, 1.0, 100.0, seed=3))
    assert (windows != windows_of_all_lags(trajectory, 1.0, 100.0, seed=4)).any()


def test_histories_of_a_range_are_one_lag_apart():
    windows = windows_of_all_lags(numbered(200), 1.0, 20.0, 3, seed=2)
    gaps = np.diff(windows, axis=1)
    assert windows.shape[1] == 4 and (gaps == gaps[:, :1]).all() and windows.max() < 200


def test_frames_farther_apart_than_the_shortest_lag_show_the_longer_ones():
    windows = windows_of_all_lags(numbered(100, spacing=10.0), 1.0, 35.0, seed=2)
    assert set(windows[:, 1] - windows[:, 0]) == {1, 2, 3}


def test_a_range_without_a_multiple_of_the_spacing_is_refused():
    with pytest.raises(LagTimeError, match="expected one of 2 ps from 0.5 to 1.5 ps, found none"):
        windows_of_all_lags(numbered(10, spacing=2.0), 0.5, 1.5, seed=1)
