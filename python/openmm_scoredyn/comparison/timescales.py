"""Markov state models of both sides: implied time scales and passage times; the clusters are fitted on the
reference.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import on_circles
from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.markov import (
    SWEEPS,
    THOROUGH_SWEEPS,
    MarkovEnsemble,
    fit_markov_model,
    nearest_centre,
    passage_time,
    require_deeptime,
    slowest_eigenvalues,
)
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.observables.protocol import pairs_within
from openmm_scoredyn.observables.states import StateDefinition

CLUSTERS = 40
LAGS_PS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
REPORTED_LAG_PS = 10.0
PROCESSES = 2
FITTING_FRAMES = 20_000
FITTING_BINS = 36
RESOLVED_EIGENVALUE = float(np.exp(-1.0))


@dataclass(frozen=True)
class MarkovResult:
    """What a Markov state model says of one side.

    Attributes
    ----------
    timescales : by lag (ps), an Estimate (ps) for each of `PROCESSES`, slowest process of the reference
    first; error by
        bootstrap over blocks. NaN for a process faster than the lag, or whose states these trajectories do
        not connect both ways. `samples` is the length over the time scale
    posterior : the same by Bayesian sampling: median and spread of the posterior
    passages : by (source, target), Estimate, ps, of the mean first passage time at a lag of
    `REPORTED_LAG_PS`; its error is the
        larger of the two, `samples` unknown
    """

    timescales: dict[float, list[Estimate]] = field(default_factory=dict)
    posterior: dict[float, list[Estimate]] = field(default_factory=dict)
    passages: dict[tuple[str, str], Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class TimescaleModel:
    """Clusters of the reference, and what its slow processes exchange.

    Attributes
    ----------
    centres : (n, 2 F) float64, sin and cos of the angles
    sides : for each slow process, the clusters (int arrays) on the smaller side of it
    states : between whose cores passage times are given; None for none
    """

    centres: np.ndarray
    sides: tuple[np.ndarray, ...]
    states: StateDefinition | None = None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Sources and targets of passages."""
        return () if self.states is None else self.states.pairs

    def assign(self, angles: np.ndarray) -> np.ndarray:
        """Cluster of every frame of angles (T, F), rad, (T,) int."""
        return nearest_centre(self.centres, on_circles(angles))

    def measure(
        self, angles: np.ndarray, frame_spacing_ps: float, blocks: Blocks, seed: int = 0
    ) -> MarkovResult:
        """Time scales at each lag that is a whole number of frames, and passage times, of (T, F) angles,
        rad.
        """
        states, size = self.assign(angles), len(self.centres)
        total_ps = blocks.num_frames * frame_spacing_ps
        result = MarkovResult()
        for lag_ps in LAGS_PS:
            lag = round(lag_ps / frame_spacing_ps)
            if abs(lag * frame_spacing_ps - lag_ps) > 1e-6 * lag_ps or lag < 1 or lag >= max(blocks.lengths):
                continue
            earlier, later = blocks.lagged_pairs(lag)
            counts = blocks.count(later, states[earlier] * size + states[later], size**2)
            sweeps = THOROUGH_SWEEPS if lag_ps == REPORTED_LAG_PS else SWEEPS
            matrices = MarkovEnsemble.of(counts, blocks, size, lag, sweeps, seed)
            value, error, middle, spread = matrices.apply(
                lambda matrix, active, lag_ps=lag_ps: implied_times(
                    matrix, active, self.sides, lag_ps, PROCESSES
                ),
                PROCESSES,
            )
            for known, values, errors in (
                (result.timescales, value, error),
                (result.posterior, middle, spread),
            ):
                known[lag_ps] = [
                    Estimate(float(v), float(e), float(total_ps / v))
                    for v, e in zip(values, errors, strict=True)
                ]
            if lag_ps == REPORTED_LAG_PS and self.pairs:
                value, error, _, spread = matrices.apply(self._passages, len(self.pairs))
                for pair, v, e in zip(
                    self.pairs, lag_ps * value, lag_ps * np.fmax(error, spread), strict=True
                ):
                    result.passages[pair] = Estimate(float(v), float(e), float("nan"))
        return result

    def _passages(self, transition: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Mean first passage times of `pairs`, in lags; a cluster belongs to the core that its centre lies
        in.
        """
        assert self.states is not None  # there are pairs
        centres, states = self.centres[active], self.states
        angles = np.arctan2(centres[:, 0::2], centres[:, 1::2])
        members = {name: states[name].core.contains(angles) for pair in self.pairs for name in pair}
        return np.array([passage_time(transition, members[a], members[b]) for a, b in self.pairs])


def fit_timescales(
    angles: np.ndarray,
    lengths: Sequence[int],
    frame_spacing_ps: float,
    states: StateDefinition | None = None,
    clusters: int = CLUSTERS,
    seed: int = 0,
) -> TimescaleModel:
    """Fit the clusters and find the slow processes.

    Parameters
    ----------
    angles : (T, F) rad of the reference, trajectories of these lengths one after the other
    states : whose passage times are wanted, of exactly these angles
    """
    deeptime = require_deeptime()
    clusters = min(clusters, len(angles))
    kmeans = deeptime.clustering.KMeans(
        clusters, init_strategy="kmeans++", fixed_seed=seed + 1, max_iter=200, n_jobs=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = on_circles(_flattened(angles, seed))
        centres = np.asarray(kmeans.fit_fetch(points).cluster_centers, dtype=np.float64)
    unfinished = TimescaleModel(centres=centres, sides=())
    assigned = unfinished.assign(angles)
    earlier, later = pairs_within(lengths, max(1, round(5.0 / frame_spacing_ps)))
    counts = np.bincount(assigned[earlier] * clusters + assigned[later], minlength=clusters**2).reshape(
        clusters, clusters
    )
    fitted = fit_markov_model(counts.astype(np.float64))
    return TimescaleModel(centres, () if fitted is None else slow_sides(*fitted, PROCESSES), states)


def _flattened(angles: np.ndarray, seed: int) -> np.ndarray:
    """Frames to cluster, at most `FITTING_FRAMES` of (T, F) rad, drawn so that rare states get clusters of
    their own.
    """
    if len(angles) <= FITTING_FRAMES:
        return angles
    cell = np.floor((angles / (2 * np.pi) + 0.5) * FITTING_BINS).astype(np.int64) % FITTING_BINS
    _, cell, counts = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[cell.ravel()])
    chosen = np.random.default_rng(seed).choice(
        len(angles), FITTING_FRAMES, replace=False, p=weights / weights.sum()
    )
    return angles[np.sort(chosen)]


def slow_sides(transition: np.ndarray, active: np.ndarray, number: int) -> tuple[np.ndarray, ...]:
    """For each of the slowest processes of a transition matrix (m, m) of some states (m,), the states on its
    smaller side: where the right eigenvector is within half of its largest magnitude.
    """
    values, vectors = np.linalg.eig(transition)
    order = np.argsort(-values.real)[1 : number + 1]
    sides = []
    for vector in vectors[:, order].real.T:
        peak = vector[np.argmax(np.abs(vector))]
        sides.append(active[vector / peak > 0.5])
    return tuple(sides)


def implied_times(
    transition: np.ndarray, active: np.ndarray, sides: tuple[np.ndarray, ...], lag_ps: float, number: int
) -> np.ndarray:
    """Time scales, ps, of the reference's processes in one matrix, (number,); NaN where a process is not
    connected.

    Parameters
    ----------
    transition, active : matrix (m, m) and its states (m,)
    sides : of the reference, as `slow_sides` gives them
    """
    result = np.full(number, np.nan)
    # A process whose smaller side was never visited is missing from the matrix, not fast: the others move up.
    # A single cluster of the side, as one on its rim, does not bring the process back.
    connected = [k for k, side in enumerate(sides) if np.isin(side, active).mean() >= 0.5]
    for process, eigenvalue in zip(connected, slowest_eigenvalues(transition, number), strict=False):
        # What decays within the lag leaves an eigenvalue of noise, whose "time scale" grows with the lag.
        if RESOLVED_EIGENVALUE < eigenvalue < 1.0:
            result[process] = -lag_ps / np.log(eigenvalue)
    return result
