"""What a model's guard rejected in a run, and what it would reject in trajectories made without it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.native import scoredyn


def store_guard(path: str | Path) -> dict[str, int] | None:
    """What the guard refused in the run that a store holds: `steps`, and draws by cause; None where it does
    not say.
    """
    store = FrameStore(path)
    if "counts" not in store.note:
        return None
    causes = {
        name: count
        for name, count in store.note["counts"].items()
        if name not in ("num_rejected_draws", "num_rejected_steps")
    }
    return {"steps": store.header["n_replicas"] * store.note["steps"], **causes}


def count_rejections(trajectories: Sequence[Trajectory], card: Card) -> dict[str, int]:
    """Steps of trajectories that the guard of a model would reject, by cause.

    Parameters
    ----------
    trajectories : one frame per step of the model

    Returns
    -------
    dict: `steps`, and for each cause of the guard the steps rejected for it; the first cause counts.
    None is `not_finite`: a Trajectory refuses such frames itself

    Raises
    ------
    MoleculeError
        If the trajectories have another number of particles than the model.
    """
    guard = scoredyn.Guard(card.to_json())
    counts = dict.fromkeys(("steps", *scoredyn.CAUSES), 0)
    for trajectory in trajectories:
        if len(trajectory.molecule) != card.num_particles:
            raise MoleculeError(
                "count_rejections: the trajectory is of another molecule than the model; expected"
                f" {card.num_particles} particles, found {len(trajectory.molecule)}; give the model's own"
                " trajectories."
            )
        for segment in trajectory.segments:
            if len(segment) < 2:
                continue
            counts["steps"] += len(segment) - 1
            found = guard.check(segment[:-1], segment[1:])
            for index, number in zip(*np.unique(found[found >= 0], return_counts=True), strict=True):
                counts[scoredyn.CAUSES[index]] += int(number)
    return counts
