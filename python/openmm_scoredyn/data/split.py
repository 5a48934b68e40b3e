"""What trains and what validates: decided once, by trajectory, by time or by molecule, and kept in a file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.data.cutting import divide
from openmm_scoredyn.data.trajectory import Trajectory, first_difference
from openmm_scoredyn.errors import TrajectoryError


@dataclass(frozen=True)
class Split:
    """Digests (`Trajectory.source_sha256`) of the trajectories of each part.

    Attributes
    ----------
    training, validation : tuple of str, of whole trajectories
    divided : dict of str to int, frames of trajectories that are divided along time: the first ones, of this
        number, train, the later ones validate
    seed : int, of the shuffle that made it
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    seed: int
    divided: dict[str, int] = field(default_factory=dict)
    format_version: str = "1.1"

    def select(self, trajectories) -> tuple[list[Trajectory], list[Trajectory]]:
        """The trajectories of each part, in the order given.

        Raises
        ------
        TrajectoryError
            If a trajectory of the split is missing, or one that it does not know is given.
        """
        known = {trajectory.source_sha256 for trajectory in trajectories}
        expected = {*self.training, *self.validation, *self.divided}
        if known != expected:
            raise TrajectoryError(
                f"Split: these are not the trajectories that were split; {len(expected - known)} of the"
                f" split's are missing and {len(known - expected)} are unknown to it; use the same files or"
                " make a new split."
            )
        training, validation = [], []
        for trajectory in trajectories:
            digest = trajectory.source_sha256
            if digest in self.divided:
                earlier, later = divide(trajectory, self.divided[digest])
                training.append(earlier)
                validation.append(later)
            else:
                (training if digest in self.training else validation).append(trajectory)
        return training, validation

    def save(self, path) -> None:
        """Write as JSON, atomically."""
        write_text_atomically(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path) -> "Split":
        """Inverse of `save`."""
        try:
            fields = json.loads(Path(path).read_text())
            divided = {str(digest): int(frames) for digest, frames in fields["divided"].items()}
            return cls(tuple(fields["training"]), tuple(fields["validation"]), int(fields["seed"]), divided)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrajectoryError(f"Split: cannot read {path} ({error}); make the split again.") from None


def split_by_trajectory(trajectories, validation_fraction: float = 0.1, seed: int = 0) -> Split:
    """Put whole trajectories aside until they hold the asked fraction of the frames.

    Unsteered and steered trajectories, and paths shot along each torsion, are split apart, so that both parts
    have every kind; a kind of which there is only one trajectory trains. Where no kind has two, as for one
    long trajectory, the split is `split_by_time`.

    Parameters
    ----------
    trajectories : one or more
    validation_fraction : of the frames of each kind, in (0, 1); at least one trajectory trains and one
        validates
    seed : of the shuffle

    Raises
    ------
    TrajectoryError
        If the fraction is out of range, a trajectory is given twice, or there is nothing to split.
    """
    digests = _check("split_by_trajectory", trajectories, validation_fraction)
    generator = np.random.default_rng(seed)
    validation = set()
    # Free, steered, and paths shot along each torsion.
    for steered, shot_torsion in sorted({(t.steered, t.shot_torsion) for t in trajectories}):
        kind = [[t] for t in trajectories if (t.steered, t.shot_torsion) == (steered, shot_torsion)]
        validation |= _put_aside(kind, validation_fraction, generator)
    if not validation:
        return split_by_time(trajectories, validation_fraction, seed)
    return _split(digests, validation, seed)


def split_by_time(trajectories, validation_fraction: float = 0.1, seed: int = 0) -> Split:
    """The last part of every trajectory validates; no window crosses the place where it is divided.

    Parameters
    ----------
    trajectories : one or more
    validation_fraction : of the frames of each trajectory, in (0, 1)
    seed : kept in the split, no random number is drawn

    Raises
    ------
    TrajectoryError
        If the fraction is out of range, a trajectory is given twice, or one is too short for two parts.
    """
    digests = _check("split_by_time", trajectories, validation_fraction)
    frames = [round((1 - validation_fraction) * trajectory.n_frames) for trajectory in trajectories]
    for trajectory, place in zip(trajectories, frames, strict=True):
        divide(trajectory, place)  # refuses what is too short
    return Split((), (), seed, dict(zip(digests, frames, strict=True)))


def split_by_molecule(trajectories, validation_fraction: float = 0.1, seed: int = 0) -> Split:
    """Put whole molecules aside, with all their trajectories: what a transferable model is validated on.

    Parameters
    ----------
    trajectories : of two or more molecules
    validation_fraction : of the frames, in (0, 1); at least one molecule trains and one validates
    seed : of the shuffle

    Raises
    ------
    TrajectoryError
        If the fraction is out of range, a trajectory is given twice, or all are of one molecule.
    """
    digests = _check("split_by_molecule", trajectories, validation_fraction)
    molecules: list[list[Trajectory]] = []
    for trajectory in trajectories:
        same = (
            group for group in molecules if first_difference(group[0].molecule, trajectory.molecule) is None
        )
        group = next(same, None)
        if group is None:
            molecules.append([trajectory])
        else:
            group.append(trajectory)
    if len(molecules) < 2:
        raise TrajectoryError(
            "split_by_molecule: expected trajectories of two molecules or more, found one molecule; split by"
            " trajectory or by time."
        )
    aside = _put_aside(molecules, validation_fraction, np.random.default_rng(seed))
    return _split(digests, aside, seed)


def _check(name: str, trajectories, validation_fraction: float) -> list[str]:
    """Digests of trajectories that can be split."""
    if not 0 < validation_fraction < 1:
        raise TrajectoryError(
            f"{name}: expected a validation fraction between 0 and 1, found {validation_fraction}; give 0.1."
        )
    digests = [trajectory.source_sha256 for trajectory in trajectories]
    if len(set(digests)) != len(digests):
        raise TrajectoryError(f"{name}: a trajectory is given twice; expected different files; drop one.")
    return digests


def _put_aside(groups: list[list[Trajectory]], fraction: float, generator) -> set[str]:
    """Digests of whole groups, drawn until they hold a fraction of the frames; one group always stays."""
    sizes = [sum(trajectory.n_frames for trajectory in group) for group in groups]
    aside, kept = set(), 0
    for index in generator.permutation(len(groups))[: len(groups) - 1]:
        if kept >= fraction * sum(sizes):
            break
        aside |= {trajectory.source_sha256 for trajectory in groups[index]}
        kept += sizes[index]
    return aside


def _split(digests: list[str], validation: set[str], seed: int) -> Split:
    return Split(
        tuple(d for d in digests if d not in validation), tuple(d for d in digests if d in validation), seed
    )
