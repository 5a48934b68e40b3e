"""Parts of a trajectory: one cut into independent ones, in two along time, or one without its beginning."""

import hashlib
from dataclasses import replace

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError


def cut(trajectory: Trajectory, n_parts: int, gap_frames: int = 0) -> list[Trajectory]:
    """Cut a trajectory of one segment into equal parts.

    Parameters
    ----------
    trajectory : one segment of T frames
    n_parts : number of parts, >= 2
    gap_frames : frames dropped between parts, so that their neighbouring ends are less correlated

    Returns
    -------
    list of Trajectory
        Frames that do not fill every part are dropped at the end.

    Raises
    ------
    TrajectoryError
        If there are several segments, or fewer than two frames a part.
    """
    if len(trajectory.segments) != 1 or n_parts < 2:
        raise TrajectoryError(
            f"cut: expected one segment and two parts or more, found {len(trajectory.segments)} segments and"
            f" {n_parts} parts; cut unbroken trajectories only."
        )
    stride = (trajectory.n_frames + gap_frames) // n_parts
    return [
        _part(
            trajectory,
            [(0, part * stride, (part + 1) * stride - gap_frames)],
            f"{part}/{n_parts} gap={gap_frames}",
        )
        for part in range(n_parts)
    ]


def discard(trajectory: Trajectory, time_ps: float) -> Trajectory:
    """Leave out the beginning, `time_ps`, of every segment: what still remembers where it was started.

    Raises
    ------
    TrajectoryError
        If fewer than two frames of a segment are left.
    """
    frames = round(time_ps / trajectory.frame_spacing_ps)
    shortest = min(map(len, trajectory.segments))
    if shortest - frames < 2:
        raise TrajectoryError(
            f"discard: expected segments longer than {time_ps:g} ps, found one of "
            f"{(shortest - 1) * trajectory.frame_spacing_ps:g} ps; discard less."
        )
    if frames == 0:
        return trajectory
    kept = [(number, frames, len(segment)) for number, segment in enumerate(trajectory.segments)]
    return _part(trajectory, kept, f"from {frames}")


def beginning(trajectory: Trajectory, frames: int) -> Trajectory:
    """The first frames, two or more, of a trajectory of one segment; itself where it holds no more."""
    if frames >= trajectory.n_frames:
        return trajectory
    return _part(trajectory, [(0, 0, frames)], f"first {frames}")


def reordered(trajectory: Trajectory, order: np.ndarray) -> Trajectory:
    """The same trajectory with its particles in another order, as `match_particles` gives it."""
    return replace(
        trajectory,
        segments=tuple(np.asarray(segment)[:, order] for segment in trajectory.segments),
        molecule=trajectory.molecule.subset(list(map(int, order))),
        source_sha256=hashlib.sha256(
            f"{trajectory.source_sha256} order {order.tolist()}".encode()
        ).hexdigest(),
    )


def divide(trajectory: Trajectory, frames: int) -> tuple[Trajectory, Trajectory]:
    """Two parts along time: the first `frames` frames of all segments end to end, and the later ones.

    A segment across the place is cut there; its pieces of a single frame, which hold no window, are left out.

    Raises
    ------
    TrajectoryError
        If a part would hold no two frames of one segment.
    """
    earlier, later, start = [], [], 0
    for number, segment in enumerate(trajectory.segments):
        place = min(max(frames - start, 0), len(segment))
        earlier += [(number, 0, place)] if place >= 2 else []
        later += [(number, place, len(segment))] if len(segment) - place >= 2 else []
        start += len(segment)
    if not (earlier and later):
        raise TrajectoryError(
            f"divide: expected two frames or more on either side, found {trajectory.n_frames} frames"
            f" divided at {frames}; give a longer trajectory."
        )
    return _part(trajectory, earlier, f"before {frames}"), _part(trajectory, later, f"after {frames}")


def _part(trajectory: Trajectory, kept: list[tuple[int, int, int]], what: str) -> Trajectory:
    """Frames first to last (excluded) of some segments, each (number, first, last); `what` tells one part
    of a source from another.
    """
    numbers = [number for number, _, _ in kept]
    whole = all(last - first == len(trajectory.segments[number]) for number, first, last in kept)
    box = trajectory.box
    if box is not None and box.ndim == 3:
        starts = np.cumsum([0, *map(len, trajectory.segments)])
        box = np.concatenate(
            [box[starts[number] + first : starts[number] + last] for number, first, last in kept]
        )
    return replace(
        trajectory,
        segments=tuple(_slice(trajectory.segments[number], first, last) for number, first, last in kept),
        # A path that is cut is none.
        weights=trajectory.weights[numbers] if whole and trajectory.weights is not None else None,
        shot_torsion=trajectory.shot_torsion if whole else "",
        box=box,
        source_sha256=hashlib.sha256(f"{trajectory.source_sha256} {what}".encode()).hexdigest(),
    )


def _slice(segment, first: int, last: int):
    """Frames of a segment; what lies on the disk stays there."""
    return segment[first:last] if isinstance(segment, np.ndarray) else segment.part(first, last)
