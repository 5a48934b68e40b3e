"""A trajectory file that is read a piece at a time, for those that may not fit into memory."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openmm_scoredyn.data.mdtraj_files import iterate_file
from openmm_scoredyn.molecule.particles import Particles

_PIECE_BYTES = 1 << 26
_PIECE_FRAMES = 1000


class Piece(NamedTuple):
    """Frames one after the other.

    Attributes
    ----------
    positions : (T, N, 3) float32, nm, molecules whole where there is a box
    boxes : (T, 3, 3) float32, nm, or None
    times_ps : (T,), or None for a format without time stamps
    """

    positions: np.ndarray
    boxes: np.ndarray | None
    times_ps: np.ndarray | None


@dataclass(frozen=True)
class FrameStream:
    """A file that mdtraj reads.

    Attributes
    ----------
    path : of the file
    topology : mdtraj.Topology of all its atoms
    atoms : indices of those that are kept, or None for all
    molecule : Particles, those that are kept
    holds_times : bool, whether the format has time stamps
    frame_spacing_ps, temperature_K : what is known of them; None where nothing says it
    """

    path: Path
    topology: Any
    atoms: np.ndarray | None
    molecule: Particles
    holds_times: bool
    frame_spacing_ps: float | None
    temperature_K: float | None

    def pieces(self) -> Iterator[Piece]:
        """All frames in turn; a file that is cut is refused before the first."""
        size = int(np.clip(_PIECE_BYTES // (12 * self.topology.n_atoms), 1, _PIECE_FRAMES))
        for part in iterate_file(self.path, self.topology, self.atoms, size):
            yield Piece(part.xyz, part.unitcell_vectors, part.time if self.holds_times else None)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
