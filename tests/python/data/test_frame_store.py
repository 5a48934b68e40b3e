"""A store of frames: whole after any kill, damage named, and never in memory as a whole."""

import json
import tracemalloc

import numpy as np
import pytest
from alanine import alanine_molecule

from openmm_scoredyn import data
from openmm_scoredyn.data.frame_store import FrameStore, StoredFrames, require_frames
from openmm_scoredyn.errors import OutputError, TrajectoryError

HEADER = {
    "frame_spacing_ps": 2.0,
    "temperature_K": 310.0,
    "molecule": alanine_molecule().to_dict(),
    "steered": False,
    "consecutive": False,
    "replicas_are": "segments",
}


def write(folder, lengths=(4, 4, 3), replicas=3, **changes):
    """A store of random frames (replicas, sum of lengths, 22, 3), and these."""
    frames = np.random.default_rng(0).normal(size=(replicas, sum(lengths), 22, 3)).astype(np.float32)
    store = FrameStore(folder)
    store.begin(HEADER | changes)
    for number, end in enumerate(np.cumsum(lengths)):
        chunk = {"positions": frames[:, end - lengths[number] : end]}
        store.append(chunk, f"state {number}".encode(), {"steps": int(end)})
    return frames


def test_what_is_written_is_read_where_it_is_used(tmp_path):
    frames = write(tmp_path / "t.frames")
    (trajectory,) = data.load(tmp_path)
    assert all(isinstance(segment, StoredFrames) for segment in trajectory.segments)
    for replica, segment in enumerate(trajectory.segments):
        np.testing.assert_array_equal(segment, frames[replica])
        for chosen in (5, -1, slice(2, 9), slice(None, None, 3), np.array([[10, 0], [4, 4]])):
            np.testing.assert_array_equal(segment[chosen], frames[replica][chosen])
        for chosen in (
            (slice(1, 8), [3, 5]),
            (4, 2),
            (np.array([1, 9]), np.array([0, 2])),
            (slice(None), 0, 1),
        ):
            np.testing.assert_array_equal(segment[chosen], frames[replica][chosen])
        np.testing.assert_array_equal(segment - frames[replica, 0], frames[replica] - frames[replica, 0])
        np.testing.assert_array_equal(segment.mean(axis=1), frames[replica].mean(axis=1))
        np.testing.assert_array_equal(np.diff(segment, axis=0), np.diff(frames[replica], axis=0))
    indices = data.lagged_windows(trajectory, 4.0, 2)
    np.testing.assert_array_equal(trajectory.frames(indices), frames.reshape(-1, 22, 3)[indices])
    later = data.discard(trajectory, 6.0)
    assert all(isinstance(segment, StoredFrames) for segment in later.segments), "a part is not read either"
    np.testing.assert_array_equal(later.segments[1], frames[1, 3:])
    assert FrameStore(tmp_path / "t.frames").state() == b"state 2"


def test_replicas_are_segments_or_trajectories(tmp_path):
    frames = write(tmp_path / "t.frames", (4, 4), replicas_are="trajectories", frames_per_segment=2)
    trajectories = data.load(tmp_path / "t.frames")
    assert [len(trajectory.segments) for trajectory in trajectories] == [4, 4, 4]
    np.testing.assert_array_equal(trajectories[2].positions, frames[2])
    assert len({trajectory.source_sha256 for trajectory in trajectories}) == 3
    write(tmp_path / "same.frames", (4, 4), replicas_are="trajectories", frames_per_segment=2)
    again = data.load(tmp_path / "same.frames")
    assert [t.source_sha256 for t in again] == [t.source_sha256 for t in trajectories]


