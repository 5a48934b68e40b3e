"""Joint histograms of two numbers, on one grid for both sides."""

from dataclasses import dataclass

import numpy as np

CIRCLE_DEGREES = (-180.0, 180.0)


@dataclass(frozen=True, eq=False)
class Plane:
    """Joint histograms of both sides.

    Attributes
    ----------
    title : str
    axes : labels of abscissa and ordinate
    ranges : (low, high) of each axis
    counts : (X, Y) of reference and candidate
    """

    title: str
    axes: tuple[str, str]
    ranges: tuple[tuple[float, float], tuple[float, float]]
    counts: tuple[np.ndarray, np.ndarray]


def grid_labels(values: np.ndarray, ranges: tuple[tuple[float, float], ...], bins: int) -> np.ndarray:
    """Cell of each row of values (T, F) in a grid over ranges, the last axis fastest, (T,) int64."""
    label = np.zeros(len(values), dtype=np.int64)
    for column, (low, high) in zip(values.T, ranges, strict=True):
        width = (high - low) / bins if high > low else 1.0
        label = label * bins + np.clip(((column - low) / width).astype(np.int64), 0, bins - 1)
    return label


def plane_of(
    title: str,
    axes: tuple[str, str],
    ranges: tuple[tuple[float, float], tuple[float, float]],
    labels: tuple[np.ndarray, np.ndarray],
    bins: int,
) -> Plane:
    """The plane of labels (T,) of the cells of both sides, as `grid_labels` and `cells` give them."""
    ours, theirs = (np.bincount(one, minlength=bins**2).reshape(bins, bins) for one in labels)
    return Plane(title, axes, ranges, (ours, theirs))
