"""Writing a comparison: JSON, pictures, and one self-contained HTML page."""

import base64
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from openmm_scoredyn.comparison import plots, plots_maps, plots_rows
from openmm_scoredyn.comparison.compare import DISTRIBUTION, ROOTS
from openmm_scoredyn.comparison.measurement import (
    CORRELATION,
    ENERGIES,
    KINETICS,
    MARKOV_PASSAGES,
    PATHS,
    POPULATIONS,
    TIMESCALES,
)
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.comparison.rows import DIFFERS, SIGNIFICANT, UNDETERMINED
from openmm_scoredyn.comparison.timescales import CLUSTERS, REPORTED_LAG_PS
from openmm_scoredyn.comparison.uncertainty import Estimate, bound
from openmm_scoredyn.data.atomic import make_directory, write_atomically, write_text_atomically
from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.observables.protocol import Quantity

CHANCE_BEYOND_SIGNIFICANT = 0.046

# File name, title, what draws it, caption.
PICTURES = (
    (
        "free_energy_maps",
        "Free energy of pairs of angles",
        plots_maps.free_energy_maps,
        (
            "-RT ln p in bins of 7.2 degrees, relative to the lowest bin; and the difference of the two,"
            " aligned on the bins that both visit. Coloured in the difference: bins that one side alone"
            " visits, with the share of its frames there. Dotted: the states whose populations are given."
            " Grey: visited by neither."
        ),
    ),
    (
        "free_energy_profiles",
        "Free energy of single angles",
        plots.free_energy_profiles,
        (
            "-RT ln p in bins of 3.6 degrees, relative to the lowest bin. Shaded: cores of the wells that"
            " were found in the reference. Squares: bins that one side alone visits, with the share of its"
            " frames there."
        ),
    ),
    (
        "populations",
        "Populations and free energies of states",
        plots_rows.populations,
        (
            "Share of frames in each state, and free energies relative to the state of reference, -RT ln(p /"
            " p_0). Bars: one standard error. Open: never visited."
        ),
    ),
    (
        "passage_times",
        "Mean first passage times",
        plots_rows.passage_times,
        (
            "Between core sets. Bars: one standard error of the logarithm. Open marks are no numbers: the"
            " time in which no event was seen, a bound where the error is larger than the value, or a value"
            " whose error is not known."
        ),
    ),
    (
        "transition_paths",
        "Transition paths",
        plots_rows.transition_paths,
        (
            "Mean time from the last frame in one core to the first in the other; it cannot be shorter"
            " than the frame spacing. Share of paths last seen over each saddle, and of those seen over"
            " none because they crossed between two frames. Bars: one standard error."
        ),
    ),
    (
        "autocorrelation",
        "Autocorrelation of the angles",
        plots.autocorrelation,
        "Normalised, mean removed. Bands: one standard error.",
    ),
    (
        "curves",
        "Correlations, distributions and displacements",
        plots_rows.curves,
        "Definitions stand with the tables. Bars: one standard error.",
    ),
    (
        "timescales",
        "Implied time scales",
        plots_rows.timescales,
        (
            f"-lag / ln(eigenvalue) of reversible Markov state models of {CLUSTERS} clusters of all"
            " angles, fitted on the reference and applied to both. Bars: one standard error of the"
            " logarithm, by bootstrap over blocks; open: the error is not known, or a bound. Bands: median"
            " and central 68 % of the Bayesian"
            f" posterior, one transition counted per lag, sampled thoroughly at {REPORTED_LAG_PS:g} ps."
            " Where a curve is flat, the model is Markovian."
        ),
    ),
    (
        "chapman_kolmogorov",
        "Chapman-Kolmogorov test between lag times",
        plots_rows.chapman_kolmogorov,
        (
            "Probability to be in each state one interval after being in another. Each model composes the"
            " interval of its own steps. Bars: one standard error. The axis is linear below 0.001."
        ),
    ),
)

