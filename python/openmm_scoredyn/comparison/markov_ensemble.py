"""Markov models of one side with their uncertainty: of redrawn blocks, and of the posterior."""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.bootstrap import resample
from openmm_scoredyn.comparison.markov import fit_markov_model, sample_posterior

RESAMPLES = 40


@dataclass(frozen=True)
class MarkovEnsemble:
    """Markov models of one set of counts.

    Attributes
    ----------
    best, redrawn, posterior : lists of (transition matrix, its states), or None where no states are connected
    """

    best: list
    redrawn: list
    posterior: list

    @classmethod
    def of(
        cls, counts: np.ndarray, blocks: Blocks, size: int, lag: int, sweeps: int, seed: int
    ) -> "MarkovEnsemble":
        """From counts per block (n_blocks, size * size) at a lag in frames, with so many sweeps of the
        posterior's sampler.
        """
        whole = counts.sum(axis=0).reshape(size, size)
        resamples = resample(counts, blocks, seed, RESAMPLES) if blocks.num_ordinary > 1 else []
        drawn = sample_posterior(whole, lag, seed, sweeps=sweeps)
        return cls(
            best=[fit_markov_model(whole)],
            redrawn=[fit_markov_model(sums.reshape(size, size)) for sums in resamples],
            posterior=[] if drawn is None else [(matrix, drawn[1]) for matrix in drawn[0]],
        )

    def apply(self, statistic, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of a statistic of a matrix and its states, (count,) each: value, bootstrap error, median and spread
        of the posterior.

        The spread is half the width of the central 68 %: with counts below one, single draws lie anywhere.
        """
        best, redrawn, posterior = (
            [statistic(*matrix) for matrix in matrices if matrix is not None]
            for matrices in (self.best, self.redrawn, self.posterior)
        )
        if not best:
            return (np.full(count, np.nan),) * 4
        error = _summary(redrawn, len(self.redrawn), best[0], lambda table: np.nanstd(table, axis=0))
        low, middle, high = (
            _summary(
                posterior, len(self.posterior), best[0], lambda table, q=q: np.nanquantile(table, q, axis=0)
            )
            for q in (0.16, 0.5, 0.84)
        )
        return best[0], error, middle, (high - low) / 2


def _summary(values: list, wanted: int, like: np.ndarray, summarise) -> np.ndarray:
    """Summary of lists of (K,) arrays over the list; NaN where more than half of those wanted are not
    numbers.
    """
    result = np.full(like.shape, np.nan)
    if values:
        table = np.where(np.isfinite(values), values, np.nan)
        enough = np.isfinite(table).sum(axis=0) > wanted / 2
        if enough.any():
            result[enough] = summarise(table[:, enough])
    return result
