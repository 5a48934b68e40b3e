"""Cutting trajectories into blocks, the units that the bootstrap draws; how long they must be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.observables.protocol import pairs_within

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
    rare : (n_blocks,) bool, the blocks that are one rare sojourn each; others are pieces of ordinary time
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
        """Blocks that are no rare sojourn."""
        return int(np.count_nonzero(~self.rare))

    @property
    def rare_frames(self) -> np.ndarray:
        """First frame, and the first after it, of each rare sojourn, (n, 2)."""
        pieces = self.pieces
        return pieces[self.rare[self.owner[pieces[:, 0]]]]

    def draw(self, generator: np.random.Generator, resamples: int, length_ratio: float = 1.0) -> np.ndarray:
        """How often each block is in each of the resampled sets, `length_ratio` as long as this one:
        (resamples, n_blocks).

        Ordinary blocks are drawn with replacement, rare sojourns as events of a Poisson process.
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


def cut(
    signals: Sequence[np.ndarray], rare: np.ndarray | None = None, block_frames: int | None = None
) -> Blocks:
    """Cut trajectories into blocks of about equal size, none of more than one trajectory; rare sojourns are
    blocks of their own.

    Parameters
    ----------
    signals : list of (T, K), whose slowest correlation sizes the blocks
    rare : (n, 2) int, first frame of each rare sojourn and the first after it, over all trajectories, apart
    block_frames : frames per block; by default a 32nd of the whole, but no less than 20 correlation times as
        long as an 8th of the whole is longer. Trajectories shorter than a block are a block each.

    Raises
    ------
    TrajectoryError
        If there is no trajectory, or one of fewer than two frames.
    """
    lengths = [len(signal) for signal in signals]
    if not lengths or min(lengths) < 2:
        raise TrajectoryError(
            "compare: a trajectory is too short; expected at least 2 frames in each, found lengths "
            f"{sorted(lengths)[:3]}; leave the short ones out."
        )
    if block_frames is None:
        wanted = max(sum(lengths) / TARGET_BLOCKS, CORRELATION_TIMES_PER_BLOCK * correlation_frames(signals))
        block_frames = max(2, int(min(wanted, sum(lengths) / FEWEST_BLOCKS)))
    pieces = [max(1, round(length / block_frames)) for length in lengths]
    owner = np.concatenate(
        [np.arange(length) * number // length for length, number in zip(lengths, pieces, strict=True)]
    )
    owner += np.repeat(np.cumsum([0, *pieces[:-1]]), lengths)
    return _with_sojourns(tuple(lengths), owner, np.empty((0, 2), int) if rare is None else rare)


def _with_sojourns(lengths: tuple[int, ...], owner: np.ndarray, sojourns: np.ndarray) -> Blocks:
    """Blocks of ordinary time from which sojourns (n, 2) are taken out, each as a block of its own.

    What is left of a block that loses more than half of its frames joins the block before it, or the one
    after; where all lose as much, the one with most left. Where nothing is left, sojourns are not taken out.
    """
    full = np.bincount(owner)
    owner = owner.copy()
    for number, (first, end) in enumerate(sojourns):
        owner[first:end] = len(full) + number
    left = np.bincount(owner, minlength=len(full) + len(sojourns))[: len(full)]
    if not left.any():
        return _with_sojourns(lengths, np.repeat(np.arange(len(full)), full), sojourns[:0])
    whole = np.flatnonzero(2 * left >= full)
    if len(whole) == 0:
        whole = np.array([left.argmax()])
    for block in np.flatnonzero((2 * left < full) & (left > 0)):
        owner[owner == block] = whole[max(int(np.searchsorted(whole, block)) - 1, 0)]
    _, owner = np.unique(owner, return_inverse=True)
    rare = np.zeros(owner.max() + 1, dtype=bool)
    rare[len(rare) - len(sojourns) :] = True
    return Blocks(lengths, owner, rare)


def lagged_products(earlier: np.ndarray, later: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over t of earlier[t] * later[t + k] for k from 0, and how many products each holds.

    Parameters
    ----------
    earlier : (S, K) float64
    later : (L, K) float64, L >= S, from the same frame on
    lags : the most to give

    Returns
    -------
    (min(lags, L), K) float64 and (min(lags, L),) int64
    """
    size, reach = len(earlier) + len(later), min(lags, len(later))
    spectrum = np.fft.rfft(earlier, size, axis=0).conj() * np.fft.rfft(later, size, axis=0)
    return np.fft.irfft(spectrum, size, axis=0)[:reach], np.minimum(
        len(earlier), len(later) - np.arange(reach)
    )


def correlation_frames(trajectories: Sequence[np.ndarray]) -> float:
    """Longest integrated autocorrelation time of signals, in frames.

    Parameters
    ----------
    trajectories : list of (T, K)

    Notes
    -----
    Initial positive sequence (Geyer 1992) of the correlation pooled over all trajectories about their common
    mean, up to half of the longest: one trajectory may have seen none of the slow process that another has.
    """
    signals = [np.asarray(signal, dtype=np.float64) for signal in trajectories]
    mean = sum(signal.sum(axis=0) for signal in signals) / sum(map(len, signals))
    reach = max(2, max(map(len, signals)) // 2)
    products, pairs = np.zeros((reach, len(mean))), np.zeros((reach, 1))
    for signal in signals:
        sums, counts = lagged_products(signal - mean, signal - mean, reach)
        products[: len(sums)] += sums
        pairs[: len(sums), 0] += counts
    covariance = products / pairs
    moving = covariance[0] > 1e-18
    times = [0.5]
    for correlation in (covariance[:, moving] / covariance[0, moving]).T:
        negative = np.flatnonzero(correlation <= 0)
        end = negative[0] if len(negative) else reach
        times.append(0.5 + correlation[1:end].sum())
    return float(max(times))
