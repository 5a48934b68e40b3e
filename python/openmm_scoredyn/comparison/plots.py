"""Pictures of distributions along single angles and of what the coordinates do in time, as PNG."""

import numpy as np

from openmm_scoredyn.comparison.distribution import free_energy, shares_alone
from openmm_scoredyn.comparison.measurement import DEFAULT_TEMPERATURE_K
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.figures import as_png, styled_figure
from openmm_scoredyn.observables.states import Coordinate

REFERENCE_COLOUR, CANDIDATE_COLOUR = "#3b4252", "#d1495b"
# Bins that one side alone visits, in the picture of a difference.
ONLY_REFERENCE_COLOUR, ONLY_CANDIDATE_COLOUR = "#7b5ea7", "#f2b134"
# Coordinates that have pictures: those whose distributions are farthest apart. The tables have all.
MOST_COORDINATES = 8
TICKS = (-180, -90, 0, 90, 180)


def symbolic(text: str, coordinates: tuple[Coordinate, ...] = ()) -> str:
    """Plain names of states and angles as mathematics."""
    states = {state.name: state.symbol for c in coordinates if c.states for state in c.states.states}
    for name in sorted(states, key=len, reverse=True):
        text = text.replace(name, states[name] or name)
    for coordinate in coordinates:
        for angle, symbol in zip(coordinate.angles, coordinate.symbols, strict=False):
            for function in ("sin", "cos"):
                text = text.replace(f"{function} {angle}", f"{function} {symbol}")
    return text.replace("->", r"$\rightarrow$")


def new_figure(rows: int, columns: int, size: tuple[float, float]):
    """A figure in the style of the report, and its axes (rows, columns); raises `MissingDependencyError`."""
    with styled_figure(size) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def grid(number: int, columns: int, width: float, height: float):
    """A figure with a number of axes in at most `columns` columns, and these axes in a list."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure, axes = new_figure(rows, columns, (width * columns, height * rows))
    for axis in axes.flat[number:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:number])


def pictured(report: ComparisonReport) -> list[Coordinate]:
    """The coordinates that pictures show, in their own order."""
    apart = {
        row.quantity.coordinate: row.candidate.value for row in report.rows if row.quantity.unit == "bit"
    }
    first = sorted(report.coordinates, key=lambda c: -apart.get(c.name, 0.0))[:MOST_COORDINATES]
    return [coordinate for coordinate in report.coordinates if coordinate in first]


def free_energy_profiles(report: ComparisonReport) -> bytes | None:
    """Free energies along single angles, wells shaded, bins that one side alone visits marked."""
    lines = [coordinate for coordinate in pictured(report) if len(coordinate.angles) == 1]
    if not lines:
        return None
    figure, axes = grid(len(lines), 4, 3.6, 3.2)
    for axis, coordinate in zip(axes, lines, strict=True):
        _profile(axis, coordinate, report)
    axes[0].set_ylabel("free energy (kJ/mol)")
    axes[0].legend(loc="best", fontsize=8)
    return as_png(figure)


def _profile(axis, coordinate: Coordinate, report: ComparisonReport) -> None:
    middles = (np.arange(coordinate.bins) + 0.5) * 360.0 / coordinate.bins - 180.0
    for state in coordinate.states.states if coordinate.states else ():
        ((low, high),) = state.core.ranges
        for shift in (-360.0, 0.0):
            axis.axvspan(low + shift, high + shift, color="#eaecf0", lw=0)
    visited = []
    for side, name, colour, line in (
        (report.reference, report.reference_name, REFERENCE_COLOUR, "-"),
        (report.candidate, report.candidate_name, CANDIDATE_COLOUR, "--"),
    ):
        temperature_K = side.observations.temperature_K or DEFAULT_TEMPERATURE_K
        energy = free_energy(side.histograms[coordinate.name], temperature_K)
        visited.append(np.isfinite(energy))
        axis.plot(middles, energy, line, color=colour, lw=1.6, label=name)
    alone = shares_alone(*(side.histograms[coordinate.name] for side in (report.reference, report.candidate)))
    for mask, colour, name, share, place in (
        (visited[0] & ~visited[1], ONLY_REFERENCE_COLOUR, report.reference_name, alone[0], -1.0),
        (visited[1] & ~visited[0], ONLY_CANDIDATE_COLOUR, report.candidate_name, alone[1], -2.0),
    ):
        if mask.any():
            text = f"{name} alone: {100 * share:.2g} %"
            axis.plot(middles[mask], np.full(mask.sum(), place), "s", ms=4, color=colour, label=text)
            axis.legend(loc="best", fontsize=7)
    axis.set(title=coordinate.name, xlabel="angle (degrees)", xticks=TICKS, xlim=(-180, 180))
    axis.set_ylim(bottom=-2.8)


def autocorrelation(report: ComparisonReport) -> bytes | None:
    """Autocorrelation of sin and cos of the angles, bands of one standard error."""
    panels = [
        (coordinate, column, name)
        for coordinate in pictured(report)
        for column, name in enumerate(report.reference.correlation[coordinate.name].names)
    ][: 2 * MOST_COORDINATES]
    if not panels:
        return None
    figure, axes = grid(len(panels), 2 if len(panels) <= 4 else 4, 4.3, 2.8)
    for axis, (coordinate, column, name) in zip(axes, panels, strict=True):
        for side, label, colour, line in (
            (report.reference, report.reference_name, REFERENCE_COLOUR, "-"),
            (report.candidate, report.candidate_name, CANDIDATE_COLOUR, "--"),
        ):
            curve = side.correlation[coordinate.name]
            lags, value, error = curve.lags_ps[1:], curve.value[1:, column], curve.error[1:, column]
            axis.fill_between(lags, value - error, value + error, color=colour, alpha=0.2, lw=0)
            axis.plot(lags, value, line, color=colour, lw=1.8, label=label)
        axis.axhline(0, color="#98a2b3", lw=0.8)
        axis.set(title=symbolic(coordinate.named(name), (coordinate,)), xscale="log", xlabel="time (ps)")
        axis.grid(color="#f2f4f7")
    axes[0].set_ylabel("autocorrelation")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return as_png(figure)
