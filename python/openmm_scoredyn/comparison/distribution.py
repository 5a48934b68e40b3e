"""Histograms of angles, and how far two of them are apart beside what chance would show."""

from collections.abc import Callable

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.uncertainty import Estimate, resample
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

# From two histograms (..., K) to how far they are apart (...).
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cells(angles: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each row of angles (T, F), rad, the last angle fastest, from -180 degrees, (T,) int64."""
    along = np.floor((angles / (2 * np.pi) + 0.5) * bins).astype(np.int64) % bins
    cell = along[:, 0]
    for column in along.T[1:]:
        cell = cell * bins + column
    return cell


def block_counts(labels: np.ndarray, blocks: Blocks, number: int) -> np.ndarray:
    """Counts of each of a number of labels in each block, (n_blocks, K * number) float64, of labels (T, K)
    int in [0, number), one column after the other.
    """
    frames = np.arange(len(labels))
    return np.concatenate([blocks.count(frames, column, number) for column in labels.T], axis=1)


def block_histograms(angles: np.ndarray, blocks: Blocks, bins: int) -> np.ndarray:
    """Counts of each cell in each block, (n_blocks, bins ** F) float64."""
    return block_counts(cells(angles, bins)[:, None], blocks, bins ** angles.shape[1])


def shares_alone(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Shares of the counts of two histograms that lie in bins which only one of them has counts in."""
    return float(ours[theirs == 0].sum() / ours.sum()), float(theirs[ours == 0].sum() / theirs.sum())


def free_energy(counts: np.ndarray, temperature_K: float) -> np.ndarray:
    """Free energy of each bin relative to the lowest, kJ/mol, same shape as counts; NaN where nothing was
    counted.
    """
    with np.errstate(divide="ignore"):
        energy = -GAS_CONSTANT_KJ_PER_MOL_K * temperature_K * np.log(counts)
    return np.where(counts > 0, energy - energy.min(), np.nan)


def divergence(
    reference: np.ndarray,
    candidate: np.ndarray,
    reference_blocks: Blocks,
    candidate_blocks: Blocks,
    number: int,
    seed: int = 0,
    measure: Measure = jensen_shannon,
) -> tuple[Estimate, Estimate]:
    """Divergence of two distributions, and what two sets of one distribution would show.

    Parameters
    ----------
    reference, candidate : (T, K) int in [0, number), labels of frames, as `cells` gives them
    measure : from two histograms (..., K * number) to (...)

    Returns
    -------
    measured : Estimate; its error is the spread over resampled blocks of both sides
    expected : Estimate; mean and spread of the divergence of two sets, as long as reference and candidate,
        whose blocks are both drawn from the reference: a perfect candidate of this length has this
        divergence, not zero
    """
    ours = block_counts(reference, reference_blocks, number)
    theirs = block_counts(candidate, candidate_blocks, number)
    expected = divergence_by_chance(
        reference, reference_blocks, candidate_blocks.num_frames, number, seed, measure
    )
    return block_divergence(ours, reference_blocks, theirs, candidate_blocks, seed, measure), expected


def divergence_by_chance(
    labels: np.ndarray,
    blocks: Blocks,
    frames: int,
    number: int,
    seed: int = 0,
    measure: Measure = jensen_shannon,
) -> Estimate:
    """Divergence of two sets of one distribution: one as long as the trajectories, the other of a number of
    frames.
    """
    if frames * blocks.num_ordinary < blocks.num_frames:
        # No set so short can be drawn from blocks that are longer.
        pieces = np.split(labels, np.cumsum(blocks.lengths)[:-1])
        blocks = cut(pieces, blocks.rare_frames, max(2, frames))
    counts = block_counts(labels, blocks, number)
    return block_divergence_by_chance(counts, counts, blocks, frames / blocks.num_frames, seed, measure)


def block_divergence(
    known: np.ndarray,
    known_blocks: Blocks,
    found: np.ndarray,
    found_blocks: Blocks,
    seed: int,
    measure: Measure = jensen_shannon,
) -> Estimate:
    """Divergence of two histograms, each given as counts per block (n_blocks, K) with the blocks."""
    value = float(measure(known.sum(axis=0), found.sum(axis=0)))
    samples = float(min(known_blocks.num_ordinary, found_blocks.num_ordinary))
    if samples < 2:
        return Estimate(value, float("nan"), samples)
    resampled = measure(resample(known, known_blocks, seed), resample(found, found_blocks, seed + 1))
    return Estimate(value, float(resampled.std()), samples)


def block_divergence_by_chance(
    first: np.ndarray,
    second: np.ndarray,
    blocks: Blocks,
    length_ratio: float,
    seed: int,
    measure: Measure = jensen_shannon,
) -> Estimate:
    """Divergence of two sets drawn from the same blocks, the second `length_ratio` as long as all of them.

    Parameters
    ----------
    first, second : (n_blocks, K) counts that each set is made of; the same, unless frames are wider apart in
        one. Of sets drawn from very short blocks some hold no count: these are left out.
    """
    samples = float(blocks.num_ordinary)
    if samples < 2:
        return Estimate(float("nan"), float("nan"), samples)
    null = measure(
        resample(first, blocks, seed + 2), resample(second, blocks, seed + 3, length_ratio=length_ratio)
    )
    return Estimate(float(np.nanmean(null)), float(np.nanstd(null)), samples)


def root_in_nats(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Square root of the Jensen-Shannon divergence, base e: what MDGen and others give per torsion."""
    return np.sqrt(np.maximum(jensen_shannon(first, second), 0.0) * np.log(2.0))


def mean_root_in_nats(number: int) -> Measure:
    """Mean of `root_in_nats` over histograms that stand one after the other, each of a number of bins."""

    def mean(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        parts = (counts.reshape(*counts.shape[:-1], -1, number) for counts in (first, second))
        return root_in_nats(*parts).mean(axis=-1)

    return mean
