"""Work done in chunks: each chunk's arrays and the state after it are one file, so that a kill costs at most
a chunk.
"""

import shutil
import zipfile
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import make_directory, write_atomically
from openmm_scoredyn.errors import TrajectoryError


class ChunkStore:
    """Chunks 0, 1, 2, ... of one trajectory in a folder of its own.

    Arrays and state appear in one rename, so they cannot disagree after a kill.
    """

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)

    def count(self) -> int:
        """Number of chunks written without a gap."""
        number = 0
        while self._path(number).exists():
            number += 1
        return number

    def append(self, number: int, arrays: dict[str, np.ndarray], state: bytes) -> None:
        """Store chunk `number`: arrays by name, of any shape, and the state after them."""
        make_directory(self._folder)
        content = arrays | {"state": np.frombuffer(state, dtype=np.uint8)}
        write_atomically(self._path(number), lambda file: np.savez(file, **content))

    def last_state(self) -> bytes:
        """State after the last chunk; there must be one."""
        return self._read(self.count() - 1, "state").tobytes()

    def drop_last(self) -> None:
        """Delete the last chunk; there must be one."""
        self._path(self.count() - 1).unlink()

    def joined(self, name: str) -> np.ndarray:
        """The arrays of that name of all chunks, joined along the first axis."""
        return np.concatenate([self._read(number, name) for number in range(self.count())])

    def remove(self) -> None:
        """Delete the folder, once its content is in its final place."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"chunk_{number:06d}.npz"

    def _read(self, number: int, name: str) -> np.ndarray:
        path = self._path(number)
        try:
            with np.load(path, allow_pickle=False) as archive:
                return archive[name]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TrajectoryError(
                f"Trajectory: the stored chunk {path} cannot be read ({error}); delete it and the later ones"
                " to go on from the one before."
            ) from None
