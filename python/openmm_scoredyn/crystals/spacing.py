"""The nearest-neighbour distance of a snapshot, hot or cold."""

import numpy as np

from openmm_scoredyn.crystals.neighbours import closest_distances, pair_distances
from openmm_scoredyn.errors import DenoisingError

# Where the first peak of g(r) may lie, in medians of the distance to the closest neighbour.
_FROM, _TO = 0.9, 1.5
_BINS = 960
# Lower peaks than this part of the highest are chance.
_HIGH = 0.75
# Inside are atoms with this part of the neighbours that a tenth of the atoms exceeds; those at a surface,
# whose distances are not those of the crystal, have less.
_FULL = 0.75


def measure_spacing(positions: np.ndarray, cell: np.ndarray, periodic, smoothing: float = 0.06) -> float:
    """Position of the first peak of the pair distribution function around the atoms inside, those with full
    coordination: the distance of nearest neighbours.

    Parameters
    ----------
    positions : (N, 3);  cell : (3, 3), rows are the vectors;  periodic : three bools
    smoothing : width of the Gaussian that the histogram is smoothed with, in nearest-neighbour distances

    Returns
    -------
    float, in the unit of the positions

    Notes
    -----
    In a hot bcc crystal the first two shells, 1 and 1.155, are one peak, and the result is up to 6 % too
    large; `CrystalDenoiser.denoise` measures again when the noise is gone.

    Raises
    ------
    DenoisingError
        If atoms lie on top of each other or have no neighbours.
    """
    closest = closest_distances(positions, cell, periodic)
    median = float(np.median(closest))
    if not median > 0:
        raise DenoisingError(
            "measure_spacing: half of the atoms lie on top of another; expected distances above zero, found"
            " 0; check that the file was read in the right format."
        )
    first, distances = pair_distances(positions, cell, periodic, _TO * median)
    numbers = np.bincount(first, minlength=len(positions))
    inside = numbers >= _FULL * np.percentile(numbers, 90)
    distances = distances[inside[first]]
    edges = np.linspace(0.5 * median, _TO * median, _BINS + 1)
    counts, _ = np.histogram(distances, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    width = smoothing * median
    kernel = np.exp(-0.5 * ((middles[:, None] - middles[None, :]) / width) ** 2)
    # Normalised row by row, so that the end of the range is no shoulder.
    density = kernel @ (counts / middles**2) / kernel.sum(axis=1)
    peaks = np.flatnonzero((density[1:-1] >= density[:-2]) & (density[1:-1] >= density[2:])) + 1
    peaks = peaks[middles[peaks] > _FROM * median]
    # The first that matters: in simple cubic and diamond the second shell is as high as the first.
    if not len(peaks):
        return median
    peak = peaks[density[peaks] > _HIGH * density[peaks].max()][0]
    # Between the bins, by the parabola through the highest three points.
    before, top, after = density[peak - 1 : peak + 2]
    curvature = before - 2 * top + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(middles[peak] + offset * (middles[1] - middles[0]))
