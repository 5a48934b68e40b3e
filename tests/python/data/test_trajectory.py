import dataclasses
import hashlib
import json

import numpy as np
import pytest
from alanine import PDB, alanine_molecule, alanine_positions, make_trajectory

from openmm_scoredyn import data
from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.data.trajectory import first_difference
from openmm_scoredyn.errors import MoleculeError, OutputError, TrajectoryError


def write_archive(path, positions, **changes):
    metadata = {
        "frame_spacing_ps": 2.0,
        "temperature_K": 310.0,
        "molecule": alanine_molecule().to_dict(),
        "steered": True,
        "consecutive": False,
        "force_field": "a force field",
        "solvent": "a solvent",
    }
    data.save_archive(path, positions, metadata | changes)


def test_archive_round_trip_keeps_every_field(tmp_path):
    positions = np.random.default_rng(0).normal(size=(3, 4, 22, 3)).astype(np.float32)
    write_archive(tmp_path / "trajectory_0000.npz", positions)
    (loaded,) = data.load(tmp_path)
    assert len(loaded.segments) == 3
    np.testing.assert_array_equal(np.stack(loaded.segments), positions)
    np.testing.assert_array_equal(loaded.positions, positions.reshape(12, 22, 3))
    assert (loaded.frame_spacing_ps, loaded.temperature_K) == (2.0, 310.0)
    assert (loaded.steered, loaded.consecutive) == (True, False)
    assert (loaded.force_field, loaded.solvent) == ("a force field", "a solvent")
    assert loaded.molecule == alanine_molecule()
    assert loaded.length_ps == 3 * 3 * 2.0
    digest = hashlib.sha256((tmp_path / "trajectory_0000.npz").read_bytes()).hexdigest()
    assert loaded.source_sha256 == digest


def test_consecutive_segments_become_one(tmp_path):
    positions = np.random.default_rng(0).normal(size=(3, 4, 22, 3)).astype(np.float32)
    write_archive(tmp_path / "t.npz", positions, consecutive=True, steered=False)
    (loaded,) = data.load(tmp_path / "t.npz")
    (segment,) = loaded.segments
    np.testing.assert_array_equal(segment, positions.reshape(12, 22, 3))


def test_picometre_file_gives_steered_and_unsteered_apart(tmp_path):
    positions = np.round(1000 * np.tile(alanine_positions(), (3, 4, 1, 1))).astype(np.int16)
    positions[1] += 7
    path = tmp_path / "old.npz"
    np.savez(path, positions_pm=positions, steered=np.array([False, True, False]), lag_time_ps=np.float32(1))
    free, steered = data.load(path, topology=PDB, temperature_K=300)
    assert (free.steered, steered.steered) == (False, True)
    assert (len(free.segments), len(steered.segments)) == (2, 1)
    assert free.source_sha256 != steered.source_sha256
    # The step to the unsteered segment that goes on where this one ended belongs to this one.
    expected = np.concatenate([positions[1], positions[2, :1]])
    np.testing.assert_allclose(steered.segments[0], expected / 1000, rtol=1e-6)
    with pytest.raises(TrajectoryError, match="does not say of which molecule"):
        data.load(path)


@pytest.mark.parametrize("suffix, spacing", [("xtc", None), ("dcd", 2.0), ("trr", None)])
def test_mdtraj_files(tmp_path, suffix, spacing):
    mdtraj = pytest.importorskip("mdtraj")
    positions = make_trajectory(5).positions
    written = mdtraj.Trajectory(positions, mdtraj.load_topology(str(PDB)), time=2.0 * np.arange(5))
    written.save(str(tmp_path / f"t.{suffix}"))
    (loaded,) = data.load(tmp_path / f"t.{suffix}", topology=PDB, frame_spacing_ps=spacing, temperature_K=300)
    assert loaded.frame_spacing_ps == 2.0
    assert first_difference(alanine_molecule(), loaded.molecule) is None
    assert {frozenset(b) for b in loaded.molecule.bonds} == {frozenset(b) for b in alanine_molecule().bonds}
    np.testing.assert_allclose(loaded.positions, positions, atol=1e-3)


def test_dcd_needs_a_spacing_as_the_format_does_not_hold_it(tmp_path):
    (tmp_path / "t.dcd").write_bytes(b"")
    with pytest.raises(TrajectoryError, match=r"do not hold a reliable frame spacing; give it \(--spacing\)"):
        data.load(tmp_path / "t.dcd", topology=PDB)


