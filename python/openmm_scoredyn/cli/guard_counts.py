"""What a model's guard rejects, counted in frames: for trajectories that were drawn without it,
and for MD.
"""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.geometry import bond_lengths, handedness
from openmm_scoredyn.program.card import Card

CAUSES = ("not_finite", "bond", "chirality", "displacement")


def count_rejections(trajectories: Sequence[Trajectory], card: Card) -> dict[str, int]:
    """Steps of trajectories that the guard of a model would reject, by cause.

    Parameters
    ----------
    trajectories : one frame per step of the model

    Returns
    -------
    dict: `steps`, and for each of `CAUSES` the steps rejected for it; the first cause counts.
    None is `not_finite`: a Trajectory refuses such frames itself

    Raises
    ------
    MoleculeError
        If the trajectories have another number of atoms than the model.
    """
    counts = dict.fromkeys(("steps", *CAUSES), 0)
    for trajectory in trajectories:
        if len(trajectory.molecule) != card.num_particles:
            raise MoleculeError(
                "count_rejections: the trajectory is of another molecule than the model; expected"
                f" {card.num_particles} atoms, found {len(trajectory.molecule)}; give the model's own"
                " trajectories."
            )
        for segment in trajectory.segments:
            counts["steps"] += len(segment) - 1
            taken = np.zeros(len(segment) - 1, dtype=bool)
            for cause, rejected in _rejected(segment, card).items():
                counts[cause] += int((rejected & ~taken).sum())
                taken |= rejected
    return counts


def _rejected(positions: np.ndarray, card: Card) -> dict[str, np.ndarray]:
    """For each cause, which of the steps into the frames (T, N, 3) it rejects, (T - 1,) bool."""
    after = positions[1:]
    lengths, expected = (
        bond_lengths(after, np.array(card.bonds, dtype=int).reshape(-1, 2)),
        np.array(card.bond_lengths_nm),
    )
    signs = handedness(after, np.array(card.chiral_centres, dtype=int).reshape(-1, 4))
    moved = np.linalg.norm(after.astype(np.float64) - positions[:-1], axis=-1).max(axis=1)
    return {
        "bond": (np.abs(lengths - expected) > card.bond_tolerance * expected).any(axis=1),
        "chirality": (signs <= 0).any(axis=1),
        "displacement": moved > card.max_displacement_nm,
    }
