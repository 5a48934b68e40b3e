"""Cutting trajectories into blocks, the units that the bootstrap draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.correlation_time import correlation_frames
from openmm_scoredyn.comparison.rare_stays import rare_stays
from openmm_scoredyn.errors import TrajectoryError

TARGET_BLOCKS = 32
FEWEST_BLOCKS = 8
# A block of 20 correlation times underestimates a variance by about 5 %.
CORRELATION_TIMES_PER_BLOCK = 20


@dataclass(frozen=True)
class Blocks:
    """Frames of trajectories that lie one after the other in one long array, each in a block.

    Attributes
    ----------
    lengths : tuple of int, frames of each trajectory
    owner : (num_frames,) int64, block of each frame
    rare : (n_blocks,) bool, the blocks that are one rare stay each; others are pieces of ordinary time
    """

    lengths: tuple[int, ...]
    owner: np.ndarray
    rare: np.ndarray

    def __len__(self) -> int:
        return len(self.rare)

    @property
    def num_frames(self) -> int:
        return sum(self.lengths)

    @property
    def sizes(self) -> np.ndarray:
        """Frames of each block, (n_blocks,)."""
        return np.bincount(self.owner, minlength=len(self))

    @property
    def pieces(self) -> np.ndarray:
        """First frame, and the first after it, of every run of frames of one block and one trajectory, (n, 2)
        int64.
        """
        changes = np.flatnonzero(np.diff(self.owner)) + 1
        edges = np.unique(np.concatenate([changes, np.cumsum([0, *self.lengths])]))
        return np.stack([edges[:-1], edges[1:]], axis=1)

    @property
    def trajectory_starts(self) -> np.ndarray:
        """First frame of each trajectory, (n_trajectories,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int64)

    @property
    def num_ordinary(self) -> int:
        """Blocks that are no rare stay."""
        return int(np.count_nonzero(~self.rare))

    def draw(self, generator: np.random.Generator, resamples: int, length_ratio: float = 1.0) -> np.ndarray:
        """How often each block is in each of so many redrawn sets, `length_ratio` as long as this one:
        (resamples, n_blocks).

        Ordinary blocks are drawn with replacement, rare stays as events of a Poisson process.
        """
        weights = np.empty((resamples, len(self)))
        number = self.num_ordinary
        draws = max(1, round(number * length_ratio))
        weights[:, ~self.rare] = generator.multinomial(draws, np.full(number, 1.0 / number), size=resamples)
        weights[:, self.rare] = generator.poisson(length_ratio, (resamples, len(self) - number))
        return weights

    def lagged_pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """As `pairs_within`, of these trajectories."""
        return pairs_within(self.lengths, lag)

    def count(self, frames: np.ndarray, labels: np.ndarray, num_labels: int) -> np.ndarray:
        """How often each label occurs in each block, (n_blocks, num_labels) float64.

        Parameters
        ----------
        frames : (P,) int, the frame that says which block an occurrence belongs to
        labels : (P,) int in [0, num_labels)
        """
        flat = self.owner[frames] * num_labels + labels
        counts = np.bincount(flat, minlength=len(self) * num_labels)
        return counts.reshape(len(self), num_labels).astype(np.float64)

    def sums_at(self, frames: np.ndarray, *values: np.ndarray) -> np.ndarray:
        """Sums of values (P,) at frames (P,) over each block, and how many there are: (n_blocks, len(values)
        + 1).
        """
        owner = self.owner[frames]
        columns = (*values, np.ones(len(frames)))
        return np.stack([np.bincount(owner, column, minlength=len(self)) for column in columns], axis=1)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum of per-frame values (num_frames, K) over each block, (n_blocks, K) float64."""
        return self.sum_part(0, values)

    def sum_part(self, first: int, values: np.ndarray) -> np.ndarray:
        """`sum` of values (T, K) of the frames from `first` on, 0 for all others."""
        owner = self.owner[first : first + len(values)]
        begin = np.flatnonzero(np.diff(owner, prepend=-1))
        result = np.zeros((len(self), values.shape[1]))
        np.add.at(result, owner[begin], np.add.reduceat(np.asarray(values, dtype=np.float64), begin, axis=0))
        return result


def pairs_within(lengths: Sequence[int], lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames `lag` apart that belong to one of trajectories of these lengths: two (P,) int64 arrays, earlier
    and later.
    """
    trajectory = np.repeat(np.arange(len(lengths)), lengths)
    earlier = np.arange(max(len(trajectory) - lag, 0))
    earlier = earlier[trajectory[earlier] == trajectory[earlier + lag]]
    return earlier, earlier + lag


def cut(trajectories: Sequence[np.ndarray], block_frames: int | None = None) -> Blocks:
    """Cut trajectories into blocks of about equal size, none of more than one trajectory; rare stays are
    blocks of their own.

    Parameters
    ----------
    trajectories : list of (T, 2) phi and psi, rad
    block_frames : frames per block; by default a 32nd of the whole, but no less than 20 correlation times as
    long
        as an 8th of the whole is longer. Trajectories shorter than a block are a block each.

    Raises
    ------
    TrajectoryError
        If there is no trajectory, or one of fewer than two frames.
    """
    lengths = [len(trajectory) for trajectory in trajectories]
    if not lengths or min(lengths) < 2:
        raise TrajectoryError(
            f"evaluation: a trajectory is too short; expected at least 2 frames in each, found lengths "
            f"{sorted(lengths)[:3]}; leave the short ones out."
        )
    if block_frames is None:
        wanted = max(
            sum(lengths) / TARGET_BLOCKS, CORRELATION_TIMES_PER_BLOCK * correlation_frames(trajectories)
        )
        block_frames = max(2, int(min(wanted, sum(lengths) / FEWEST_BLOCKS)))
    pieces = [max(1, round(length / block_frames)) for length in lengths]
    owner = np.concatenate(
        [np.arange(length) * number // length for length, number in zip(lengths, pieces, strict=True)]
    )
    owner += np.repeat(np.cumsum([0, *pieces[:-1]]), lengths)
    return _with_stays(tuple(lengths), owner, rare_stays(trajectories))


def _with_stays(lengths: tuple[int, ...], owner: np.ndarray, stays: np.ndarray) -> Blocks:
    """Blocks of ordinary time from which stays (n, 2) are taken out, each as a block of its own.

    What is left of a block that loses more than half of its frames joins the block before it, or the one
    after.
    """
    full = np.bincount(owner)
    owner = owner.copy()
    for number, (first, end) in enumerate(stays):
        owner[first:end] = len(full) + number
    left = np.bincount(owner, minlength=len(full) + len(stays))[: len(full)]
    whole = np.flatnonzero(2 * left >= full)
    for block in np.flatnonzero((2 * left < full) & (left > 0)):
        owner[owner == block] = whole[max(np.searchsorted(whole, block) - 1, 0)]
    _, owner = np.unique(owner, return_inverse=True)
    rare = np.zeros(owner.max() + 1, dtype=bool)
    rare[len(rare) - len(stays) :] = True
    return Blocks(lengths, owner, rare)
