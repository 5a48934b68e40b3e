"""Pictures of kinetics: time scales against the lag, transition paths, rotors, and the test between lag
times.
"""

import numpy as np

from openmm_scoredyn.comparison.comparison_report import ComparisonReport
from openmm_scoredyn.comparison.interval_pairs import NAMES
from openmm_scoredyn.comparison.plots import (
    CANDIDATE_COLOUR,
    REFERENCE_COLOUR,
    draw_pairs,
    logarithmic_bars,
    new_figure,
    symbolic,
)
from openmm_scoredyn.comparison.structure import MOTIONS
from openmm_scoredyn.figures import as_png

OTHER_COLOURS = ("#2a9d8f", "#e9a23b", "#7b5ea7", "#3d7dca")


def timescales(report: ComparisonReport) -> bytes:
    """Implied time scales against the lag of the Markov model: bars of the bootstrap, bands of
    the posterior.
    """
    figure, ((axis,),) = new_figure(1, 1, (6.8, 4.4))
    highest = 1.0
    for side, label, colour, marker in (
        (report.reference, report.reference_name, REFERENCE_COLOUR, "o-"),
        (report.candidate, report.candidate_name, CANDIDATE_COLOUR, "s--"),
    ):
        lags = np.array(sorted(side.markov.timescales))
        best, drawn = (
            np.array([[(e.value, e.error) for e in known[lag]] for lag in lags])
            for known in (side.markov.timescales, side.markov.posterior)
        )
        for process in range(best.shape[1] if len(best) else 0):
            value, error = best[:, process].T
            if not np.isfinite(value).any():
                continue
            middle, spread = np.where(np.isfinite(value), drawn[:, process].T, np.nan)
            axis.fill_between(
                lags, np.maximum(middle - spread, 0.1), middle + spread, color=colour, alpha=0.15, lw=0
            )
            name = label if process == 0 or not np.isfinite(best[:, 0, 0]).any() else None
            axis.errorbar(
                lags,
                value,
                yerr=logarithmic_bars(value, error),
                fmt=marker,
                color=colour,
                ms=5,
                lw=1.5,
                capsize=3,
                label=name,
            )
            highest = max(highest, np.nanmax(value))
    lags = np.array(
        sorted(set(report.reference.markov.timescales) | set(report.candidate.markov.timescales)) or [1.0]
    )
    axis.fill_between(lags, 0.1, lags, color="#eaecf0", lw=0)
    axis.text(
        lags[-1], lags[-1] * 0.62, "faster than the lag", ha="right", va="top", fontsize=9, color="#667085"
    )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="lag (ps)",
        ylabel="implied time scale (ps)",
        ylim=(0.7, highest * 10),
    )
    axis.set_xticks(lags, [f"{lag:g}" for lag in lags])
    axis.minorticks_off()
    axis.legend(loc="upper left")
    return as_png(figure)


def transition_paths(report: ComparisonReport) -> bytes | None:
    """Path times, and the share of paths over each saddle."""
    rows = [row for row in report.rows if row.quantity.group == "Transition paths"]
    times = [row for row in rows if row.quantity.name.endswith("path time")]
    if not rows:
        return None
    figure, ((left, right),) = new_figure(1, 2, (12.6, 4.4))
    draw_pairs(left, report, times, "mean path time (ps)")
    draw_pairs(right, report, [row for row in rows if row not in times], "share of paths")
    for axis in (left, right):
        axis.set_ylim(bottom=0)
        labels = [text.get_text() for text in axis.get_xticklabels()]
        for long, short in (
            (": path time", ""),
            (": share over", ","),
            (": share between two frames", ", unseen"),
        ):
            labels = [label.replace(long, short) for label in labels]
        axis.set_xticks(axis.get_xticks(), labels, rotation=35, ha="right")
    left.legend(loc="best")
    return as_png(figure)


def rotors(report: ComparisonReport) -> bytes | None:
    """Autocorrelation of methyl rotors and of the end-to-end distance."""
    curves: dict[str, list] = {}
    for row in report.rows:
        name, _, lag = row.quantity.name.partition(" at ")
        if row.quantity.group == MOTIONS and lag:
            curves.setdefault(name, []).append((float(lag.removesuffix(" ps")), row))
    if not curves:
        return None
    figure, (axes,) = new_figure(1, len(curves), (3.2 * len(curves), 3.2))
    for axis, (name, points) in zip(axes, curves.items(), strict=True):
        lags = [lag for lag, _ in points]
        for side, label, colour, marker in (
            ("reference", report.reference_name, REFERENCE_COLOUR, "o-"),
            ("candidate", report.candidate_name, CANDIDATE_COLOUR, "s--"),
        ):
            estimates = [getattr(row, side) for _, row in points]
            axis.errorbar(
                lags,
                [e.value for e in estimates],
                yerr=np.nan_to_num([e.error for e in estimates]),
                fmt=marker,
                ms=4,
                lw=1.4, capsize=3, color=colour, label=label,
            )  # fmt: skip
        axis.axhline(0, color="#98a2b3", lw=0.8)
        axis.set(title=name, xscale="log", xlabel="time (ps)")
    axes[0].set_ylabel("autocorrelation")
    axes[0].legend(loc="best")
    return as_png(figure)


def chapman_kolmogorov(report: ComparisonReport) -> bytes | None:
    """Transition probabilities over one interval by all that were compared, one panel for each state left."""
    if not report.intervals:
        return None
    figure, (axes,) = new_figure(1, len(NAMES), (12.6, 3.6))
    colours = (REFERENCE_COLOUR, CANDIDATE_COLOUR, *OTHER_COLOURS)
    width = 0.7 / len(report.intervals)
    for axis, source in zip(axes, NAMES, strict=True):
        for number, side in enumerate(report.intervals):
            estimates = [side.probabilities[source, target] for target in NAMES]
            places = np.arange(len(NAMES)) + (number - (len(report.intervals) - 1) / 2) * width
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
            )  # fmt: skip
        axis.set(title=f"from {symbolic(source)}", yscale="symlog", ylim=(0, 1.1))
        axis.set_yscale("symlog", linthresh=1e-3)
        axis.set_xticks(range(len(NAMES)), [symbolic(name) for name in NAMES])
        axis.grid(axis="y", color="#eaecf0")
    axes[0].set_ylabel("probability to be there")
    axes[-1].legend(loc="best", fontsize=8)
    return as_png(figure)
