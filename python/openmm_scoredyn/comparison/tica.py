"""Time-lagged independent components of sin and cos of angles, by deeptime, fitted on the reference.

Perez-Hernandez et al. 2013 and Schwantes and Pande 2013; kinetic map: Noe and Clementi 2015; VAMP-2 score:
Wu and Noe 2020.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import on_circles
from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.markov import require_deeptime
from openmm_scoredyn.comparison.uncertainty import Estimate, standard_error, time_estimate
from openmm_scoredyn.observables.protocol import pairs_within

CHUNK_PAIRS = 50_000
# Components are kept as far as they hold this share of the kinetic variance.
KINETIC_SHARE = 0.95
# A process that decays within the lag leaves noise.
RESOLVED = float(np.exp(-1.0))


@dataclass(frozen=True, eq=False)
class Components:
    """The slowest components of the reference, reversible, slowest first.

    Attributes
    ----------
    mean : (2 F,) float64, of sin and cos of the angles
    vectors : (2 F, K) float64, of unit variance in the reference
    eigenvalues : (K,) float64
    lag : frames
    kept : number of components that hold `KINETIC_SHARE` of the kinetic variance, at least 1
    """

    mean: np.ndarray
    vectors: np.ndarray
    eigenvalues: np.ndarray
    lag: int
    kept: int

    def project(self, angles: np.ndarray) -> np.ndarray:
        """Components of angles (T, F), rad, (T, K) float64."""
        projected = np.empty((len(angles), self.vectors.shape[1]))
        for first in range(0, len(angles), CHUNK_PAIRS):
            piece = slice(first, first + CHUNK_PAIRS)
            projected[piece] = (on_circles(angles[piece]) - self.mean) @ self.vectors
        return projected


def fit_components(angles: np.ndarray, lengths: Sequence[int], lag: int) -> Components | None:
    """Components of angles (T, F), rad, of trajectories of these lengths, at a lag in frames; None where no
    angle moves.
    """
    require_deeptime()
    from deeptime.covariance import CovarianceModel
    from deeptime.decomposition import TICA
    from deeptime.numeric import ZeroRankError

    earlier, later = pairs_within(lengths, lag)
    size = 2 * angles.shape[1]
    mean, instant, lagged = np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
    for first in range(0, len(earlier), CHUNK_PAIRS):
        x, y = (on_circles(angles[part[first : first + CHUNK_PAIRS]]) for part in (earlier, later))
        mean += 0.5 * (x.sum(axis=0) + y.sum(axis=0))
        instant += 0.5 * (x.T @ x + y.T @ y)
        lagged += 0.5 * (x.T @ y + y.T @ x)
    mean, instant, lagged = (total / len(earlier) for total in (mean, instant, lagged))
    centre = np.outer(mean, mean)
    covariances = CovarianceModel(
        cov_00=instant - centre,
        cov_0t=lagged - centre,
        cov_tt=instant - centre,
        mean_0=mean,
        mean_t=mean,
        bessels_correction=False,
        symmetrized=True,
        lagtime=lag,
    )
    try:
        model = TICA(lagtime=lag, scaling=None).fit_from_covariances(covariances).fetch_model()
    except ZeroRankError:
        return None
    values = np.asarray(model.singular_values, dtype=np.float64)
    vectors = np.asarray(model.singular_vectors_left, dtype=np.float64)[:, : len(values)]
    share = np.cumsum(values**2) / np.sum(values**2)
    return Components(mean, vectors, values, lag, int(np.searchsorted(share, KINETIC_SHARE)) + 1)


def _pair_sums(projected: np.ndarray, blocks: Blocks, lag: int, columns: Callable) -> np.ndarray:
    """Sums over the pairs of each block, which end in it, of columns(earlier, later), and their number."""
    earlier, later = blocks.lagged_pairs(lag)
    total: np.ndarray | float = 0.0
    for first in range(0, len(earlier), CHUNK_PAIRS):
        frames = later[first : first + CHUNK_PAIRS]
        x, y = projected[earlier[first : first + CHUNK_PAIRS]], projected[frames]
        total = total + blocks.sums_at(frames, *columns(x, y).T)
    return np.asarray(total)


def time_scales(
    projected: np.ndarray, blocks: Blocks, lag: int, lag_ps: float, seed: int = 0
) -> list[Estimate]:
    """Implied time scales, ps, of components (T, K) of one side: -lag / ln(autocorrelation at the lag), about
    the side's own mean, with the variance of the pairs' ends; NaN for one that decays within the lag.
    """
    number = projected.shape[1]

    def columns(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.concatenate([x * y, 0.5 * (x**2 + y**2), 0.5 * (x + y)], axis=1)

    def estimate(sums: np.ndarray) -> np.ndarray:
        averages = (sums[..., :-1] / sums[..., -1:]).reshape(*sums.shape[:-1], 3, number)
        product, square, mean = np.moveaxis(averages, -2, 0)
        correlation = (product - mean**2) / (square - mean**2)
        resolved = (correlation > RESOLVED) & (correlation < 1.0)
        return np.where(resolved, -lag_ps / np.log(np.where(resolved, correlation, 0.5)), np.nan)

    value, error = standard_error(_pair_sums(projected, blocks, lag, columns), estimate, blocks, seed)
    frame_ps = lag_ps / lag
    return [time_estimate(v, e, blocks.num_frames * frame_ps) for v, e in zip(value, error, strict=True)]


def vamp2(projected: np.ndarray, blocks: Blocks, lag: int, seed: int = 0) -> Estimate:
    """VAMP-2 score of components (T, K) of one side at a lag in frames: 1 for the constant, plus the sum of
    the squared singular values of C00^-1/2 C0t Ctt^-1/2.
    """
    number = projected.shape[1]

    def columns(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        products = [(a[:, :, None] * b[:, None, :]).reshape(len(a), -1) for a, b in ((x, x), (x, y), (y, y))]
        return np.concatenate([*products, x, y], axis=1)

    def estimate(sums: np.ndarray) -> np.ndarray:
        averages = sums[..., :-1] / sums[..., -1:]
        flat, means = averages[..., : 3 * number**2], averages[..., 3 * number**2 :]
        matrices = flat.reshape(*sums.shape[:-1], 3, number, number)
        first, second = means[..., :number], means[..., number:]
        same, cross, later = (
            matrices[..., k, :, :] - a[..., :, None] * b[..., None, :]
            for k, (a, b) in enumerate(((first, first), (first, second), (second, second)))
        )
        # A resample may hold no pair of frames a lag apart.
        known = np.isfinite(cross).all(axis=(-2, -1))
        same, cross, later = (np.where(known[..., None, None], part, 0) for part in (same, cross, later))
        # The squared Frobenius norm of the whitened matrix is a trace.
        inside = np.linalg.pinv(same, hermitian=True) @ cross
        inside = inside @ np.linalg.pinv(later, hermitian=True) @ np.swapaxes(cross, -1, -2)
        score = 1.0 + np.trace(inside, axis1=-2, axis2=-1)
        return np.where(known, score, np.nan)[..., None]

    value, error = standard_error(_pair_sums(projected, blocks, lag, columns), estimate, blocks, seed)
    return Estimate(float(value[0]), float(error[0]), float("nan"))


def whole_lag(frame_spacing_ps: float, wanted_ps: float, lengths: Sequence[int]) -> int | None:
    """The least number of frames that is no less than the lag wanted; None where no trajectory is twice as
    long.
    """
    lag = max(1, int(np.ceil(wanted_ps / frame_spacing_ps - 1e-6)))
    return lag if 2 * lag < max(lengths) else None
