"""Text dumps of LAMMPS: every frame checked against its header, every column kept."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from openmm_scoredyn.crystals.snapshots import Snapshot
from openmm_scoredyn.errors import TrajectoryError

_MARK = "ITEM:"
# Columns that hold positions, as they are (x), unwrapped (xu), or in parts of the box vectors (xs, xsu).
_PLAIN = (("x", "y", "z"), ("xu", "yu", "zu"))
_SCALED = (("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))


def is_dump(path: Path) -> bool:
    """Whether a file, which may be compressed by gzip, begins as a text dump does."""
    try:
        with _open(path) as file:
            return file.read(len(_MARK)) == _MARK
    except (OSError, UnicodeDecodeError, EOFError):
        return False


def read_dump(path: Path) -> Iterator[Snapshot]:
    """Frames of a dump, atoms in the order of their ids.

    A frame's `columns` are those of the file but for positions; its `info` has the time step and, if the box
    does not begin at 0, its `Origin`. Elements are those of the column `element`, else "X": a type is none.

    Raises
    ------
    TrajectoryError
        If a frame holds fewer or more atoms than its header says, or is damaged.
    """
    with _open(path) as file:
        number = 0
        while header := _header(file, path, number):
            yield _frame(file, path, number, header)
            number += 1


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt") if packed else path.open("rt")


def _header(file: TextIO, path: Path, number: int) -> dict[str, list[str]]:
    """Lines of each section up to the atoms, by title; empty at the end of the file."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in file:
        if line.startswith(_MARK):
            title = line.removeprefix(_MARK).strip()
            found[title] = []
            if title.startswith("ATOMS"):
                return found
        elif title:
            found[title].append(line)
        elif line.strip():
            raise _damaged(path, number, "a section", f"the line {line.strip()!r:.60}")
    if found:
        raise _damaged(path, number, "atoms", f"the end of the file after {title or 'nothing'}")
    return {}


def _frame(file: TextIO, path: Path, number: int, header: dict[str, list[str]]) -> Snapshot:
    try:
        count = int(header["NUMBER OF ATOMS"][0])
        bounds_title = next(title for title in header if title.startswith("BOX BOUNDS"))
        origin, cell, periodic = _box(bounds_title.split()[2:], header[bounds_title])
        info: dict[str, object] = {"Timestep": int(header["TIMESTEP"][0])}
        if "TIME" in header:
            info["Time"] = float(header["TIME"][0])
    except (KeyError, StopIteration, ValueError, IndexError):
        raise _damaged(path, number, "TIMESTEP, NUMBER OF ATOMS and BOX BOUNDS", ", ".join(header)) from None
    names = next(title for title in header if title.startswith("ATOMS")).split()[1:]
    rows = _rows(file, path, number, count, len(names))
    table = {name: _typed([row[index] for row in rows]) for index, name in enumerate(names)}
    if "id" in table:
        if len(np.unique(table["id"])) < count:
            raise _damaged(path, number, "every id once", "some id twice")
        order = np.argsort(table["id"], kind="stable")
        table = {name: values[order] for name, values in table.items()}
    if origin.any():
        info["Origin"] = " ".join(f"{value:.10g}" for value in origin)
    elements = tuple(map(str, table.pop("element"))) if "element" in table else ("X",) * count
    positions = _positions(table, origin, cell)
    if positions is None or positions.dtype.kind != "f":
        raise _damaged(path, number, "positions as numbers in x y z, xu yu zu or xs ys zs", " ".join(names))
    used = {name for group in (*_PLAIN, *_SCALED) for name in group}
    columns = {name: values for name, values in table.items() if name not in used}
    return Snapshot(positions, cell, periodic, elements, columns, info)


def _rows(file: TextIO, path: Path, number: int, count: int, width: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for line in file:
        row = line.split()
        # The last number of a line that is not ended may have lost digits.
        if len(row) != width or row[0] == _MARK or not line.endswith("\n"):
            break
        rows.append(row)
        if len(rows) == count:
            return rows
    if count == 0:
        return rows
    raise _damaged(path, number, f"{count} atoms of {width} columns, as its header says", str(len(rows)))


def _typed(values: list[str]) -> np.ndarray:
    """A column as integers where they are, else as numbers, else as texts."""
    for kind in (np.int64, np.float64):
        try:
            return np.array(values, dtype=kind)
        except (ValueError, OverflowError):
            continue
    return np.array(values)


def _box(words: list[str], lines: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origin (3,), vectors (3, 3) and periodic directions (3,) from the title and lines of BOX BOUNDS."""
    flags = [word for word in words if len(word) == 2 and word[0] in "pfsm" and word != "xy"][-3:]
    periodic = np.array([flag == "pp" for flag in flags]) if len(flags) == 3 else np.ones(3, dtype=bool)
    numbers = np.array([[float(value) for value in line.split()] for line in lines[:3]])
    if words[:2] == ["abc", "origin"]:
        return numbers[:, 3], numbers[:, :3], periodic
    low, high = numbers[:, 0].copy(), numbers[:, 1].copy()
    if numbers.shape[1] == 2:
        return low, np.diag(high - low), periodic
    xy, xz, yz = numbers[:, 2]
    # LAMMPS writes the box around the parallelepiped.
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    x, y, z = high - low
    return low, np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]]), periodic


def _positions(table: dict[str, np.ndarray], origin: np.ndarray, cell: np.ndarray) -> np.ndarray | None:
    for names in (*_PLAIN, *_SCALED):
        if all(name in table for name in names):
            found = np.stack([table[name] for name in names], axis=1)
            if found.dtype.kind not in "if":
                return None
            found = found.astype(float)
            return origin + found @ cell if names in _SCALED else found
    return None


def _damaged(path: Path, number: int, expected: str, found: str) -> TrajectoryError:
    return TrajectoryError(
        f"read_snapshots: frame {number} of {path} is cut or damaged; expected {expected}, found {found}; get"
        " the file again, or leave the frame out."
    )
