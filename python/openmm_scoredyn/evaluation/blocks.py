"""Cutting trajectories into blocks, the units that the bootstrap draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import TrajectoryError

TARGET_BLOCKS = 32
FEWEST_BLOCKS = 8
# A block of 20 correlation times underestimates a variance by about 5 %.
CORRELATION_TIMES_PER_BLOCK = 20


@dataclass(frozen=True)
class Blocks:
    """Contiguous pieces of trajectories that lie one after the other in one long array.

    Attributes
    ----------
    lengths : tuple of int, frames of each trajectory
    starts : (n_blocks,) int64, first frame of each block, ascending; every trajectory start is one of them
    """

    lengths: tuple[int, ...]
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_frames(self) -> int:
        return sum(self.lengths)

    @property
    def sizes(self) -> np.ndarray:
        """Frames of each block, (n_blocks,)."""
        return np.diff(np.append(self.starts, self.num_frames))

    @property
    def owner(self) -> np.ndarray:
        """Block of each frame, (num_frames,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @property
    def trajectory_starts(self) -> np.ndarray:
        """First frame of each trajectory, (n_trajectories,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int64)

    def lagged_pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames `lag` apart that belong to one trajectory: two (P,) int64 arrays, earlier and later."""
        trajectory = np.repeat(np.arange(len(self.lengths)), self.lengths)
        earlier = np.arange(max(self.num_frames - lag, 0))
        earlier = earlier[trajectory[earlier] == trajectory[earlier + lag]]
        return earlier, earlier + lag

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
        """Sums of values (P,) at frames (P,) over each block, and how many there are: (n_blocks, len(values) + 1)."""
        owner = self.owner[frames]
        columns = (*values, np.ones(len(frames)))
        return np.stack([np.bincount(owner, column, minlength=len(self)) for column in columns], axis=1)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum of per-frame values (num_frames, K) over each block, (n_blocks, K) float64."""
        return np.add.reduceat(np.asarray(values, dtype=np.float64), self.starts, axis=0)


def correlation_frames(trajectories: Sequence[np.ndarray]) -> float:
    """Longest integrated autocorrelation time of sin and cos of the angles, in frames.

    Parameters
    ----------
    trajectories : list of (T, K) angles, rad

    Notes
    -----
    Initial positive sequence (Geyer 1992) on the longest trajectory; only used to size blocks.
    """
    longest = np.asarray(max(trajectories, key=len), dtype=np.float64)
    times = [0.5]
    for signal in np.concatenate([np.sin(longest), np.cos(longest)], axis=1).T:
        centred = signal - signal.mean()
        if centred.std() < 1e-9:
            continue
        power = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
        correlation = np.fft.irfft(power)[: len(centred)]
        correlation = correlation / correlation[0]
        negative = np.flatnonzero(correlation <= 0)
        end = negative[0] if len(negative) else len(correlation)
        times.append(0.5 + correlation[1:end].sum())
    return max(times)


def cut(trajectories: Sequence[np.ndarray], block_frames: int | None = None) -> Blocks:
    """Cut trajectories into blocks of about equal size that never cross a trajectory's end.

    Parameters
    ----------
    trajectories : list of (T, K) angles, rad
    block_frames : frames per block; by default a 32nd of the whole, but no less than 20 correlation times as long
        as 8 blocks remain. Trajectories shorter than a block are a block each.

    Raises
    ------
    TrajectoryError
        If there is no trajectory, or one of fewer than two frames.
    """
    lengths = [len(trajectory) for trajectory in trajectories]
    if block_frames is None and lengths and min(lengths) >= 2:
        wanted = max(sum(lengths) / TARGET_BLOCKS, CORRELATION_TIMES_PER_BLOCK * correlation_frames(trajectories))
        block_frames = max(2, int(min(wanted, sum(lengths) / FEWEST_BLOCKS)))
    return cut_lengths(lengths, block_frames)


def cut_lengths(lengths: Sequence[int], block_frames: int | None = None) -> Blocks:
    """`cut` for trajectories of which only the lengths in frames are known; by default 32 blocks or one each."""
    if not lengths or min(lengths) < 2:
        raise TrajectoryError(
            f"evaluation: a trajectory is too short; expected at least 2 frames in each, found lengths "
            f"{sorted(lengths)[:3]}; leave the short ones out."
        )
    block_frames = block_frames or max(2, sum(lengths) // TARGET_BLOCKS)
    starts, offset = [], 0
    for length in lengths:
        pieces = max(1, round(length / block_frames))
        starts.extend(offset + length * piece // pieces for piece in range(pieces))
        offset += length
    return Blocks(lengths=tuple(lengths), starts=np.array(starts, dtype=np.int64))
