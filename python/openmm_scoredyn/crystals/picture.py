"""The picture of a frame before and after denoising: a slice of the crystal, atoms coloured by structure."""

import numpy as np

from openmm_scoredyn.crystals.classify import STRUCTURES, count
from openmm_scoredyn.figures import as_png, styled_figure

COLOURS = {
    "other": "#b8b8b8",
    "fcc": "#3f9b4f",
    "hcp": "#c8443c",
    "bcc": "#3a6fb5",
    "ico": "#d9a520",
    "sc": "#8e5bb0",
    "diamond": "#2aa5a0",
}
HALF_SLICE = 0.8  # nearest-neighbour distances
FEW_DEFECTS = 0.1  # of the atoms
PLAIN = "#3a6fb5"


def before_and_after(
    before, after, cell, spacing: float, structures=(None, None), names=("before", "after")
) -> bytes:
    """PNG of a thin slice, seen along the third box vector: through defects if they are few, else through the
    middle.

    Parameters
    ----------
    before, after : (N, 3);  cell : (3, 3), same unit;  spacing : nearest-neighbour distance
    structures : two arrays (N,), index into `STRUCTURES`, or None
    names : titles of the two panels
    """
    after = np.asarray(after, dtype=float)
    extent = np.ptp(after, axis=0)
    box = np.asarray(cell) if np.asarray(cell).any() else np.diag(2 * extent + 1e-9)
    shown = _wrapped(after, box)
    # The same image of every atom on both sides: none must jump across the border between the panels.
    moved = _in_the_plane(np.asarray(before) - after, box)
    chosen = np.flatnonzero(np.abs(shown[:, 2] - _height(shown[:, 2], structures[1])) < HALF_SLICE * spacing)
    order = chosen[np.argsort(shown[chosen, 2])]
    with styled_figure((11.0, 5.8)) as figure:
        panels = figure.subplots(1, 2)
        for axis, positions, found, name in zip(panels, (shown + moved, shown), structures, names):
            _panel(axis, positions[order], None if found is None else np.asarray(found)[order], spacing)
            axis.set_title(name if found is None else f"{name}\n{_summary(found)}", weight="normal")
        return as_png(figure, dpi=100, bbox_inches="tight")


def _height(heights: np.ndarray, structures) -> float:
    """Where to cut: in the middle, or through the atom without structure nearest to the median of them."""
    middle = (heights.min() + heights.max()) / 2
    if structures is None:
        return middle
    odd = np.sort(heights[np.asarray(structures) == 0])
    return float(odd[len(odd) // 2]) if 0 < len(odd) < FEW_DEFECTS * len(heights) else middle


def _panel(axis, positions: np.ndarray, structures, spacing: float) -> None:
    low, high = positions.min(axis=0), positions.max(axis=0)
    span = max(high[0] - low[0], high[1] - low[1]) + 2 * spacing
    colours = PLAIN if structures is None else [COLOURS[STRUCTURES[number]] for number in structures]
    # Points of an area that makes neighbours touch at this size of panel: 5 inches of 72 points.
    size = (0.62 * spacing / span * 5.0 * 72) ** 2
    axis.scatter(positions[:, 0], positions[:, 1], s=size, c=colours, edgecolors="black", linewidths=0.4)
    axis.set(
        xlim=(low[0] - spacing, low[0] + span - spacing), ylim=(low[1] - spacing, low[1] + span - spacing)
    )
    axis.set_aspect("equal")
    axis.set_axis_off()


def _summary(structures) -> str:
    return ", ".join(f"{name} {number}" for name, number in count(structures).items())


def _wrapped(positions, cell) -> np.ndarray:
    """Positions inside the box, whose borders are put where along each vector there is most room between
    layers.
    """
    fractions = np.mod(positions @ np.linalg.inv(cell), 1.0)
    for axis in range(3):
        ordered = np.sort(fractions[:, axis])
        gaps = np.diff(ordered, append=ordered[0] + 1.0)
        widest = int(np.argmax(gaps))
        fractions[:, axis] = np.mod(fractions[:, axis] - ordered[widest] - gaps[widest] / 2, 1.0)
    return _in_the_plane(fractions @ cell, cell)


def _in_the_plane(vectors: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Vectors turned so that the first two of the box lie in the plane of the picture."""
    q, r = np.linalg.qr(np.asarray(cell, dtype=float).T)
    return vectors @ (q * np.sign(np.diag(r)))