# Captions of the tables of coordinates; those of other groups stand with their observables.
GROUPS = {
    DISTRIBUTION: (
        "Jensen-Shannon divergence of the two histograms in bits (base 2, 0 to 1), 50 x 50 bins of two"
        " angles, 100 of one. Beside it the floor: what two samples of the reference, as long as these"
        " two, would show; of the candidate, where it was in the rare state more often than a reference"
        " with fewer than ten sojourns, and that floor is higher."
    ),
    ROOTS: ("The same for each angle alone, as the field gives it: square root, nats, 100 bins."),
    POPULATIONS: (
        "Share of frames. Independent samples: separate visits. With fewer than ten the error is at least"
        " that of as many."
    ),
    ENERGIES: (
        "-RT ln(p / p_0). Independent samples: separate visits to the rarer state. With fewer than ten"
        " the error is at least that of as many visits with exponential sojourns."
    ),
    KINETICS: (
        "Between core sets, away from the barriers: a molecule belongs to the core it was last in, so"
        " that a visit to a barrier is no crossing. A passage time is the time spent last in the source,"
        " over the number of passages. Independent samples: passages. &ldquo;No event in t&rdquo;: a"
        " bound and no number; &ldquo;&gt; t&rdquo;: the error is larger than the value, so that only a"
        " bound (2 standard errors) is known."
    ),
    MARKOV_PASSAGES: (
        "Where fewer than ten passages were counted on one side: the same by Markov state models at a lag"
        f" of {REPORTED_LAG_PS:g} ps, between the clusters that lie in the cores. A visit shorter than the"
        " lag may be missed, on both sides alike, so that the times are comparable but longer than those"
        " counted. Independent samples: passages counted. Error: the larger of bootstrap and posterior."
    ),
    PATHS: "Independent samples: paths. See the picture for definitions.",
    CORRELATION: "Of sin and cos of the angles, mean removed.",
    TIMESCALES: (
        "Error: the larger of bootstrap and Bayesian posterior, which stand side by side in the table of"
        " all lags. Independent samples: length over time scale."
    ),
}


def format_estimate(estimate: Estimate, quantity: Quantity | None = None) -> str:
    """Value and standard error with as many digits as the error warrants, for instance `0.369 ± 0.008`.

    Of a rate or time whose error is larger than its value, the bound at 2 standard errors of the rate.
    """
    if not np.isfinite(estimate.value):
        return "not seen"
    if np.isinf(estimate.error):
        return f"no event in {estimate.value:.3g}"
    if not np.isfinite(estimate.error) or estimate.error == 0:
        return f"{estimate.value:.4g}"
    if quantity is not None and quantity.ratio and estimate.error > estimate.value > 0:
        return _bound(estimate, is_rate=quantity.unit.startswith("1/"))
    digits = 1 - int(np.floor(np.log10(estimate.error)))
    if digits > 6:
        return f"{estimate.value:.6f} ± {estimate.error:.0e}"
    places = max(digits, 0)
    return f"{estimate.value:.{places}f} ± {estimate.error:.{places}f}"


def _bound(estimate: Estimate, is_rate: bool) -> str:
    value = bound(estimate, from_above=is_rate)
    return f"{'<' if is_rate else '>'} {value:.2g}" if np.isfinite(value) else "not known"


def format_samples(estimate: Estimate) -> str:
    """Number of independent samples, empty where it is not known."""
    return f"{estimate.samples:,.0f}" if np.isfinite(estimate.samples) else ""


def summary(report: ComparisonReport) -> str:
    """One sentence: how many quantities differ, and how many would by chance."""
    judged = [row for row in report.rows if row.verdict != UNDETERMINED]
    differing = sum(row.verdict == DIFFERS for row in judged)
    beyond = sum(abs(row.difference) > SIGNIFICANT for row in judged)
    return (
        f"{differing} of {len(judged)} quantities differ by more than {SIGNIFICANT:g} standard errors and by"
        f" more than what matters in practice; {beyond} lie beyond {SIGNIFICANT:g} standard errors, where"
        f" chance alone puts about {CHANCE_BEYOND_SIGNIFICANT * len(judged):.0f}."
        f" {len(report.rows) - len(judged)} could not be judged."
    )


def target_summary(report: ComparisonReport) -> str:
    """One sentence: how many targets are met, missed, or cannot be judged."""
    targets = [row.target for row in report.rows if row.target]
    counts = [f"{targets.count(kind)} {kind}" for kind in dict.fromkeys(sorted(targets))]
    return f"Of {len(targets)} targets: {', '.join(counts)}."


