"""Macrostates of the reference: k-means clusters, a Markov model of them, and PCCA+ (Roeblitz and Weber
2013).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.markov import fit_markov_model, nearest_centre, require_deeptime
from openmm_scoredyn.observables.protocol import pairs_within

CLUSTERS, STATES, ITERATIONS, SEED = 100, 10, 100, 137
# More frames do not move the centres.
FITTING_FRAMES = 50_000


@dataclass(frozen=True, eq=False)
class Macrostates:
    """Clusters, each in one macrostate.

    Attributes
    ----------
    centres : (n, D) float64
    members : (n,) int, macrostate of each cluster
    """

    centres: np.ndarray
    members: np.ndarray

    @property
    def number(self) -> int:
        """Of macrostates."""
        return int(self.members.max()) + 1

    def assign(self, points: np.ndarray) -> np.ndarray:
        """Macrostate of each of the points (T, D), (T,) int."""
        return self.members[nearest_centre(self.centres, points)]


def fit_macrostates(points: np.ndarray, lengths: Sequence[int], lag: int) -> Macrostates | None:
    """Macrostates of points (T, D) of trajectories of these lengths, at a lag in frames; None where fewer
    than two clusters are connected.

    Notes
    -----
    A cluster outside the largest connected set belongs to the macrostate of the nearest one inside. Where so
    many macrostates cannot be told apart, as of fewer clusters, they are as many as can.
    """
    deeptime = require_deeptime()
    sample = points[:: -(-len(points) // FITTING_FRAMES)]
    clusters = min(CLUSTERS, len(np.unique(sample, axis=0)))
    kmeans = deeptime.clustering.KMeans(
        clusters, init_strategy="kmeans++", fixed_seed=SEED, max_iter=ITERATIONS, n_jobs=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the last decimals still move
        centres = np.asarray(kmeans.fit_fetch(sample).cluster_centers, dtype=np.float64)
    assigned = nearest_centre(centres, points)
    earlier, later = pairs_within(lengths, lag)
    counts = np.bincount(assigned[earlier] * clusters + assigned[later], minlength=clusters**2)
    fitted = fit_markov_model(counts.reshape(clusters, clusters).astype(np.float64))
    if fitted is None:
        return None
    transition, active = fitted
    inside = _lumped(deeptime.markov.msm.MarkovStateModel(transition))
    nearest = nearest_centre(centres[active], centres)
    return Macrostates(centres, inside[nearest])


def _lumped(model) -> np.ndarray:
    """Macrostate of each state of a Markov model, as many as PCCA+ tells apart; (m,) int from 0 on."""
    for number in range(min(STATES, model.n_states), 1, -1):
        try:
            assignments = np.asarray(model.pcca(number).assignments)
        except ValueError:
            continue
        return np.unique(assignments, return_inverse=True)[1]
    return np.zeros(model.n_states, dtype=np.int64)
