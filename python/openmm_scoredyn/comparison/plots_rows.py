"""Pictures of rows: populations, passages, paths, curves; time scales, and the test between lag times."""

from collections.abc import Sequence

import numpy as np

from openmm_scoredyn.comparison.marks import mark
from openmm_scoredyn.comparison.measurement import ENERGIES, KINETICS, PASSAGE_PREFIX, PATHS, POPULATIONS
from openmm_scoredyn.comparison.passages import PATH_TIME, UNSEEN
from openmm_scoredyn.comparison.plots import (
    CANDIDATE_COLOUR,
    REFERENCE_COLOUR,
    grid,
    new_figure,
    pictured,
    symbolic,
)
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.figures import as_png

OTHER_COLOURS = ("#2a9d8f", "#e9a23b", "#7b5ea7", "#3d7dca")
# Points that an axis has room for.
MOST_POINTS = 24
# Letters in a row that a panel of three has room for.
WIDEST_LABELS = 36


def draw_pairs(
    axis, report: ComparisonReport, rows: Sequence[Row], unit: str, logarithmic: bool = False
) -> None:
    """One pair of points per row with error bars of one standard error, of the logarithm if the axis is to be
    logarithmic; see `mark`.
    """
    for offset, colour, name, side in (
        (-0.12, REFERENCE_COLOUR, report.reference_name, "reference"),
        (0.12, CANDIDATE_COLOUR, report.candidate_name, "candidate"),
    ):
        estimates = [getattr(row, side) for row in rows]
        mark(axis, np.arange(len(rows)) + offset, estimates, colour, name, logarithmic=logarithmic)
    plain = [row.quantity.name.replace(PASSAGE_PREFIX, "") for row in rows]
    names = [symbolic(name, report.coordinates) for name in plain]
    crowded = len(rows) > 5 or len(rows) * max(map(len, plain), default=0) > WIDEST_LABELS
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "fontsize": 8} if crowded else {}
    axis.set_xticks(range(len(rows)), names, **turned)
    axis.set(xlim=(-0.6, len(rows) - 0.4), ylabel=unit, yscale="log" if logarithmic else "linear")
    axis.grid(axis="y", color="#eaecf0")
    axis.set_axisbelow(True)


def _rows_of(report: ComparisonReport, group: str) -> list[Row]:
    """Rows of a group of the coordinates that have pictures, as many as there is room for."""
    shown = {coordinate.name for coordinate in pictured(report)}
    rows = [row for row in report.rows if row.quantity.group == group and row.quantity.coordinate in shown]
    return rows[:MOST_POINTS]


def populations(report: ComparisonReport) -> bytes | None:
    """Populations with error bars, those of rare states on a scale of their own, and free energies."""
    rows = _rows_of(report, POPULATIONS)
    if not rows:
        return None
    common = [row for row in rows if row.quantity.relative_tolerance]
    rare = [row for row in rows if not row.quantity.relative_tolerance]
    panels = [(title, part) for title, part in (("large states", common), ("rare states", rare)) if part]
    energies = _rows_of(report, ENERGIES)
    figure, (axes,) = new_figure(1, len(panels) + bool(energies), (12.0, 4.2))
    for axis, (title, part) in zip(axes, panels, strict=False):
        draw_pairs(axis, report, part, "population")
        axis.set_ylim(bottom=0)
        axis.set_title(title)
    if energies:
        draw_pairs(axes[-1], report, energies, "free energy (kJ/mol)")
        axes[-1].set_title("free energies")
    axes[0].legend(loc="lower left")
    return as_png(figure)


def passage_times(report: ComparisonReport) -> bytes | None:
    """Mean first passage times on a logarithmic scale."""
    rows = [row for row in _rows_of(report, KINETICS) if PASSAGE_PREFIX in row.quantity.name]
    if not rows:
        return None
    figure, ((axis,),) = new_figure(1, 1, (12.0, 4.2))
    draw_pairs(axis, report, rows, "mean first passage time (ns)", logarithmic=True)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    return as_png(figure)


def transition_paths(report: ComparisonReport) -> bytes | None:
    """Path times, and the share of paths over each saddle."""
    rows = _rows_of(report, PATHS)
    times = [row for row in rows if row.quantity.name.endswith(PATH_TIME)]
    shares = [row for row in rows if row not in times]
    panels = [(t, part) for t, part in (("mean path time (ps)", times), ("share of paths", shares)) if part]
    if not panels:
        return None
    figure, (axes,) = new_figure(1, len(panels), (6.3 * len(panels), 4.4))
    for axis, (title, part) in zip(axes, panels, strict=True):
        draw_pairs(axis, report, part, title)
        axis.set_ylim(0, 1.05 if part is shares else None)
        labels = [text.get_text() for text in axis.get_xticklabels()]
        shorter = ((f": {PATH_TIME}", ""), (": share over", ","), (f": share {UNSEEN}", ", unseen"))
        for long, short in shorter:
            labels = [label.replace(long, short) for label in labels]
        axis.set_xticks(axis.get_xticks(), labels, rotation=35, ha="right")
    axes[0].legend(loc="best")
    return as_png(figure)


