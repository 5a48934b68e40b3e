import dataclasses

import numpy as np
import pytest
from alanine import alanine_molecule, make_trajectory

from openmm_scoredyn.data import Split, lagged_windows, split_by_molecule, split_by_time, split_by_trajectory
from openmm_scoredyn.errors import TrajectoryError


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
    with pytest.raises(TrajectoryError, match="a trajectory is given twice"):
        split_by_trajectory([one, one])
    with pytest.raises(TrajectoryError, match="expected a validation fraction between 0 and 1, found 1"):
        split_by_trajectory([one], 1)


def test_one_long_trajectory_is_split_along_time(tmp_path):
    """It trains up to a moment and validates after it, and no window sees both sides."""
    frames = np.broadcast_to(np.arange(100.0)[:, None, None], (100, 22, 3))
    one = make_trajectory(segments=(frames,))
    split = split_by_trajectory([one], 0.2, seed=3)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    (training,), (validation,) = split.select([one])
    np.testing.assert_array_equal(training.positions[:, 0, 0], np.arange(80))
    np.testing.assert_array_equal(validation.positions[:, 0, 0], np.arange(80, 100))
    assert training.source_sha256 != validation.source_sha256
    assert len(lagged_windows(training, 1.0)) + len(lagged_windows(validation, 1.0)) == 98
    with pytest.raises(TrajectoryError, match="expected two frames or more on either side"):
        split_by_trajectory([make_trajectory(4)])


def test_every_trajectory_is_split_along_time():
    several = [make_trajectory(20, seed=seed) for seed in range(3)]
    training, validation = split_by_time(several, 0.25).select(several)
    assert [t.n_frames for t in training] == [15] * 3 and [t.n_frames for t in validation] == [5] * 3


@pytest.mark.parametrize("seed", range(4))
def test_whole_molecules_are_put_aside(seed):
    def of(name, number):
        molecule = dataclasses.replace(alanine_molecule(), residue_names=(name,) * 22)
        return make_trajectory(10, seed=number, molecule=molecule)

    data = [of(name, 10 * k + number) for k, name in enumerate("ABCD") for number in range(3)]
    training, validation = split_by_molecule(data, 0.2, seed=seed).select(data)
    names = [{t.molecule.residue_names[0] for t in part} for part in (training, validation)]
    assert len(training) + len(validation) == 12 and len(names[1]) == 1
    assert names[0].isdisjoint(names[1])
    with pytest.raises(TrajectoryError, match="two molecules or more, found one molecule"):
        split_by_molecule(data[:3])
