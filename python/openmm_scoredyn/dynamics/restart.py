"""The files of one run, and the point to which they can all be taken back."""

import hashlib
import json
import os
import zipfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.errors import OutputError

# A DCD file counts its frames in its head, so taking it back to a length needs the head of that time too.
_HEAD_BYTES = 512
_BLOCK_BYTES = 1 << 20


class _TailDigest:
    """SHA-256 of a file that grows, without its head, which changes; what was read is not read again."""

    def __init__(self):
        self._hash, self._end = hashlib.sha256(), _HEAD_BYTES

    def of(self, file: BinaryIO, size: int) -> str:
        """Hexadecimal digest of the bytes from the head up to `size`."""
        file.seek(self._end)
        while self._end < size:
            block = file.read(min(_BLOCK_BYTES, size - self._end))
            if not block:
                break
            self._hash.update(block)
            self._end += len(block)
        return self._hash.hexdigest()


class RunFiles:
    """Trajectory, log and restart file of one run.

    Parameters
    ----------
    out : trajectory to write; NAME.log.csv, NAME.topology.pdb and NAME.restart lie beside it
    identity : JSON-ready; whatever the bytes of the run depend on. A run is only taken up by one of the same
    identity.

    Notes
    -----
    The restart file appears in one rename and holds the lengths and the SHA-256 of the others at that time.
    Whatever a killed run wrote after it is cut off, and written again the same; files that are not what was
    written are refused.
    """

    def __init__(self, out: str | Path, identity: dict):
        self.trajectory = Path(out)
        self.log = self.trajectory.with_suffix(".log.csv")
        self.topology = self.trajectory.with_suffix(".topology.pdb")
        self.restart = self.trajectory.with_suffix(".restart")
        self._identity = json.loads(json.dumps(identity))
        self._digests = {path: _TailDigest() for path in (self.trajectory, self.log)}

    def open(self) -> bytes | None:
        """Checkpoint to go on from, after taking the files back to it; None where there is nothing yet.

        Raises
        ------
        OutputError
            If the files are of another run, damaged, or cannot be written.
        """
        if not self.restart.exists():
            self._require_new()
            return None
        found = self._read()
        different = sorted(
            k for k in self._identity | found["identity"] if self._identity.get(k) != found["identity"].get(k)
        )
        if different:
            key = different[0]
            raise OutputError(
                f"run: {self.trajectory} is of another run; expected {key} {self._identity.get(key)}, found "
                f"{found['identity'].get(key)}; use the same settings or another file."
            )
        self._take_back(found)
        return found["checkpoint"]

    def save(self, checkpoint: bytes) -> None:
        """Make the present the point to go on from."""
        state: dict[str, dict] = {"identity": self._identity, "sizes": {}, "heads": {}, "sha256": {}}
        for path in (self.trajectory, self.log):
            with open(path, "rb") as file:
                # The restart file must not reach the disk before what it speaks of.
                os.fsync(file.fileno())
                head = file.read(_HEAD_BYTES)
                state["sizes"][path.suffix] = size = os.path.getsize(path)
                state["heads"][path.suffix] = head.hex()
                state["sha256"][path.suffix] = self._digests[path].of(file, size)
        arrays = {"checkpoint": np.frombuffer(checkpoint, np.uint8), "state": np.array(json.dumps(state))}
        write_atomically(self.restart, lambda file: np.savez(file, allow_pickle=False, **arrays))

    def discard_unsaved(self) -> None:
        """After a failure: cut off what was written since `save`; all of it where nothing was saved."""
        if self.restart.exists():
            self._take_back(self._read())
            return
        for path in (self.trajectory, self.log, self.topology):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(
                    f"run: cannot write {path}; {error.strerror}; check the path and its permissions."
                ) from None

    def _require_new(self) -> None:
        for path in (self.trajectory, self.log):
            if path.exists() and path.stat().st_size:
                raise OutputError(
                    f"run: {path} exists already and cannot be taken up; move it or choose another name."
                )

    def _read(self) -> dict:
        try:
            with np.load(BytesIO(self.restart.read_bytes()), allow_pickle=False) as archive:
                return json.loads(str(archive["state"])) | {"checkpoint": archive["checkpoint"].tobytes()}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise OutputError(
                f"run: the restart file {self.restart} cannot be read ({error}); delete it and its trajectory"
                " to begin again."
            ) from None

    def _take_back(self, state: dict) -> None:
        for path in (self.trajectory, self.log):
            size, head = state["sizes"][path.suffix], bytes.fromhex(state["heads"][path.suffix])
            try:
                with open(path, "r+b") as file:
                    if os.path.getsize(path) < size:
                        raise OutputError(
                            f"run: {path} is shorter than it was; expected at least {size} bytes, found "
                            f"{os.path.getsize(path)}; delete it and {self.restart} to begin again."
                        )
                    if self._digests[path].of(file, size) != state["sha256"][path.suffix]:
                        raise OutputError(
                            f"run: {path} is not what was written; expected the SHA-256 of {self.restart},"
                            " found"
                            " another; restore it, or delete both to begin again."
                        )
                    file.seek(0)
                    file.write(head)
                    file.truncate(size)
            except OSError as error:
                raise OutputError(
                    f"run: cannot write {path}; {error.strerror}; check the path and its permissions."
                ) from None
