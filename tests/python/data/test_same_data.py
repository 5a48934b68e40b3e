"""The same dynamics are recognised, whatever file they are in."""

import dataclasses

import numpy as np
import pytest
from alanine import make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.data.packed import from_packed, save_packed
from openmm_scoredyn.errors import TrajectoryError


def test_the_opening_is_the_same_in_any_file(tmp_path):
    trajectory = make_trajectory(30, 20)
    opening = data.opening_digest(trajectory)
    moved = dataclasses.replace(trajectory, segments=tuple(s + 1.7 for s in trajectory.segments))
    assert data.opening_digest(moved) == opening
    assert data.opening_digest(make_trajectory(30, segments=(trajectory.segments[0][:9],))) == opening
    save_packed(tmp_path / "t.npz", moved, {})
    assert data.opening_digest(from_packed(tmp_path / "t.npz", dict(np.load(tmp_path / "t.npz")))) == opening
    assert data.opening_digest(make_trajectory(30, seed=1)) != opening
    # Independent runs from one structure.
    frames = trajectory.segments[0].copy()
    frames[1:] = make_trajectory(29, seed=1).segments[0]
    assert data.opening_digest(make_trajectory(segments=(frames,))) != opening


def test_training_data_are_given_once():
    one, other = make_trajectory(30, source="a/0.npz"), make_trajectory(30, seed=1, source="a/1.npz")
    data.check_training_data([one, other])
    longer = make_trajectory(
        segments=(np.concatenate([one.positions, other.positions]),), source_sha256="f" * 64, source="b/0.npz"
    )
    with pytest.raises(
        TrajectoryError, match=r"train: a/0.npz and b/0.npz are the same dynamics; expected each"
    ):
        data.check_training_data([one, other, longer])


def test_each_molecule_is_held_against_its_own_kind():
    one, other = (make_trajectory(30, seed=seed, source=f"{seed}.npz") for seed in range(2))
    renamed = dataclasses.replace(one.molecule, residue_names=("XXX",) * 22)
    mirrored = tuple(segment * np.float32([-1, 1, 1]) for segment in other.segments)
    other = dataclasses.replace(other, segments=mirrored, molecule=renamed)
    data.check_training_data([one, other])
    with pytest.raises(TrajectoryError, match="has the other handedness"):
        data.check_training_data([one, dataclasses.replace(other, molecule=one.molecule)])


def test_sides_of_a_comparison_are_apart():
    reference = [make_trajectory(30, seed=seed) for seed in range(3)]
    data.require_apart(reference, [make_trajectory(30, seed=7)])
    with pytest.raises(TrajectoryError, match=r"is on both sides; .* found 1 of 2 trajectories"):
        data.require_apart(reference, [make_trajectory(30, seed=7), make_trajectory(30, seed=2)])
    assert data.shared_openings(reference, [data.opening_digest(reference[1])]) == [reference[1]]


def test_sides_of_a_comparison_have_one_temperature():
    data.require_one_temperature(300.0, 300.0)
    data.require_one_temperature(None, 400.0)
    with pytest.raises(TrajectoryError, match="expected 300 K, as the reference, found 400 K"):
        data.require_one_temperature(300.0, 400.0)
