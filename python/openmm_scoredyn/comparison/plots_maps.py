"""Maps of free energy in planes of two numbers, as PNG."""

import numpy as np

from openmm_scoredyn.comparison.distribution import free_energy, shares_alone
from openmm_scoredyn.comparison.measurement import DEFAULT_TEMPERATURE_K
from openmm_scoredyn.comparison.planes import CIRCLE_DEGREES, Plane
from openmm_scoredyn.comparison.plots import (
    ONLY_CANDIDATE_COLOUR,
    ONLY_REFERENCE_COLOUR,
    TICKS,
    new_figure,
    pictured,
)
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.figures import as_png
from openmm_scoredyn.observables.states import Coordinate

HIGHEST_KJ_PER_MOL = 25.0


def free_energy_maps(report: ComparisonReport) -> bytes | None:
    """Free energies of both sides in the plane of two angles, and their difference."""
    planes: list[tuple[Plane, Coordinate | None]] = [
        (_plane_of(coordinate, report), coordinate)
        for coordinate in pictured(report)
        if len(coordinate.angles) == 2
    ]
    return _maps(planes, report)


def analysis_maps(report: ComparisonReport, name: str) -> bytes | None:
    """The same of the planes of an analysis."""
    found = {analysis.name: findings for analysis, findings in report.analyses}
    planes = found[name].planes if name in found else ()
    return _maps([(plane, None) for plane in planes], report)


def _plane_of(coordinate: Coordinate, report: ComparisonReport) -> Plane:
    x, y = coordinate.symbols or coordinate.angles
    ours, theirs = (side.histograms[coordinate.name] for side in (report.reference, report.candidate))
    labels = (f"{x} (degrees)", f"{y} (degrees)")
    return Plane(coordinate.label, labels, (CIRCLE_DEGREES, CIRCLE_DEGREES), (ours, theirs))


def _maps(planes: list[tuple[Plane, Coordinate | None]], report: ComparisonReport) -> bytes | None:
    if not planes:
        return None
    figure, axes = new_figure(len(planes), 3, (12.6, 4.1 * len(planes)))
    for row, (plane, coordinate) in zip(axes, planes, strict=True):
        _draw(figure, row, plane, coordinate, report)
    return as_png(figure, bbox_inches="tight")


def _draw(figure, axes, plane: Plane, coordinate: Coordinate | None, report: ComparisonReport) -> None:
    sides = ((report.reference, report.reference_name), (report.candidate, report.candidate_name))
    energies = []
    for axis, counts, (side, name) in zip(axes[:2], plane.counts, sides, strict=True):
        energies.append(free_energy(counts, side.observations.temperature_K or DEFAULT_TEMPERATURE_K))
        image = _map(axis, energies[-1], plane, "viridis", 0.0, HIGHEST_KJ_PER_MOL)
        axis.set_title(f"{plane.title} {name}".strip())
        if coordinate is not None:
            _outline_states(axis, coordinate)
    figure.colorbar(
        image, ax=list(axes[:2]), label="free energy (kJ/mol)", shrink=0.9, pad=0.02, extend="max"
    )
    # Aligned on the states both visit, not on one lowest bin, whose noise would tint the whole map.
    known, found = (np.isfinite(energy) for energy in energies)
    weight = np.where(known & found, plane.counts[0], 0.0)
    difference = energies[1] - energies[0]
    difference = difference - np.nansum(weight * np.nan_to_num(difference)) / max(weight.sum(), 1.0)
    image = _map(axes[2], difference, plane, "RdBu_r", -5.0, 5.0)
    axes[2].set_title("difference")
    _mark_one_sided(axes[2], plane, report)
    figure.colorbar(
        image,
        ax=axes[2],
        label=f"{report.candidate_name} $-$ {report.reference_name} (kJ/mol)",
        shrink=0.9,
        pad=0.03,
        extend="both",
    )


def _mark_one_sided(axis, plane: Plane, report: ComparisonReport) -> None:
    """Colour the bins that one side alone visits, and say how much of its frames lie there."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    ours, theirs = (counts > 0 for counts in plane.counts)
    handles = []
    marks = (
        (ours & ~theirs, ONLY_REFERENCE_COLOUR, report.reference_name),
        (theirs & ~ours, ONLY_CANDIDATE_COLOUR, report.candidate_name),
    )
    for (mask, colour, name), share in zip(marks, shares_alone(*plane.counts), strict=True):
        axis.imshow(
            np.where(mask, 1.0, np.nan).T,
            origin="lower",
            extent=(*plane.ranges[0], *plane.ranges[1]),
            cmap=ListedColormap([colour]),
            interpolation="nearest",
            aspect="auto",
        )
        handles.append(Patch(color=colour, label=f"{name} alone: {100 * share:.2g} % of its frames"))
    # Below the map: within it every place may hold data.
    axis.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=7, frameon=False)


def _map(axis, values: np.ndarray, plane: Plane, colours: str, low: float, high: float):
    axis.set_facecolor("#f2f4f7")
    image = axis.imshow(
        values.T,
        origin="lower",
        extent=(*plane.ranges[0], *plane.ranges[1]),
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
        aspect="auto",
    )
    axis.set(xlabel=plane.axes[0], ylabel=plane.axes[1])
    axis.set_box_aspect(1)
    if plane.ranges[0] == CIRCLE_DEGREES:
        axis.set(xticks=TICKS, yticks=TICKS)
    return image


def _outline_states(axis, coordinate: Coordinate) -> None:
    """Dotted outlines of the states whose populations the report gives, but for those with parts; a range
    through 180 is drawn on both sides.
    """
    states = coordinate.states.states if coordinate.states else ()
    for state in states:
        if any(other.inside == state.name for other in states):
            continue
        (left, right), (bottom, top) = state.region.ranges
        for shift in (0, -360):
            low = bottom + shift
            axis.plot(
                [left, right, right, left, left],
                [low, low, low + top - bottom, low + top - bottom, low],
                ls=":",
                lw=1.0,
                color="#667085",
                clip_on=True,
            )
        label = axis.text(
            left + 6, min(top, 180) - 7, state.symbol or state.name, fontsize=9, color="#344054", va="top"
        )
        # Readable on dark bins, too.
        label.set_bbox({"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.0})
    axis.set(xlim=(-180, 180), ylim=(-180, 180))
