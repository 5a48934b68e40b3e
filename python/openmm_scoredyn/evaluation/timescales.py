"""Implied time scales of Markov state models; the clusters are fitted on the reference and applied to both sides."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.evaluation.autocorrelation import signals_of
from openmm_scoredyn.evaluation.blocks import Blocks, cut
from openmm_scoredyn.evaluation.bootstrap import Estimate, resample

CLUSTERS = 40
LAGS_PS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
PROCESSES = 2
RESAMPLES = 40
FITTING_FRAMES = 20_000
RESOLVED_EIGENVALUE = float(np.exp(-1.0))


def _deeptime():
    try:
        import deeptime.clustering
        import deeptime.markov.msm
    except ImportError:
        raise MissingDependencyError(
            "evaluation: implied time scales need deeptime, which is not installed; "
            "run `pip install 'openmm-scoredyn[analysis]'`."
        ) from None
    return deeptime


@dataclass(frozen=True)
class TimescaleModel:
    """Clusters of the reference, and what its slow processes exchange.

    Attributes
    ----------
    centres : (n, 4) float64, sin and cos of phi and psi
    sides : for each slow process, the clusters (int arrays) on the smaller side of it
    """

    centres: np.ndarray
    sides: tuple[np.ndarray, ...]

    def assign(self, trajectories: Sequence[np.ndarray]) -> np.ndarray:
        """Cluster of every frame, trajectories one after the other, (frames,) int."""
        points = signals_of(np.concatenate(trajectories))
        nearest = np.empty(len(points), dtype=np.int64)
        offset = 0.5 * np.sum(self.centres**2, axis=1)
        for start in range(0, len(points), 100_000):
            piece = slice(start, start + 100_000)
            nearest[piece] = np.argmin(offset - points[piece] @ self.centres.T, axis=1)
        return nearest

    def timescales(
        self, trajectories: Sequence[np.ndarray], frame_spacing_ps: float, blocks: Blocks | None = None, seed: int = 0
    ) -> dict[float, list[Estimate]]:
        """Implied time scales at each lag that is a whole number of frames.

        Returns
        -------
        dict by lag (ps) of `PROCESSES` Estimates, ps, slowest process of the reference first. NaN for a process
        faster than the lag, or whose states these trajectories do not connect both ways. `samples` is the length over the time scale.
        """
        blocks = blocks or cut(trajectories)
        states = self.assign(trajectories)
        total_ps = blocks.num_frames * frame_spacing_ps
        result = {}
        for lag_ps in LAGS_PS:
            lag = lag_ps / frame_spacing_ps
            if abs(lag - round(lag)) > 1e-6 or lag < 1 or round(lag) >= max(blocks.lengths):
                continue
            earlier, later = blocks.lagged_pairs(round(lag))
            pairs = states[earlier] * len(self.centres) + states[later]
            counts = blocks.count(later, pairs, len(self.centres) ** 2)
            value = self._implied(counts.sum(axis=0), lag_ps)
            error = np.full(PROCESSES, np.nan)
            if len(blocks) > 1:
                redrawn = np.array([self._implied(c, lag_ps) for c in resample(counts, seed, RESAMPLES)])
                seen = np.isfinite(redrawn).sum(axis=0) > RESAMPLES // 2
                error[seen] = np.nanstd(redrawn[:, seen], axis=0)
            result[lag_ps] = [Estimate(float(v), float(e), float(total_ps / v)) for v, e in zip(value, error, strict=True)]
        return result

    def _implied(self, counts: np.ndarray, lag_ps: float) -> np.ndarray:
        """Time scales, ps, of the reference's processes in one count matrix; NaN where a process is not connected."""
        size = len(self.centres)
        fitted = fit_markov_model(counts.reshape(size, size))
        result = np.full(PROCESSES, np.nan)
        if fitted is None:
            return result
        transition, active = fitted
        eigenvalues = np.sort(np.linalg.eigvals(transition).real)[::-1][1 : PROCESSES + 1]
        # A process whose smaller side was never visited is missing from the matrix, not fast: the others move up.
        connected = [k for k, side in enumerate(self.sides) if np.isin(side, active).any()]
        for process, eigenvalue in zip(connected, eigenvalues, strict=False):
            # What decays within the lag leaves an eigenvalue of noise, whose "time scale" grows with the lag.
            if RESOLVED_EIGENVALUE < eigenvalue < 1.0:
                result[process] = -lag_ps / np.log(eigenvalue)
        return result


def fit_markov_model(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Reversible maximum likelihood transition matrix on the largest connected set, and the states of that set.

    Parameters
    ----------
    counts : (n, n) float64

    Returns
    -------
    (m, m) float64 and (m,) int, or None if fewer than two states are connected
    """
    deeptime = _deeptime()
    model = deeptime.markov.TransitionCountModel(counts).submodel_largest(connectivity_threshold=0.5)
    if model.n_states < 2:
        return None
    with warnings.catch_warnings():
        # The iteration stops at its limit for matrices with nearly empty states; the slow eigenvalues are long settled.
        warnings.simplefilter("ignore")
        estimator = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True, maxiter=2000, maxerr=1e-6)
        markov = estimator.fit_fetch(model)
    return markov.transition_matrix, np.asarray(model.state_symbols)


def fit_timescales(
    reference: Sequence[np.ndarray], frame_spacing_ps: float, clusters: int = CLUSTERS, seed: int = 0
) -> TimescaleModel:
    """Fit the clusters and find the slow processes on reference trajectories, lists of (T, 2) phi and psi, rad."""
    deeptime = _deeptime()
    points = signals_of(np.concatenate(reference))
    stride = max(1, len(points) // FITTING_FRAMES)
    kmeans = deeptime.clustering.KMeans(clusters, init_strategy="kmeans++", fixed_seed=seed + 1, max_iter=200, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        centres = np.asarray(kmeans.fit_fetch(points[::stride]).cluster_centers, dtype=np.float64)
    unfinished = TimescaleModel(centres=centres, sides=())
    states = unfinished.assign(reference)
    lengths = tuple(len(trajectory) for trajectory in reference)
    earlier, later = Blocks(lengths, np.zeros(1, dtype=np.int64)).lagged_pairs(max(1, round(5.0 / frame_spacing_ps)))
    counts = np.bincount(states[earlier] * clusters + states[later], minlength=clusters**2).reshape(clusters, clusters)
    fitted = fit_markov_model(counts.astype(np.float64))
    return TimescaleModel(centres=centres, sides=() if fitted is None else _sides(*fitted))


def _sides(transition: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, ...]:
    """The states where each slow right eigenvector is within half of its largest magnitude."""
    values, vectors = np.linalg.eig(transition)
    order = np.argsort(-values.real)[1 : PROCESSES + 1]
    sides = []
    for vector in vectors[:, order].real.T:
        peak = vector[np.argmax(np.abs(vector))]
        sides.append(active[vector / peak > 0.5])
    return tuple(sides)
