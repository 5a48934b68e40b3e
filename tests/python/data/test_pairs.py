import numpy as np
import pytest
from alanine import make_trajectory

from openmm_scoredyn.data import Split, cut, discard, lagged_pairs, split_by_trajectory
from openmm_scoredyn.errors import LagTimeError, TrajectoryError


def numbered(*lengths, spacing=1.0):
    """A trajectory whose x coordinates are 1000 x segment + frame, so that a pair tells where it is from."""
    segments = tuple(
        np.broadcast_to((1000 * s + np.arange(n))[:, None, None], (n, 22, 3)) for s, n in enumerate(lengths)
    )
    return make_trajectory(segments=segments, frame_spacing_ps=spacing)


@pytest.mark.parametrize("lag, count", [(1, 4 + 2 + 6), (2, 3 + 1 + 5), (4, 1 + 0 + 3)])
def test_pairs_never_cross_segments(lag, count):
    trajectory = numbered(5, 3, 7)
    before, after = lagged_pairs(trajectory, float(lag))
    x = trajectory.positions[:, 0, 0]
    assert len(before) == count
    np.testing.assert_array_equal(x[after] - x[before], lag)
    np.testing.assert_array_equal(x[before] // 1000, x[after] // 1000)
    assert len(set(before)) == count
    assert before.dtype == after.dtype == np.int64


def test_lag_is_counted_in_frame_spacings():
    before, after = lagged_pairs(numbered(10, spacing=0.2), 0.6)
    np.testing.assert_array_equal(after - before, 3)
    assert len(before) == 7


def test_history_stays_within_the_segment():
    trajectory = numbered(5, 6)
    before, after = lagged_pairs(trajectory, 2.0, history_length=2)
    np.testing.assert_array_equal(before, [2, 7, 8])
    np.testing.assert_array_equal(after, before + 2)


@pytest.mark.parametrize("lag", [1.0, 3.0, 0.0, -2.0])
def test_lag_that_the_spacing_does_not_divide(lag):
    with pytest.raises(LagTimeError, match=f"expected a multiple of 2 ps, found {lag:g} ps"):
        lagged_pairs(numbered(10, spacing=2.0), lag)


def test_too_short_for_one_pair():
    with pytest.raises(
        TrajectoryError, match="expected more than 5 frames for a lag of 5 ps, found at most 4"
    ):
        lagged_pairs(numbered(4, 3), 5.0)


def test_split_is_by_trajectory_and_has_both_kinds_in_both_parts():
    free = [make_trajectory(10, seed=seed) for seed in range(6)]
    steered = [make_trajectory(10, seed=10 + seed, steered=True) for seed in range(4)]
    split = split_by_trajectory(free + steered, 0.25, seed=3)
    training, validation = split.select(free + steered)
    assert {t.source_sha256 for t in training}.isdisjoint(t.source_sha256 for t in validation)
    assert len(training) + len(validation) == 10
    assert sorted(t.steered for t in validation) == [False, False, True]
    assert {t.steered for t in training} == {False, True}
    assert split_by_trajectory(free + steered, 0.25, seed=3) == split
    assert split_by_trajectory(free + steered, 0.25, seed=4) != split


@pytest.mark.parametrize("seed", range(5))
def test_paths_along_each_torsion_are_in_both_parts(seed):
    paths = [
        make_trajectory(
            2, 2, seed=number, steered=True, weights=np.ones((2, 2), np.float32), shot_torsion=torsion
        )
        for number, torsion in enumerate(["phi"] * 2 + ["psi"] * 20)
    ]
    for part in split_by_trajectory(paths, 0.1, seed=seed).select(paths):
        assert {path.shot_torsion for path in part} == {"phi", "psi"}


def test_split_is_stored(tmp_path):
    trajectories = [make_trajectory(4, seed=seed) for seed in range(4)]
    split = split_by_trajectory(trajectories, seed=5)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    with pytest.raises(TrajectoryError, match="1 of the split's are missing and 0 are unknown"):
        split.select(trajectories[1:])
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(TrajectoryError, match="Split: cannot read"):
        Split.load(tmp_path / "split.json")


def test_impossible_splits():
    one = make_trajectory(4)
    with pytest.raises(TrajectoryError, match="expected at least two trajectories of one kind, found 1"):
        split_by_trajectory([one])
    with pytest.raises(TrajectoryError, match="a trajectory is given twice"):
        split_by_trajectory([one, one])
    with pytest.raises(TrajectoryError, match="expected a validation fraction between 0 and 1, found 1"):
        split_by_trajectory([one], 1)


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