def test_fingerprint_depends_on_content_not_on_order():
    one, two, three = (make_trajectory(3, seed=seed) for seed in range(3))
    assert data.fingerprint([one, two]) == data.fingerprint([two, one])
    assert data.fingerprint([one, two]) != data.fingerprint([one, three])


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"segments": ()}, "no segments"),
        ({"segments": (np.zeros((1, 22, 3)),)}, "expected at least 2 frames, found 1"),
        ({"segments": (np.zeros((5, 21, 3)),)}, r"has shape \(5, 21, 3\); expected \(frames, 22, 3\)"),
        ({"frame_spacing_ps": 0.0}, "frame_spacing_ps must be positive; found 0.0"),
        ({"frame_spacing_ps": None}, "the frame spacing is unknown"),
        ({"temperature_K": float("nan")}, "temperature_K must be positive; found nan"),
    ],
)
def test_impossible_trajectories_are_refused(fields, message):
    with pytest.raises(TrajectoryError, match=message):
        make_trajectory(3, **fields)


def test_nan_position_is_named():
    positions = np.zeros((4, 22, 3))
    positions[2, 7, 1] = np.nan
    with pytest.raises(TrajectoryError, match="segment 1, frame 2, atom 7 has a position that is not finite"):
        make_trajectory(3, segments=(np.zeros((3, 22, 3)), positions))


def test_another_molecule_is_refused(tmp_path):
    positions = np.zeros((1, 4, 22, 3))
    write_archive(tmp_path / "a.npz", positions)
    other = alanine_molecule().to_dict()
    other["types"][5] = "S"
    write_archive(tmp_path / "b.npz", positions, molecule=other)
    with pytest.raises(
        MoleculeError, match="number 1 is of another molecule.*atom 5: expected O ACE:O.*found S ACE:O"
    ):
        data.load(tmp_path)
    shorter = dataclasses.replace(
        alanine_molecule(),
        **{n: getattr(alanine_molecule(), n)[:21] for n in other if n != "bonds"},
        bonds=(),
    )
    write_archive(tmp_path / "b.npz", positions[:, :, :21], molecule=shorter.to_dict())
    with pytest.raises(MoleculeError, match="expected 22 atoms, found 21"):
        data.load(tmp_path)


def test_masses_may_differ_between_trajectories(tmp_path):
    write_archive(tmp_path / "a.npz", np.zeros((1, 4, 22, 3)))
    heavy = alanine_molecule().to_dict() | {"masses_amu": [3.0] * 22}
    write_archive(tmp_path / "b.npz", np.ones((1, 4, 22, 3)), molecule=heavy)
    assert len(data.load(tmp_path)) == 2


def test_unreadable_paths(tmp_path):
    with pytest.raises(TrajectoryError, match="cannot read .*missing.npz; No such file"):
        data.load(tmp_path / "missing.npz")
    with pytest.raises(TrajectoryError, match="no npz file or store of frames in the folder"):
        data.load(tmp_path)
    with pytest.raises(TrajectoryError, match="no files given"):
        data.load([])
    write_archive(tmp_path / "a.npz", np.zeros((1, 4, 22, 3)))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrajectoryError, match="b.npz is not a readable npz file .*truncated"):
        data.load(tmp_path / "b.npz")
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(TrajectoryError, match="array.npz is not a readable npz file"):
        data.load(tmp_path / "array.npz")
    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    with pytest.raises(TrajectoryError, match=r"holds \['x'\]; expected positions_nm and metadata"):
        data.load(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", positions_nm=np.zeros((1, 2, 22, 3)), metadata=np.array(json.dumps({})))
    with pytest.raises(TrajectoryError, match="the description in .*d.npz cannot be read"):
        data.load(tmp_path / "d.npz")


def test_unreadable_mdtraj_file(tmp_path):
    pytest.importorskip("mdtraj")
    (tmp_path / "t.xtc").write_bytes(b"not a trajectory")
    with pytest.raises(TrajectoryError, match="frame 0 of .*t.xtc is cut"):
        data.load(tmp_path / "t.xtc", topology=PDB)


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full_disk(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="cannot write .*file; No space left on device"):
        write_atomically(path, full_disk)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match="cannot write .*No such file"):
        write_atomically(tmp_path / "missing" / "file", lambda file: file.write(b""))


@pytest.mark.parametrize(
    "box, message",
    [
        (np.eye(2), r"box vectors of shape \(2, 2\); expected \(3, 3\) or \(3, 3, 3\)"),
        (np.tile(np.eye(3), (4, 1, 1)), r"expected \(3, 3\) or \(3, 3, 3\), one for each frame"),
        (np.diag([1.0, 1.0, 0.0]), "span a volume"),
        (np.diag([1.0, np.nan, 1.0]), "finite"),
    ],
)
def test_impossible_boxes_are_refused(box, message):
    assert make_trajectory(3, box=2 * np.eye(3)).box.dtype == np.float32
    with pytest.raises(TrajectoryError, match=message):
        make_trajectory(3, box=box)


def test_frames_are_gathered_in_any_shape():
    trajectory = make_trajectory(3, 4, 2)
    indices = np.array([[8, 0, 3], [2, 6, 7]])
    np.testing.assert_array_equal(trajectory.frames(indices), trajectory.positions[indices])
