"""Whether trajectories are the same dynamics: what trained a model must not test it, and no file counts
twice.
"""

import hashlib
from collections.abc import Sequence

from openmm_scoredyn.data.geometry_checks import check_geometry
from openmm_scoredyn.data.packed import centred_picometres
from openmm_scoredyn.data.trajectory import Trajectory, first_difference
from openmm_scoredyn.errors import TrajectoryError

_TEMPERATURE_TOLERANCE_K = 0.01  # thermostats are set in whole numbers, room temperature is 298.15 K


def opening_digest(trajectory: Trajectory) -> str:
    """Digest, 16 hex digits, of the first two frames in whole picometres about their centroid.

    The same for the same dynamics, whatever file holds them, how long they are and whether they are packed.
    Dynamics that began at one structure differ in their second frame.
    """
    return hashlib.sha256(centred_picometres(trajectory.frames([0, 1])).astype("<i8").tobytes()).hexdigest()[
        :16
    ]


def shared_openings(ours: Sequence[Trajectory], digests: Sequence[str]) -> list[Trajectory]:
    """The trajectories that begin as one of those with `digests` did."""
    known = set(digests)
    return [trajectory for trajectory in ours if opening_digest(trajectory) in known]


def require_apart(reference: Sequence[Trajectory], candidate: Sequence[Trajectory]) -> None:
    """Raise `TrajectoryError` if two sides of a comparison hold the same dynamics."""
    shared = shared_openings(candidate, [opening_digest(trajectory) for trajectory in reference])
    if shared:
        raise TrajectoryError(
            f"compare: {_name(shared[0])} is on both sides; expected other dynamics than the reference, found"
            f" {len(shared)} of {len(candidate)} trajectories that begin with its frames (the same seed gives"
            " the"
            " same frames); compare with others."
        )


def require_one_temperature(reference_K: float | None, candidate_K: float | None) -> None:
    """Raise `TrajectoryError` if two sides of a comparison say different temperatures."""
    if reference_K is None or candidate_K is None:
        return
    if abs(reference_K - candidate_K) > _TEMPERATURE_TOLERANCE_K:
        raise TrajectoryError(
            f"compare: the sides are of different temperatures; expected {reference_K:g} K, as the reference,"
            f" found {candidate_K:g} K; compare at one temperature."
        )


def check_training_data(trajectories: Sequence[Trajectory]) -> None:
    """Refuse data that a model would learn something wrong from.

    Raises
    ------
    TrajectoryError
        If two trajectories are the same dynamics, or one is not what its topology says or unlike the others
        of its molecule (`geometry_checks.check_geometry`).
    """
    seen: dict[str, Trajectory] = {}
    molecules: list[list[Trajectory]] = []
    for trajectory in trajectories:
        twin = seen.setdefault(opening_digest(trajectory), trajectory)
        if twin is not trajectory:
            raise TrajectoryError(
                f"train: {_name(twin)} and {_name(trajectory)} are the same dynamics; expected each once,"
                " found"
                " the same first frames (the same seed gives the same frames); leave one out."
            )
        same = (group for group in molecules if not first_difference(group[0].molecule, trajectory.molecule))
        group = next(same, None)
        if group is None:
            molecules.append([trajectory])
        else:
            group.append(trajectory)
    for group in molecules:
        check_geometry(group)


def _name(trajectory: Trajectory) -> str:
    return trajectory.source or "a trajectory"
