"""Cut one long trajectory into independent ones, for a user who has only one."""

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
            f"cut: expected one segment and two parts or more, found {len(trajectory.segments)} segments and {n_parts} "
            f"parts; cut unbroken trajectories only."
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
