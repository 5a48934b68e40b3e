"""Markov state models of count matrices, by deeptime: estimate, uncertainty, passage times."""

import warnings
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.uncertainty import resample
from openmm_scoredyn.errors import MissingDependencyError

RESAMPLES = 40

POSTERIOR_SAMPLES = 100
# Gibbs sweeps between two samples of the posterior. With six, deeptime's default for some forty states,
# samples of slow processes are so alike that medians of 100 differ by a factor of two from seed to seed:
# enough for a picture. With sixty, by 15 %.
SWEEPS, THOROUGH_SWEEPS = 6, 60


def require_deeptime():
    """The modules of deeptime used here; raises `MissingDependencyError` where it is not installed."""
    try:
        import deeptime.clustering
        import deeptime.markov.msm
        import deeptime.markov.tools
    except ImportError:
        raise MissingDependencyError(
            "compare: implied time scales need deeptime, which is not installed; "
            "run `pip install 'openmm-scoredyn[analysis]'`."
        ) from None
    return deeptime


def nearest_centre(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Index of the nearest of centres (n, D) of each of the points (T, D), (T,) int."""
    nearest = np.empty(len(points), dtype=np.int64)
    offset = 0.5 * np.sum(centres**2, axis=1)
    for first in range(0, len(points), 100_000):
        piece = slice(first, first + 100_000)
        nearest[piece] = np.argmin(offset - points[piece] @ centres.T, axis=1)
    return nearest


def fit_markov_model(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Reversible maximum likelihood transition matrix on the largest connected set, and the states of that
    set.

    Parameters
    ----------
    counts : (n, n) float64

    Returns
    -------
    (m, m) float64 and (m,) int, or None if fewer than two states are connected
    """
    deeptime = require_deeptime()
    model = deeptime.markov.TransitionCountModel(counts).submodel_largest(connectivity_threshold=0.5)
    if model.n_states < 2:
        return None
    with warnings.catch_warnings():
        # The iteration stops at its limit for matrices with nearly empty states; the slow eigenvalues are
        # long settled.
        warnings.simplefilter("ignore")
        estimator = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True, maxiter=2000, maxerr=1e-6)
        markov = estimator.fit_fetch(model)
    return markov.transition_matrix, np.asarray(model.state_symbols)


def sample_posterior(
    counts: np.ndarray, lag_frames: int, seed: int = 0, samples: int = POSTERIOR_SAMPLES, sweeps: int = SWEEPS
) -> tuple[np.ndarray, np.ndarray] | None:
    """Reversible transition matrices drawn from the posterior of a Markov state model.

    Parameters
    ----------
    counts : (n, n) float64, transitions seen with a window that slides by one frame
    lag_frames : frames per lag: as many windows overlap, and count as one independent transition
    sweeps : of the sampler from one sample to the next

    Returns
    -------
    (samples, m, m) float64 and the (m,) int states of the largest connected set, or None if fewer than two
    are connected

    Notes
    -----
    The Gibbs sampler of deeptime's `BayesianMSM` (Trendelkamp-Schroer et al. 2015), with a seed.
    """
    fitted = fit_markov_model(counts)
    if fitted is None:
        return None
    transition, active = fitted
    from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

    independent = counts[np.ix_(active, active)] / lag_frames
    sampler = TransitionMatrixSampler(
        independent, reversible=True, P0=transition, n_steps=sweeps, seed=seed + 1
    )
    return np.asarray(sampler.sample(samples)), active


def slowest_eigenvalues(transition: np.ndarray, number: int) -> np.ndarray:
    """The largest eigenvalues below the first, descending, (up to number,)."""
    return np.sort(np.linalg.eigvals(transition).real)[::-1][1 : number + 1]


def passage_time(transition: np.ndarray, source: np.ndarray, target: np.ndarray) -> float:
    """Mean first passage time from `source` in equilibrium to `target`, in steps of the matrix.

    Parameters
    ----------
    transition : (m, m) float64
    source, target : bool, (m,)

    Returns
    -------
    float; NaN where either set is empty, or states that do not lead to the target make the equations singular
    """
    if not source.any() or not target.any():
        return float("nan")
    outside = ~target
    waits = np.zeros(len(transition))
    system = np.eye(int(outside.sum())) - transition[np.ix_(outside, outside)]
    try:
        waits[outside] = np.linalg.solve(system, np.ones(len(system)))
        weights = stationary(transition) * source
    except np.linalg.LinAlgError:
        return float("nan")
    return float(weights @ waits / weights.sum())


def stationary(transition: np.ndarray) -> np.ndarray:
    """Stationary distribution of a connected transition matrix (m, m): (m,) float64, of sum 1."""
    # One equation of pi P = pi follows from the others; normalisation takes its place.
    system = transition.T - np.eye(len(transition))
    system[-1] = 1.0
    right = np.zeros(len(transition))
    right[-1] = 1.0
    return np.linalg.solve(system, right)


@dataclass(frozen=True)
class MarkovEnsemble:
    """Markov models of one set of counts.

    Attributes
    ----------
    best, resampled, posterior : lists of (transition matrix, its states), or None where no
        states are connected
    """

    best: list
    resampled: list
    posterior: list

    @classmethod
    def of(
        cls, counts: np.ndarray, blocks: Blocks, size: int, lag: int, sweeps: int, seed: int
    ) -> "MarkovEnsemble":
        """From counts per block (n_blocks, size * size) at a lag in frames, with the sweeps of the
        posterior's sampler.
        """
        whole = counts.sum(axis=0).reshape(size, size)
        sets = resample(counts, blocks, seed, RESAMPLES) if blocks.num_ordinary > 1 else counts[:0]
        drawn = sample_posterior(whole, lag, seed, sweeps=sweeps)
        return cls(
            best=[fit_markov_model(whole)],
            resampled=[fit_markov_model(sums.reshape(size, size)) for sums in sets],
            posterior=[] if drawn is None else [(matrix, drawn[1]) for matrix in drawn[0]],
        )

    def apply(self, statistic, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of a statistic of a matrix and its states, (count,) each: value, bootstrap error, median and spread
        of the posterior.

        The spread is half the width of the central 68 %: with counts below one, single draws lie anywhere.
        """
        best, resampled, posterior = (
            [statistic(*matrix) for matrix in matrices if matrix is not None]
            for matrices in (self.best, self.resampled, self.posterior)
        )
        if not best:
            return (np.full(count, np.nan),) * 4
        error = _summary(resampled, len(self.resampled), best[0], lambda table: np.nanstd(table, axis=0))
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
