"""Parts of a trajectory: one cut into independent ones, or one without its beginning."""

import hashlib
from dataclasses import replace

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
    frames = trajectory.segments[0]
    stride = (len(frames) + gap_frames) // n_parts
    return [
        replace(
            trajectory,
            segments=(frames[part * stride : (part + 1) * stride - gap_frames],),
            source_sha256=hashlib.sha256(
                f"{trajectory.source_sha256} {part}/{n_parts} gap={gap_frames}".encode()
            ).hexdigest(),
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
    return replace(
        trajectory,
        segments=tuple(segment[frames:] for segment in trajectory.segments),
        weights=None,
        source_sha256=hashlib.sha256(f"{trajectory.source_sha256} from {frames}".encode()).hexdigest(),
    )
