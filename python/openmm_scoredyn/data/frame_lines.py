"""Whether a text trajectory is whole: the lines of its frames against the numbers of atoms that they say.

Readers stop at a frame that is cut, or take what is left of its last number, without a word.
"""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from openmm_scoredyn.errors import TrajectoryError

_MDCRD_WIDTH, _MDCRD_COLUMNS = 8, 10


class _Cut(Exception):
    """The file ends within a frame."""


class _Lines:
    """Lines of a file, in turn."""

    def __init__(self, file: BinaryIO):
        self._file, self.number = file, 0

    def heads(self, blank: bool = False) -> Iterator[bytes]:
        """First lines of frames, for as long as a reader takes the others; `blank` ones, too."""
        while line := self._next():
            if blank or line.strip():
                yield line

    def take(self, count: int = 1) -> list[bytes]:
        """The next lines, all ended: the last number of one that is not may have lost digits."""
        return [self.require_ended(self._next()) for _ in range(count)]

    def require_ended(self, line: bytes) -> bytes:
        """The line; a `_Cut` if it is the last one and not ended."""
        if not line.endswith(b"\n"):
            raise _Cut
        return line

    def skip_to(self, word: bytes) -> bytes:
        """The next line that begins with a word."""
        while line := self._next():
            if line.startswith(word):
                return line
        raise _Cut

    def peek(self) -> bytes:
        """The next line, which stays the next."""
        place = self._file.tell()
        line = self._file.readline()
        self._file.seek(place)
        return line

    def _next(self) -> bytes:
        self.number += 1
        return self._file.readline()


# Each reads what follows the first line of a frame, or of something else; returns the number of frames read.


def _xyz(head: bytes, lines: _Lines) -> int:
    lines.take(int(head) + 1)
    return 1


def _gro(head: bytes, lines: _Lines) -> int:
    (count,) = lines.take()
    lines.take(int(count))
    (box,) = lines.take()
    _require_numbers(box, (3, 9))
    return 1


def _arc(head: bytes, lines: _Lines) -> int:
    has_box = _is_numbers(lines.peek(), (6,))
    lines.take(int(head.split()[0]) + has_box)
    return 1


def _lammpstrj(head: bytes, lines: _Lines) -> int:
    if not head.startswith(b"ITEM: TIMESTEP"):
        raise ValueError
    lines.skip_to(b"ITEM: NUMBER OF ATOMS")
    (count,) = lines.take()
    lines.skip_to(b"ITEM: ATOMS")
    lines.take(int(count))
    return 1


def _pdb(head: bytes, lines: _Lines) -> int:
    is_model = head.startswith(b"MODEL ")
    if is_model:
        lines.skip_to(b"ENDMDL")
    return int(is_model)


class _Xdatcar:
    """Frames of VASP; the head of the file may stand before each of them."""

    def __init__(self) -> None:
        self._atoms = 0

    def __call__(self, head: bytes, lines: _Lines) -> int:
        if not head.lower().startswith(b"direct configuration"):
            *_, counts = lines.take(6)
            self._atoms = sum(map(int, counts.split()))
            return 0
        lines.take(self._atoms)
        return 1


class _Mdcrd:
    """Frames of Amber's text format, which says no number of atoms, with a box each or none."""

    def __init__(self, atoms: int):
        full, rest = divmod(3 * atoms, _MDCRD_COLUMNS)
        self._columns = [_MDCRD_COLUMNS] * full + [rest] * bool(rest)
        self._has_box: bool | None = None
        self._titled = False

    def __call__(self, head: bytes, lines: _Lines) -> int:
        if not self._titled:
            self._titled = True
            return 0
        rows = [lines.require_ended(head), *lines.take(len(self._columns) - 1)]
        if [-(-len(row.rstrip()) // _MDCRD_WIDTH) for row in rows] != self._columns:
            raise ValueError
        if self._has_box is None:
            self._has_box = _is_numbers(lines.peek(), (3,))
        if self._has_box:
            (box,) = lines.take()
            _require_numbers(box, (3,))
        return 1


def _is_numbers(line: bytes, counts: tuple[int, ...]) -> bool:
    try:
        return len([float(word) for word in line.split()]) in counts
    except ValueError:
        return False


def _require_numbers(line: bytes, counts: tuple[int, ...]) -> None:
    if not _is_numbers(line, counts):
        raise ValueError


_WALKERS: dict[str, Callable[[bytes, _Lines], int]] = {
    ".xyz": _xyz,
    ".extxyz": _xyz,
    ".gro": _gro,
    ".arc": _arc,
    ".lammpstrj": _lammpstrj,
    ".pdb": _pdb,
}


def require_whole_text(path: Path, atoms: int | None = None) -> None:
    """Refuse a text trajectory whose last frame is cut, or in which lines are missing.

    A file cut between two frames says nothing of those that are missing. Files of other formats, by the
    ending of their names, are let through.

    Parameters
    ----------
    path : .xyz, .extxyz, .gro, .arc, .lammpstrj, .pdb, XDATCAR, .mdcrd, or one of them packed as .gz
    atoms : number of atoms, for .mdcrd, which does not say it; without it such a file is let through

    Raises
    ------
    TrajectoryError
        Naming the frame and the line.
    OSError
        If it cannot be read.
    """
    walk = _walker(path, atoms)
    if walk is None:
        return
    frame = 0
    with _open(path) as file:
        lines = _Lines(file)
        try:
            for head in lines.heads(blank=walk is _gro or isinstance(walk, _Mdcrd)):
                frame += walk(head, lines)
        except (_Cut, EOFError):
            raise TrajectoryError(
                f"Trajectory: {path} is cut; expected all lines of frame {frame}, each ended, found the end"
                f" of the file in line {lines.number}; copy it again, or cut it before that frame."
            ) from None
        except (ValueError, IndexError):
            raise TrajectoryError(
                f"Trajectory: {path} is damaged before line {lines.number + 1}; expected frame"
                f" {frame} of its format, found another line; make or copy it again."
            ) from None


def _walker(path: Path, atoms: int | None) -> Callable[[bytes, _Lines], int] | None:
    name = path.name.lower().removesuffix(".gz")
    if name.startswith("xdatcar"):
        return _Xdatcar()
    ending = Path(name).suffix
    if ending in (".mdcrd", ".crd"):
        return None if atoms is None else _Mdcrd(atoms)
    return _WALKERS.get(ending)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")
