"""What the rules of a guard refuse, counted in frames: of trajectories drawn without it, and of MD."""

import json
from collections.abc import Iterator, Sequence

import numpy as np

from openmm_scoredyn.data.trajectory import BLOCK_FRAMES, Trajectory
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.card import Card, describe_particles
from openmm_scoredyn.program.guard_rules import GuardRules
from openmm_scoredyn.program.native import scoredyn

# Those that a frame breaks by itself; a Trajectory refuses positions that are not finite.
_OF_FRAMES = ("bond", "angle", "stereochemistry", "double_bond", "contact")


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
    guard = _guard(card.particles, card.guard)
    counts = dict.fromkeys(("steps", *scoredyn.CAUSES), 0)
    for trajectory in trajectories:
        if len(trajectory.molecule) != card.num_particles:
            raise MoleculeError(
                "count_rejections: the trajectory is of another molecule than the model; expected"
                f" {card.num_particles} particles, found {len(trajectory.molecule)}; give the model's own"
                " trajectories."
            )
        first = 0
        for segment in trajectory.segments:
            if len(segment) > 1:
                after = np.arange(first + 1, first + len(segment))
                found = guard.check(segment[:-1], segment[1:], _boxes(trajectory, after))
                counts["steps"] += len(segment) - 1
                for index, number in zip(*np.unique(found[found >= 0], return_counts=True), strict=True):
                    counts[scoredyn.CAUSES[index]] += int(number)
            first += len(segment)
    return counts


def count_refused_frames(rules: GuardRules, trajectories: Sequence[Trajectory]) -> dict[str, int]:
    """Frames of held-out trajectories that each rule refuses on its own.

    Parameters
    ----------
    rules : GuardRules of their particles
    trajectories : of the same particles, not those that the rules were learnt from

    Returns
    -------
    dict of int
        `frames`, and `bond`, `angle`, `stereochemistry`, `double_bond` and `contact`.
    """
    guard = _guard(trajectories[0].molecule, rules)
    counts = dict.fromkeys(("frames", *_OF_FRAMES), 0)
    for frames, boxes in _blocks(trajectories):
        broken = dict(zip(scoredyn.CAUSES, guard.broken_rules(frames, boxes).sum(axis=0), strict=True))
        counts["frames"] += len(frames)
        for cause in _OF_FRAMES:
            counts[cause] += int(broken[cause])
    return counts


def _guard(particles: Particles, rules: GuardRules):
    """The guard that contexts and samples use."""
    return scoredyn.Guard(json.dumps(describe_particles(particles, rules)))


def _boxes(trajectory: Trajectory, indices: np.ndarray) -> np.ndarray | None:
    """(len(indices), 3, 3), nm, or None where the system is not periodic."""
    return None if trajectory.box is None else trajectory.boxes(indices)


def _blocks(trajectories) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Frames (T, N, 3) and their boxes, a few thousand at a time."""
    for trajectory in trajectories:
        for start in range(0, trajectory.n_frames, BLOCK_FRAMES):
            indices = np.arange(start, min(start + BLOCK_FRAMES, trajectory.n_frames))
            yield trajectory.frames(indices), _boxes(trajectory, indices)
