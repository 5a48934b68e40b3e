"""Time stamps of a trajectory file: where it is unbroken in time, and what it holds twice."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.sidecars import require_agreement
from openmm_scoredyn.errors import TrajectoryError

_LOGGER = logging.getLogger(__name__)

# Relative to the spacing; times are float32 in most formats, whose grid is added.
_TOLERANCE = 1e-3
_FLOAT32_GRID = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class TimeSegments:
    """Which frames of a file follow each other at one spacing.

    Attributes
    ----------
    spacing_ps : float
    segments : tuple of int arrays, indices of the frames of each segment
    duplicates : int, frames left out because an earlier one has their time and their positions
    lone : int, frames left out because none is one spacing away
    """

    spacing_ps: float
    segments: tuple[np.ndarray, ...]
    duplicates: int
    lone: int

    def remarks(self) -> list[str]:
        """What was done to the file, one phrase each; nothing for an unbroken one."""
        said = []
        if self.duplicates:
            said.append(f"{self.duplicates} frames are there twice and were dropped")
        if len(self.segments) > 1 or self.lone:
            said.append(
                f"the time stamps break at the spacing of {self.spacing_ps:g} ps: cut into"
                f" {len(self.segments)} segments"
            )
        if self.lone:
            said.append(f"{self.lone} frames have none one spacing away and were left out")
        return said


def segments_of(times_ps: np.ndarray, positions: np.ndarray, name: str) -> TimeSegments:
    """Cut a file where its time stamps do not go on by one spacing, the most frequent one.

    Parameters
    ----------
    times_ps : (T,), T >= 2
    positions : (T, ...), positions or what tells them apart; a frame is a duplicate where both its time and
        its positions were there before
    name : of the file, for messages

    Raises
    ------
    TrajectoryError
        If the time stamps do not advance, or fewer than half of the frames are at one spacing.
    """
    times_ps = np.asarray(times_ps, dtype=np.float64)
    if not np.isfinite(times_ps).all() or not (np.diff(times_ps) > 0).any():
        raise TrajectoryError(
            f"Trajectory: the time stamps of {name} do not advance; expected times in ps, found"
            f" {times_ps[0]:g} to {times_ps[-1]:g}; give the spacing (--spacing) of a file without times"
            " in"
            " a format without times, or write the file again."
        )
    kept = _without_duplicates(times_ps, positions)
    steps = np.diff(times_ps[kept])
    spacing = float(np.median(steps[steps > 0]))
    tolerance = _TOLERANCE * spacing + _FLOAT32_GRID * np.abs(times_ps[kept][1:])
    breaks = np.flatnonzero(np.abs(steps - spacing) > tolerance) + 1
    parts = np.split(kept, breaks)
    segments = tuple(part for part in parts if len(part) >= 2)
    held = sum(map(len, segments))
    if 2 * held < len(kept):
        raise TrajectoryError(
            f"Trajectory: the frame spacing of {name} changes; expected most frames {spacing:g} ps apart,"
            " found"
            f" {held} of {len(kept)}; cut the file into parts of one spacing."
        )
    longest = max(segments, key=len)
    mean = (times_ps[longest[-1]] - times_ps[longest[0]]) / (len(longest) - 1)
    return TimeSegments(float(f"{mean:.6g}"), segments, len(times_ps) - len(kept), len(kept) - held)


def spacing_and_segments(
    path: Path, times_ps: np.ndarray | None, positions: np.ndarray, given_ps: float | None
) -> tuple[float, tuple[np.ndarray, ...]]:
    """Frame spacing, ps, of a file and the frames of each of its segments; what is cut or left out is said.

    Parameters
    ----------
    times_ps : (T,), or None for a format without time stamps
    positions : as of `segments_of`
    given_ps : the spacing that the user gives, or None; needed without time stamps

    Raises
    ------
    TrajectoryError
        As `segments_of`, or if the spacing given is another than that of the file or is needed.
    """
    if times_ps is not None and len(times_ps) > 1:
        found = segments_of(times_ps, positions, str(path))
        require_agreement(path, "frame spacing", given_ps, found.spacing_ps)
        for remark in found.remarks():
            _LOGGER.warning("%s: %s.", path, remark)
        return found.spacing_ps, found.segments
    if given_ps is None:
        raise TrajectoryError(
            f"Trajectory: {path} is too short; expected at least 2 frames, found"
            f" {len(positions)}; make a longer one."
        )
    return given_ps, (np.arange(len(positions)),)


def _without_duplicates(times_ps: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Indices of frames whose time and positions were not there before."""
    seen: dict[float, list[int]] = {}
    kept = []
    for index, time in enumerate(times_ps.tolist()):
        earlier = seen.setdefault(time, [])
        if any(np.array_equal(positions[index], positions[other]) for other in earlier):
            continue
        earlier.append(index)
        kept.append(index)
    return np.array(kept, dtype=int)