@pytest.mark.parametrize("file", ["000001.positions.npy", "state_000002"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damage_is_named(tmp_path, file, damage):
    write(tmp_path / "t.frames")
    path = tmp_path / "t.frames" / file
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[-5] ^= 1
        path.write_bytes(content if damage == "flipped" else content[:-5])
    with pytest.raises(TrajectoryError, match=f"the chunk .*{file} is not what was written"):
        store = FrameStore(tmp_path / "t.frames")
        store.state()
        store.verify()


def test_positions_that_are_not_finite_are_named(tmp_path):
    store = FrameStore(tmp_path / "t.frames")
    store.begin(HEADER)
    frames = np.zeros((2, 3, 22, 3), np.float32)
    frames[1, 2, 7] = np.nan
    store.append({"positions": frames}, b"", {})
    with pytest.raises(TrajectoryError, match="000000.positions.npy .*a position is not finite"):
        data.load(tmp_path)


def test_what_a_kill_leaves_is_taken_back(tmp_path):
    """Files without a line in the index, and half a line."""
    frames = write(tmp_path / "whole.frames")
    write(tmp_path / "t.frames", (4, 4))
    folder = tmp_path / "t.frames"
    (folder / "000002.positions.npy").write_bytes(b"half")
    (folder / "state_000002").write_bytes(b"half")
    with open(folder / "index.jsonl", "ab") as file:
        file.write(b'{"frames": 4, "arr')
    store = FrameStore(folder)
    assert store.n_frames == 8
    store.remove_uncommitted()
    store.append({"positions": frames[:, 8:]}, b"state 2", {"steps": 11})
    # The first two chunks are those of other numbers; only names and state are compared.
    whole = {path.name for path in (tmp_path / "whole.frames").iterdir()}
    assert {path.name for path in folder.iterdir()} == whole
    assert FrameStore(folder).state() == b"state 2"


def test_frames_are_counted_on_the_disk(tmp_path):
    write(tmp_path / "t.frames")
    require_frames(tmp_path / "t.frames", 11)
    with pytest.raises(OutputError, match="expected 12 frames, found 11"):
        require_frames(tmp_path / "t.frames", 12)
    (tmp_path / "t.frames" / "000000.positions.npy").unlink()
    with pytest.raises(OutputError, match="not there any more; .*000000.positions.npy .*it is missing"):
        require_frames(tmp_path / "t.frames", 11)


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"format_version": "2.0"}\n'])
def test_an_index_that_cannot_be_read(tmp_path, line):
    write(tmp_path / "t.frames")
    (tmp_path / "t.frames" / "index.jsonl").write_bytes(line)
    with pytest.raises(
        TrajectoryError, match=r"the index of .* cannot be read|is of format 2.0; expected 1.0"
    ):
        data.load(tmp_path / "t.frames")


def test_a_header_that_lacks_something(tmp_path):
    write(tmp_path / "t.frames")
    index = tmp_path / "t.frames" / "index.jsonl"
    first, *rest = index.read_text().splitlines(True)
    header = json.loads(first)
    del header["molecule"]
    index.write_text(json.dumps(header) + "\n" + "".join(rest))
    with pytest.raises(TrajectoryError, match=r"the description in .*t.frames cannot be read"):
        data.load(tmp_path / "t.frames")


def test_a_store_without_frames(tmp_path):
    FrameStore(tmp_path / "t.frames").begin(HEADER)
    with pytest.raises(TrajectoryError, match=r"t.frames holds no frames yet"):
        data.load(tmp_path / "t.frames")


def test_reading_needs_no_memory(tmp_path):
    """Windows of a store are read without the store: 30 MB on the disk, a few in memory."""
    frames = np.zeros((10, 5600, 22, 3), np.float32)
    store = FrameStore(tmp_path / "t.frames")
    store.begin(HEADER)
    for _ in range(2):
        store.append({"positions": frames}, b"", {})
    del frames
    tracemalloc.start()
    (trajectory,) = data.load(tmp_path / "t.frames")
    windows = data.lagged_windows(trajectory, 2.0)
    assert len(windows) == 10 * (2 * 5600 - 1)
    trajectory.frames(windows[::500])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 * trajectory.n_frames * 66 > 29e6 and peak < 10e6


def test_mdtraj_reads_a_piece_at_a_time(tmp_path, monkeypatch):
    mdtraj = pytest.importorskip("mdtraj")
    box = 3 * np.eye(3, dtype=np.float32)
    frames = write(tmp_path / "t.frames", (4, 4, 3), replicas=2, box_nm=box.tolist())
    longest = 0
    read = StoredFrames.__getitem__

    def measured(self, chosen):
        nonlocal longest
        found = read(self, chosen)
        longest = max(longest, len(found))
        return found

    monkeypatch.setattr(StoredFrames, "__getitem__", measured)
    pieces = list(data.iterate_mdtraj(data.load(tmp_path / "t.frames"), n_frames=5))
    assert longest == 5 and all(isinstance(piece, mdtraj.Trajectory) for piece in pieces)
    assert [piece.n_frames for piece in pieces] == [5, 5, 1, 5, 5, 1], "no piece goes over a replica's end"
    np.testing.assert_array_equal(np.concatenate([p.xyz for p in pieces]), frames.reshape(-1, 22, 3))
    np.testing.assert_allclose(pieces[1].time, [10, 12, 14, 16, 18])
    np.testing.assert_allclose(pieces[-1].unitcell_vectors[0], box, atol=1e-6)
    assert [atom.name for atom in pieces[0].topology.atoms] == list(alanine_molecule().atom_names)
    psi = np.concatenate([mdtraj.compute_psi(piece)[1] for piece in pieces])
    assert psi.shape == (22, 1)
