"""Frames of many replicas on the disk, written chunk by chunk and read where they are used.

A store is a folder NAME.frames: `index.jsonl`, whose first line describes the trajectory and whose every
further line commits one chunk with its checksums; the chunks, `000000.positions.npy` and so on, (replicas,
frames, N, 3) each; and the state to go on from. A chunk counts once its line is on the disk, so a kill costs
at most a chunk, and nothing ever holds all frames.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openmm_scoredyn.data.atomic import make_directory, sync_folder, write_atomically
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import OutputError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

SUFFIX = ".frames"
FORMAT_VERSION = "1.0"
_INDEX = "index.jsonl"
_BLOCK_BYTES = 1 << 22


def is_store(path: Path) -> bool:
    """Whether a folder is a store of frames."""
    return (path / _INDEX).is_file()


class FrameStore:
    """A store, to write or to read.

    Parameters
    ----------
    folder : NAME.frames; it need not exist yet

    Attributes
    ----------
    header : dict, what `begin` was given; empty where there is no store yet
    chunks : list of dict, the lines of the index: `frames`, `arrays` by name with `file`, `bytes` and
    `sha256`,
        `state`, and `note`

    Raises
    ------
    TrajectoryError
        If the index is damaged, or a chunk that it counts is missing or of another size.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.header, self.chunks = {}, []
        if not is_store(self.folder):
            return
        lines = (self.folder / _INDEX).read_bytes().split(b"\n")
        try:
            # The last piece is empty, or a line that a kill cut short.
            self.header, *self.chunks = [json.loads(line) for line in lines[:-1]]
            version = str(self.header["format_version"])
        except (ValueError, KeyError, TypeError) as error:
            raise TrajectoryError(
                f"Trajectory: the index of {self.folder} cannot be read ({error!r}); expected what `scoredyn"
                " run`"
                " or `scoredyn simulate` writes; make the frames again."
            ) from None
        if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise TrajectoryError(
                f"Trajectory: {self.folder} is of format {version}; expected {FORMAT_VERSION}; update"
                " openmm-scoredyn."
            )
        for part in self._parts():
            self._require_size(part)

    @property
    def untouched(self) -> bool:
        """Whether the folder holds nothing but a lock and what a process left that was killed when it began
        the index.
        """
        names = (path.name for path in self.folder.iterdir()) if self.folder.exists() else ()
        return all(name == ".lock" or name.startswith(f".{_INDEX}.") for name in names)

    @property
    def n_frames(self) -> int:
        """Frames of each replica."""
        return sum(chunk["frames"] for chunk in self.chunks)

    @cached_property
    def ends(self) -> np.ndarray:
        """Number of frames up to the end of each chunk, of a store that is read."""
        return np.cumsum([chunk["frames"] for chunk in self.chunks])

    @property
    def note(self) -> dict:
        """What the last chunk was appended with; empty before the first."""
        return self.chunks[-1]["note"] if self.chunks else {}

    @property
    def sha256(self) -> str:
        """Digest of the index, which holds those of all chunks: equal content, equal digest."""
        return hashlib.sha256((self.folder / _INDEX).read_bytes()).hexdigest()

    def begin(self, header: dict) -> None:
        """Make an empty store; `header` is JSON-ready, see `load_store` for what is read of it."""
        make_directory(self.folder)
        self.header = {"format_version": FORMAT_VERSION} | header
        line = json.dumps(self.header, sort_keys=True).encode() + b"\n"
        write_atomically(self.folder / _INDEX, lambda file: file.write(line))

    def append(self, arrays: dict[str, np.ndarray], state: bytes, note: dict) -> None:
        """Add a chunk.

        Parameters
        ----------
        arrays : by name, (replicas, frames, ...) each; `positions` among them, float32, nm
        state : to go on from after this chunk; that of the chunk before is deleted
        note : JSON-ready, kept with the chunk

        Raises
        ------
        OutputError
            If it cannot be written; the store then ends with the chunk before.
        """
        number = len(self.chunks)
        stored = {
            name: self._write(f"{number:06d}.{name}.npy", lambda file, array=array: np.save(file, array))
            for name, array in arrays.items()
        }
        line = {
            "frames": arrays["positions"].shape[1],
            "arrays": stored,
            "state": self._write(f"state_{number:06d}", lambda file: file.write(state)),
            "note": note,
        }
        self._commit(json.dumps(line, sort_keys=True).encode() + b"\n")
        self.chunks.append(line)
        if number:
            (self.folder / f"state_{number - 1:06d}").unlink(missing_ok=True)

    def state(self) -> bytes:
        """State after the last chunk; there must be one."""
        part = self.chunks[-1]["state"]
        content = (self.folder / part["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != part["sha256"]:
            raise self._damaged(part["file"], "its checksum is another")
        return content

    def remove_uncommitted(self) -> None:
        """Delete what a killed process wrote after the last line of the index, and the line it did not
        finish.
        """
        known = {_INDEX, *(part["file"] for part in self._parts())}
        for path in self.folder.iterdir():
            if path.name not in known and not path.name.startswith("."):
                path.unlink()
        content = (self.folder / _INDEX).read_bytes()
        os.truncate(self.folder / _INDEX, content.rfind(b"\n") + 1)

    def verify(self) -> None:
        """Compare every chunk with its checksum, a block at a time, and look for positions that are not
        finite.

        Raises
        ------
        TrajectoryError
            Naming the chunk.
        """
        for chunk in self.chunks:
            for name, part in chunk["arrays"].items():
                with open(self.folder / part["file"], "rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != part["sha256"]:
                        raise self._damaged(part["file"], "its checksum is another")
                if name == "positions":
                    array = self.read(part["file"])
                    if not all(np.isfinite(block).all() for block in _blocks(array)):
                        raise self._damaged(part["file"], "a position is not finite")

    def read(self, file: str) -> np.ndarray:
        """The array of a chunk, mapped: what is not used is not read."""
        try:
            return np.load(self.folder / file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(file, str(error)) from None

    def array(self, name: str) -> np.ndarray:
        """A small array of all chunks, joined along the frames, (replicas, F, ...), in memory."""
        return np.concatenate([self.read(chunk["arrays"][name]["file"]) for chunk in self.chunks], axis=1)

    def _parts(self) -> Iterator[dict]:
        for chunk in self.chunks:
            yield from chunk["arrays"].values()
        if self.chunks:
            yield self.chunks[-1]["state"]

    def _require_size(self, part: dict) -> None:
        path = self.folder / part["file"]
        found = path.stat().st_size if path.exists() else None
        if found != part["bytes"]:
            raise self._damaged(
                part["file"], "it is missing" if found is None else f"{part['bytes']} bytes are {found}"
            )

    def _write(self, file: str, write) -> dict:
        path = self.folder / file
        write_atomically(path, write)
        with open(path, "rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        return {"file": file, "bytes": path.stat().st_size, "sha256": digest}

    def _commit(self, line: bytes) -> None:
        path = self.folder / _INDEX
        try:
            size = path.stat().st_size
            with open(path, "ab") as file:
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.truncate(path, size)
                    raise
        except OSError as error:
            raise OutputError(
                f"run: cannot write {path}; {error.strerror}; check the path, its permissions and the space"
                " on"
                " the disk."
            ) from None
        sync_folder(self.folder)

    def _damaged(self, file: str, reason: str) -> TrajectoryError:
        return TrajectoryError(
            f"Trajectory: the chunk {self.folder / file} is not what was written ({reason}); restore it, or"
            " make"
            " the frames again."
        )


def require_frames(folder: Path, expected: int) -> None:
    """Raise `OutputError` unless a store holds this number of frames on the disk now."""
    try:
        found = FrameStore(folder).n_frames
    except (OSError, TrajectoryError) as error:
        raise OutputError(f"run: the frames that were written are not there any more; {error}") from None
    if found != expected:
        raise OutputError(
            f"run: {folder} does not hold what was made; expected {expected} frames, found {found}; another"
            " program may have changed it: make it again."
        )


class StoredFrames(np.lib.mixins.NDArrayOperatorsMixin):
    """Frames of one replica of a store, like an array (T, N, 3) of float32, nm, read where it is indexed.

    Whatever else is done to it is done to the array of all its frames, which is read for that.

    Parameters
    ----------
    store : FrameStore
    replica : index along the first axis of the chunks
    first, last : frames of the replica, `last` excluded
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, store: FrameStore, replica: int, first: int, last: int, particles: int):
        self._store, self._replica, self._first = store, replica, first
        self.shape = (last - first, particles, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def part(self, first: int, last: int) -> "StoredFrames":
        """The frames first to last (excluded), not read yet."""
        start = self._first
        return StoredFrames(self._store, self._replica, start + first, start + last, self.shape[1])

    def __getitem__(self, chosen) -> np.ndarray:
        if isinstance(chosen, tuple):
            first, *others = chosen
            if isinstance(first, slice):
                return self[first][(slice(None), *others)]
            return self[first][tuple(others)] if isinstance(first, int) else self[:][chosen]
        indices = np.arange(len(self))[chosen]
        flat = self._first + np.ravel(indices)
        found = np.empty((len(flat), *self.shape[1:]), np.float32)
        ends = self._store.ends
        owner = np.searchsorted(ends, flat, side="right")
        for number in np.unique(owner):
            chunk = self._store.chunks[number]
            rows = owner == number
            inside = flat[rows] - (ends[number] - chunk["frames"])
            found[rows] = self._store.read(chunk["arrays"]["positions"]["file"])[self._replica, inside]
        return found.reshape(*np.shape(indices), *self.shape[1:])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        arrays = [np.asarray(each) if isinstance(each, StoredFrames) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str):
        # Protocols are looked up as attributes; those that are not here must stay unknown.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self[:], name)


def load_store(path: Path) -> list[Trajectory]:
    """The trajectories of a store; their frames stay on the disk.

    The header says `frame_spacing_ps`, `temperature_K`, `molecule`, `steered`, `consecutive`, and may say
    `force_field`, `solvent`, `shot_torsion`, `frames_per_segment` (of segments that lie end to end),
    `box_nm`, and `replicas_are`: "segments" of one trajectory, or "trajectories".

    Raises
    ------
    TrajectoryError
        If a chunk is missing or damaged, or the header lacks something.
    """
    store = FrameStore(path)
    if not store.chunks:
        raise TrajectoryError(f"Trajectory: {path} holds no frames yet; let what writes it go on.")
    store.verify()
    header = store.header
    try:
        molecule = Particles.from_dict(header["molecule"])
        described = {
            name: header[name] for name in ("frame_spacing_ps", "temperature_K", "steered", "consecutive")
        }
        apart = header["replicas_are"] == "trajectories"
    except (KeyError, TypeError) as error:
        raise TrajectoryError(
            f"Trajectory: the description in {path} cannot be read ({error!r}); make the frames again."
        ) from None
    weights = store.array("weights") if "weights" in store.chunks[0]["arrays"] else None
    replicas = store.read(store.chunks[0]["arrays"]["positions"]["file"]).shape[0]
    length = header.get("frames_per_segment") or store.n_frames
    starts = range(0, store.n_frames - store.n_frames % length, length)
    # arrays, or what reads itself like one
    segments: list[list[Any]] = [
        [StoredFrames(store, replica, start, start + length, len(molecule)) for start in starts]
        for replica in range(replicas)
    ]
    groups = segments if apart else [[segment for own in segments for segment in own]]
    if weights is not None:  # many segments of two frames: little in all, and slow one by one
        groups = [[np.asarray(segment) for segment in group] for group in groups]
    digest = store.sha256
    return [
        Trajectory(
            segments=tuple(group),
            molecule=molecule,
            source_sha256=hashlib.sha256(f"{digest} {number}".encode()).hexdigest(),
            weights=None if weights is None else weights[number],
            shot_torsion=header.get("shot_torsion", "") if weights is not None else "",
            force_field=header.get("force_field", ""),
            solvent=header.get("solvent", ""),
            box=header.get("box_nm"),
            **described,
        )
        for number, group in enumerate(groups)
    ]


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of a mapped array along its first axis, each of a few megabytes."""
    rows = max(1, _BLOCK_BYTES // max(array[:1].nbytes, 1))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