def write_report(report: ComparisonReport, directory, first_pictures=()) -> None:
    """Write `comparison.json`, the PNGs and `report.html` into a folder that is made if need be.

    Parameters
    ----------
    first_pictures : list of (file name without ending, title, PNG as bytes, caption)
        Shown before those of the comparison.

    Raises
    ------
    OutputError
        If the folder or a file cannot be written.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingDependencyError(
            "compare: the report page needs jinja2, which is not installed; run `pip install"
            " 'openmm-scoredyn[analysis]'`."
        ) from None
    folder = make_directory(directory)
    write_text_atomically(
        folder / "comparison.json", json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
    )
    pictures = []
    drawn = ((name, title, draw(report), caption) for name, title, draw, caption in _pictures(report))
    for name, title, content, caption in (*first_pictures, *drawn):
        if content is None:
            continue
        _write_bytes(folder / f"{name}.png", content)
        encoded = base64.b64encode(content).decode("ascii")
        pictures.append({"title": title, "data": encoded, "caption": caption})
    template = Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(template).render(
        report=report,
        content=report.to_dict(),
        pictures=pictures,
        groups=_groups(report),
        timescales=_timescales(report),
        intervals=_intervals(report),
        summary=summary(report),
        targets=target_summary(report),
    )
    write_text_atomically(folder / "report.html", page)


def _pictures(report: ComparisonReport) -> list[tuple[str, str, Callable, str]]:
    """All pictures, the maps of the analyses behind those of the coordinates."""
    maps = [
        (one.name, one.title, functools.partial(plots_maps.analysis_maps, name=one.name), one.picture_caption)
        for one, _ in report.analyses
    ]
    return [*PICTURES[:2], *maps, *PICTURES[2:]]


def _write_bytes(path: Path, content: bytes) -> None:
    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomically(path, write)


def _groups(report: ComparisonReport) -> list[dict]:
    """Rows in the order of their groups, as text."""
    groups: dict[str, list[dict]] = {}
    for row in report.rows:
        groups.setdefault(row.quantity.group, []).append(
            {
                "name": row.quantity.name,
                "unit": row.quantity.unit,
                "reference": format_estimate(row.reference, row.quantity),
                "candidate": format_estimate(row.candidate, row.quantity),
                "samples": f"{format_samples(row.reference)} / {format_samples(row.candidate)}",
                "difference": f"{row.difference:+.1f}" if np.isfinite(row.difference) else "",
                "verdict": row.verdict,
                "judgement": row.judgement,
                "target": row.target,
            }
        )
    return [{"name": name, "rows": rows, "caption": _caption(name, report)} for name, rows in groups.items()]


def _caption(group: str, report: ComparisonReport) -> str:
    """What is common to all coordinates, then what the observables say."""
    own = [observable.captions.get(group, "") for observable in report.fit.observables]
    own += [analysis.captions.get(group, "") for analysis, _ in report.analyses]
    return " ".join(text for text in (GROUPS.get(group, ""), *own) if text)


def _timescales(report: ComparisonReport) -> list[dict]:
    """Every implied time scale of both sides, by observable and lag, as text."""
    sides = (
        (report.reference_name, report.reference.markov),
        (report.candidate_name, report.candidate.markov),
    )
    quantity = Quantity(TIMESCALES, "", "ps", ratio=True)
    return [
        {
            "angles": observable,
            "lag": f"{lag:g}",
            "side": name,
            "process": process + 1,
            "bootstrap": format_estimate(estimate, quantity),
            "posterior": format_estimate(markov[observable].posterior[lag][process], quantity),
        }
        for observable in report.fit.markov
        for lag in sorted({lag for _, markov in sides for lag in markov[observable].timescales})
        for name, markov in sides
        for process, estimate in enumerate(markov[observable].timescales.get(lag, []))
    ]


def _intervals(report: ComparisonReport) -> list[dict]:
    """The Chapman-Kolmogorov test as text, coordinate by coordinate: divergences and floors, then every
    probability with its distance from MD.
    """
    result = []
    for coordinate in dict.fromkeys(side.coordinate for side in report.intervals):
        sides = [side for side in report.intervals if side.coordinate == coordinate]
        result.append({"coordinate": coordinate, "sides": [_interval(side, sides[0]) for side in sides]})
    return result


def _interval(side, reference) -> dict:
    cells = [
        {
            "name": f"{source} -> {target}",
            "value": format_estimate(estimate),
            "difference": (
                "" if side is reference else _distance(estimate, reference.probabilities[source, target])
            ),
        }
        for (source, target), estimate in side.probabilities.items()
    ]
    joint = [
        {
            "angle": angle,
            "value": format_estimate(side.divergence[angle]),
            "floor": format_estimate(side.floor[angle]),
        }
        for angle in side.divergence
    ]
    return {"name": side.name, "step": f"{side.step_ps:g}", "cells": cells, "joint": joint}


def _distance(estimate: Estimate, reference: Estimate) -> str:
    error = np.hypot(estimate.error, reference.error)
    distance = (estimate.value - reference.value) / error if error > 0 else float("nan")
    return f"{distance:+.1f}" if np.isfinite(distance) else ""