def curves(report: ComparisonReport) -> bytes | None:
    """All curves of observables: correlations of rotors and sizes, radial distributions, displacements."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        if row.quantity.curve:
            found.setdefault((row.quantity.group, row.quantity.curve), []).append(row)
    if not found:
        return None
    titles = {group: axes for o in report.fit.observables for group, axes in o.axes.items()}
    figure, axes = grid(len(found), 4, 3.2, 3.0)
    for axis, ((group, name), rows) in zip(axes, found.items(), strict=True):
        for side, label, colour, marker in (
            ("reference", report.reference_name, REFERENCE_COLOUR, "o-"),
            ("candidate", report.candidate_name, CANDIDATE_COLOUR, "s--"),
        ):
            estimates = [getattr(row, side) for row in rows]
            axis.errorbar(
                [row.quantity.at for row in rows],
                [e.value for e in estimates],
                yerr=np.nan_to_num([e.error for e in estimates]),
                fmt=marker,
                ms=3,
                lw=1.2,
                capsize=2,
                color=colour,
                label=label,
            )
        axis.axhline(0, color="#98a2b3", lw=0.8)
        abscissa, ordinate = titles[group]
        logarithmic = abscissa.startswith("time")
        axis.set(title=name, xlabel=abscissa, ylabel=ordinate, xscale="log" if logarithmic else "linear")
    axes[0].legend(loc="best")
    return as_png(figure)


def timescales(report: ComparisonReport) -> bytes | None:
    """Implied time scales against the lag of the Markov model: bars of the bootstrap, bands of
    the posterior; one panel for each model.
    """
    if not report.fit.markov:
        return None
    figure, axes = grid(len(report.fit.markov), 2, 6.8, 4.4)
    for axis, name in zip(axes, report.fit.markov, strict=True):
        _time_scale_panel(axis, name, report)
        if len(axes) > 1:
            axis.set_title(name)
    return as_png(figure)


def _time_scale_panel(axis, observable: str, report: ComparisonReport) -> None:
    highest, all_lags = 1.0, set()
    for side, label, colour, marker in (
        (report.reference, report.reference_name, REFERENCE_COLOUR, "o-"),
        (report.candidate, report.candidate_name, CANDIDATE_COLOUR, "s--"),
    ):
        markov = side.markov[observable]
        lags = np.array(sorted(markov.timescales))
        all_lags |= set(lags.tolist())
        best = np.array([[e.value for e in markov.timescales[lag]] for lag in lags])
        drawn = np.array([[(e.value, e.error) for e in markov.posterior[lag]] for lag in lags])
        for process in range(best.shape[1] if len(best) else 0):
            value = best[:, process]
            if not np.isfinite(value).any():
                continue
            middle, spread = np.where(np.isfinite(value), drawn[:, process].T, np.nan)
            axis.fill_between(
                lags, np.maximum(middle - spread, 0.1), middle + spread, color=colour, alpha=0.15, lw=0
            )
            # Every process of a side has the same entry in the legend.
            name = label if process == 0 or not np.isfinite(best[:, 0]).any() else "_"
            estimates = [markov.timescales[lag][process] for lag in lags]
            mark(axis, lags, estimates, colour, name, logarithmic=True, shape=marker[0], line=marker[1:])
            highest = max(highest, np.nanmax(value))
    lags = np.array(sorted(all_lags) or [1.0])
    axis.fill_between(lags, 0.1, lags, color="#eaecf0", lw=0)
    axis.text(
        lags[-1], lags[-1] * 0.62, "faster than the lag", ha="right", va="top", fontsize=9, color="#667085"
    )
    axis.set(xscale="log", yscale="log", xlabel="lag (ps)", ylabel="implied time scale (ps)")
    axis.set_ylim(0.7, highest * 10)
    axis.set_xticks(lags, [f"{lag:g}" for lag in lags])
    axis.minorticks_off()
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left")


def chapman_kolmogorov(report: ComparisonReport) -> bytes | None:
    """Transition probabilities over one interval by all that were compared, one panel for each state left."""
    names = list(dict.fromkeys(interval.coordinate for interval in report.intervals))[:4]
    if not names:
        return None
    sides = {name: [one for one in report.intervals if one.coordinate == name] for name in names}
    columns = max(len(one[0].states) for one in sides.values())
    figure, axes = new_figure(len(names), columns, (3.15 * columns, 3.6 * len(names)))
    for row, one in zip(axes, sides.values(), strict=True):
        for axis in row[len(one[0].states) :]:
            axis.set_visible(False)
        _interval_panels(row, one, report)
    axes[0, 0].set_ylabel("probability to be there")
    axes[0, -1].legend(loc="best", fontsize=8)
    return as_png(figure)


def _interval_panels(axes, sides, report: ComparisonReport) -> None:
    states = sides[0].states
    colours = (REFERENCE_COLOUR, CANDIDATE_COLOUR, *OTHER_COLOURS)
    width = 0.7 / len(sides)
    for axis, source in zip(axes, states, strict=False):
        for number, side in enumerate(sides):
            estimates = [side.probabilities[source, target] for target in states]
            places = np.arange(len(states)) + (number - (len(sides) - 1) / 2) * width
            axis.errorbar(
                places,
                [e.value for e in estimates],
                yerr=np.nan_to_num([e.error for e in estimates]),
                fmt="o",
                ms=5,
                capsize=3,
                lw=1.4,
                color=colours[number % len(colours)],
                label=f"{side.name}, {side.step_ps:g} ps",
            )
        axis.set(title=f"from {symbolic(source, report.coordinates)}", ylim=(0, 1.1))
        axis.set_yscale("symlog", linthresh=1e-3)
        axis.set_xticks(range(len(states)), [symbolic(name, report.coordinates) for name in states])
        axis.grid(axis="y", color="#eaecf0")
