"""Which trajectories train and which validate: decided once, by whole trajectories, and kept in a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError


@dataclass(frozen=True)
class Split:
    """Digests (`Trajectory.source_sha256`) of the trajectories of each part.

    Attributes
    ----------
    training, validation : tuple of str
    seed : int, of the shuffle that made it
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    seed: int
    format_version: str = "1.0"

    def select(self, trajectories) -> tuple[list[Trajectory], list[Trajectory]]:
        """The trajectories of each part, in the order given.

        Raises
        ------
        TrajectoryError
            If a trajectory of the split is missing, or one that it does not know is given.
        """
        known = {trajectory.source_sha256 for trajectory in trajectories}
        expected = set(self.training) | set(self.validation)
        if known != expected:
            raise TrajectoryError(
                f"Split: these are not the trajectories that were split; {len(expected - known)} of the"
                f" split's are missing and {len(known - expected)} are unknown to it; use the same files or"
                " make a new split."
            )
        training = [t for t in trajectories if t.source_sha256 in self.training]
        return training, [t for t in trajectories if t.source_sha256 in self.validation]

    def save(self, path) -> None:
        """Write as JSON, atomically."""
        write_text_atomically(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path) -> "Split":
        """Inverse of `save`."""
        try:
            fields = json.loads(Path(path).read_text())
            return cls(tuple(fields["training"]), tuple(fields["validation"]), int(fields["seed"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrajectoryError(f"Split: cannot read {path} ({error}); make the split again.") from None


def split_by_trajectory(trajectories, validation_fraction: float = 0.1, seed: int = 0) -> Split:
    """Put whole trajectories aside until they hold the asked fraction of the frames.

    Unsteered and steered trajectories, and paths shot along each torsion, are split apart, so that both parts
    have every kind; a kind of which there is only one trajectory trains.

    Parameters
    ----------
    trajectories : two or more of at least one kind
    validation_fraction : of the frames of each kind, in (0, 1); at least one trajectory trains and one
    validates
    seed : of the shuffle

    Raises
    ------
    TrajectoryError
        If the fraction is out of range, a trajectory is given twice, or there is nothing to split.
    """
    if not 0 < validation_fraction < 1:
        raise TrajectoryError(
            "split_by_trajectory: expected a validation fraction between 0 and 1, found"
            f" {validation_fraction}; give 0.1."
        )
    digests = [trajectory.source_sha256 for trajectory in trajectories]
    if len(set(digests)) != len(digests):
        raise TrajectoryError(
            "split_by_trajectory: a trajectory is given twice; expected different files; drop one."
        )
    generator = np.random.default_rng(seed)
    validation = set()
    # Free, steered, and paths shot along each torsion.
    for steered, shot_torsion in sorted({(t.steered, t.shot_torsion) for t in trajectories}):
        kind = [t for t in trajectories if (t.steered, t.shot_torsion) == (steered, shot_torsion)]
        frames = sum(trajectory.n_frames for trajectory in kind)
        kept = 0
        for index in generator.permutation(len(kind))[: max(len(kind) - 1, 0)]:
            if kept >= validation_fraction * frames:
                break
            validation.add(kind[index].source_sha256)
            kept += kind[index].n_frames
    if not validation:
        raise TrajectoryError(
            f"split_by_trajectory: expected at least two trajectories of one kind, found {len(digests)}; make"
            " more, or cut a long one with `cut`."
        )
    return Split(
        tuple(d for d in digests if d not in validation), tuple(d for d in digests if d in validation), seed
    )
