"""Ramachandran histograms, free energies, and how far two of them are apart."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import Estimate, resample
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

BINS = 50


def block_histograms(trajectories: Sequence[np.ndarray], blocks: Blocks, bins: int = BINS) -> np.ndarray:
    """Counts of each (phi, psi) bin in each block, (n_blocks, bins * bins) float64, psi fastest, from -180
    degrees.
    """
    angles = np.concatenate(trajectories)
    cell = np.floor((angles / (2 * np.pi) + 0.5) * bins).astype(np.int64) % bins
    return blocks.count(np.arange(len(angles)), cell[:, 0] * bins + cell[:, 1], bins * bins)


def free_energy(counts: np.ndarray, temperature_K: float) -> np.ndarray:
    """Free energy of each bin relative to the lowest, kJ/mol, same shape as counts; NaN where nothing was
    counted.
    """
    with np.errstate(divide="ignore"):
        energy = -GAS_CONSTANT_KJ_PER_MOL_K * temperature_K * np.log(counts)
    return np.where(counts > 0, energy - energy.min(), np.nan)


def divergence(
    reference: Sequence[np.ndarray],
    candidate: Sequence[np.ndarray],
    reference_blocks: Blocks | None = None,
    candidate_blocks: Blocks | None = None,
    bins: int = BINS,
    seed: int = 0,
) -> tuple[Estimate, Estimate]:
    """Divergence of two Ramachandran distributions, and what two sets of one distribution would show.

    Parameters
    ----------
    reference, candidate : lists of (T, 2) phi and psi, rad

    Returns
    -------
    measured : Estimate, bits; its error is the spread over redrawn blocks of both sides
    expected : Estimate, bits; mean and spread of the divergence of two sets, as long as reference and
    candidate, whose
        blocks are both drawn from the reference: a perfect candidate of this length has this divergence, not
        zero
    """
    reference_blocks = reference_blocks or cut(reference)
    candidate_blocks = candidate_blocks or cut(candidate)
    ours = block_histograms(reference, reference_blocks, bins)
    theirs = block_histograms(candidate, candidate_blocks, bins)
    expected = divergence_by_chance(reference, reference_blocks, candidate_blocks.num_frames, bins, seed)
    return block_divergence(ours, reference_blocks, theirs, candidate_blocks, seed), expected


def divergence_by_chance(
    trajectories: Sequence[np.ndarray], blocks: Blocks, frames: int, bins: int = BINS, seed: int = 0
) -> Estimate:
    """Divergence, bits, of two sets of one distribution: one as long as the trajectories, the other of so
    many frames.
    """
    if frames * blocks.num_ordinary < blocks.num_frames:
        # No set so short can be drawn from blocks that are longer.
        blocks = cut(trajectories, max(2, frames))
    counts = block_histograms(trajectories, blocks, bins)
    return block_divergence_by_chance(counts, counts, blocks, frames / blocks.num_frames, seed)


def block_divergence(
    known: np.ndarray, known_blocks: Blocks, found: np.ndarray, found_blocks: Blocks, seed: int
) -> Estimate:
    """Divergence, bits, of two histograms, each given as counts per block (n_blocks, K) with the blocks."""
    value = float(jensen_shannon(known.sum(axis=0), found.sum(axis=0)))
    samples = float(min(known_blocks.num_ordinary, found_blocks.num_ordinary))
    if samples < 2:
        return Estimate(value, float("nan"), samples)
    redrawn = jensen_shannon(resample(known, known_blocks, seed), resample(found, found_blocks, seed + 1))
    return Estimate(value, float(redrawn.std()), samples)


def block_divergence_by_chance(
    first: np.ndarray, second: np.ndarray, blocks: Blocks, length_ratio: float, seed: int
) -> Estimate:
    """Divergence, bits, of two sets drawn from the same blocks, the second `length_ratio` as long as all of
    them.

    Parameters
    ----------
    first, second : (n_blocks, K) counts that each set is made of; the same, unless frames are wider apart in
    one. Of sets
        drawn from very short blocks some hold no count: these are left out.
    """
    samples = float(blocks.num_ordinary)
    if samples < 2:
        return Estimate(float("nan"), float("nan"), samples)
    null = jensen_shannon(
        resample(first, blocks, seed + 2), resample(second, blocks, seed + 3, length_ratio=length_ratio)
    )
    return Estimate(float(np.nanmean(null)), float(np.nanstd(null)), samples)
