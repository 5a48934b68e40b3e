"""Writing a comparison: JSON, pictures, and one self-contained HTML page."""

import base64
import json
from pathlib import Path

import numpy as np

from openmm_scoredyn.comparison import captions, plots, plots_kinetics
from openmm_scoredyn.comparison.bootstrap import Estimate
from openmm_scoredyn.comparison.comparison_report import ComparisonReport
from openmm_scoredyn.comparison.rows import DIFFERS, SIGNIFICANT, UNDETERMINED
from openmm_scoredyn.data.atomic import make_directory, write_atomically, write_text_atomically
from openmm_scoredyn.errors import MissingDependencyError

PICTURES = (
    ("ramachandran", "Free energy of the dihedrals", plots.ramachandran),
    ("populations", "Basin populations and free energies", plots.populations),
    ("passage_times", "Mean first passage times", plots.passage_times),
    ("transition_paths", "Transition paths", plots_kinetics.transition_paths),
    ("autocorrelation", "Autocorrelation of the dihedrals", plots.autocorrelation),
    ("rotors", "Rotors and end-to-end distance", plots_kinetics.rotors),
    ("timescales", "Implied time scales", plots_kinetics.timescales),
    ("chapman_kolmogorov", "Chapman-Kolmogorov test between lag times", plots_kinetics.chapman_kolmogorov),
)
CHANCE_BEYOND_SIGNIFICANT = 0.046


def format_estimate(estimate: Estimate) -> str:
    """Value and standard error with as many digits as the error warrants, for instance `0.369 ± 0.008`."""
    if not np.isfinite(estimate.value):
        return "not seen"
    if np.isinf(estimate.error):
        return f"> {estimate.value:.3g}"
    if not np.isfinite(estimate.error) or estimate.error == 0:
        return f"{estimate.value:.4g}"
    digits = 1 - int(np.floor(np.log10(estimate.error)))
    if digits > 6:
        return f"{estimate.value:.6f} ± {estimate.error:.0e}"
    places = max(digits, 0)
    return f"{estimate.value:.{places}f} ± {estimate.error:.{places}f}"


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
    first_pictures : list of (file name without ending, title, PNG as bytes), shown before those of the
    comparison

    Raises
    ------
    OutputError
        If the folder or a file cannot be written.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingDependencyError(
            "evaluation: the report page needs jinja2, which is not installed; run `pip install"
            " 'openmm-scoredyn[analysis]'`."
        ) from None
    folder = make_directory(directory)
    write_text_atomically(
        folder / "comparison.json", json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
    )
    pictures = []
    drawn = ((name, title, draw(report)) for name, title, draw in PICTURES)
    for name, title, content in (*first_pictures, *drawn):
        if content is None:
            continue
        write_atomically(folder / f"{name}.png", lambda file, content=content: file.write(content))
        encoded = base64.b64encode(content).decode("ascii")
        pictures.append({"title": title, "data": encoded, "caption": captions.PICTURES.get(name, "")})
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


def _groups(report: ComparisonReport) -> list[dict]:
    """Rows in the order of their groups, as text."""
    groups: dict[str, list[dict]] = {}
    for row in report.rows:
        groups.setdefault(row.quantity.group, []).append(
            {
                "name": row.quantity.name,
                "unit": row.quantity.unit,
                "reference": format_estimate(row.reference),
                "candidate": format_estimate(row.candidate),
                "samples": f"{format_samples(row.reference)} / {format_samples(row.candidate)}",
                "difference": f"{row.difference:+.1f}" if np.isfinite(row.difference) else "",
                "verdict": row.verdict,
                "judgement": row.judgement,
                "target": row.target,
            }
        )
    return [
        {"name": name, "rows": rows, "caption": captions.GROUPS.get(name, "")}
        for name, rows in groups.items()
    ]


def _timescales(report: ComparisonReport) -> list[dict]:
    """Every implied time scale of both sides, by lag, as text."""
    sides = (
        (report.reference_name, report.reference.markov),
        (report.candidate_name, report.candidate.markov),
    )
    return [
        {
            "lag": f"{lag:g}",
            "side": name,
            "process": process + 1,
            "bootstrap": format_estimate(estimate),
            "posterior": format_estimate(markov.posterior[lag][process]),
        }
        for lag in sorted({lag for _, markov in sides for lag in markov.timescales})
        for name, markov in sides
        for process, estimate in enumerate(markov.timescales.get(lag, []))
    ]


def _intervals(report: ComparisonReport) -> list[dict]:
    """The Chapman-Kolmogorov test as text: divergences and floors, then every probability with its distance
    from MD.
    """
    if not report.intervals:
        return []
    reference = report.intervals[0]
    sides = []
    for side in report.intervals:
        cells = [
            {
                "name": f"{source} -> {target}",
                "value": format_estimate(estimate),
                "difference": (
                    _distance(estimate, reference.probabilities[source, target])
                    if side is not reference
                    else ""
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
        sides.append({"name": side.name, "step": f"{side.step_ps:g}", "cells": cells, "joint": joint})
    return sides


def _distance(estimate: Estimate, reference: Estimate) -> str:
    error = np.hypot(estimate.error, reference.error)
    distance = (estimate.value - reference.value) / error if error > 0 else float("nan")
    return f"{distance:+.1f}" if np.isfinite(distance) else ""
