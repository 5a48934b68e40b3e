"""Writing a comparison: JSON, pictures, and one self-contained HTML page."""

import base64
import json
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import make_directory, write_atomically, write_text_atomically
from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.evaluation import plots
from openmm_scoredyn.evaluation.bootstrap import Estimate
from openmm_scoredyn.evaluation.comparison import ComparisonReport
from openmm_scoredyn.evaluation.rows import DIFFERS, SIGNIFICANT, UNDETERMINED

PICTURES = (
    ("ramachandran", "Free energy of the dihedrals", plots.ramachandran),
    ("populations", "Basin populations", plots.populations),
    ("passage_times", "Mean first passage times", plots.passage_times),
    ("autocorrelation", "Autocorrelation of the dihedrals", plots.autocorrelation),
    ("timescales", "Implied time scales", plots.timescales),
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
        f"{differing} of {len(judged)} quantities differ by more than {SIGNIFICANT:g} standard errors and by more than "
        f"what matters in practice; {beyond} lie beyond {SIGNIFICANT:g} standard errors, where chance alone puts about "
        f"{CHANCE_BEYOND_SIGNIFICANT * len(judged):.0f}. {len(report.rows) - len(judged)} could not be judged."
    )


def write_report(report: ComparisonReport, directory, first_pictures=()) -> None:
    """Write `comparison.json`, the PNGs and `report.html` into a folder that is made if need be.

    Parameters
    ----------
    first_pictures : list of (file name without ending, title, PNG as bytes), shown before those of the comparison

    Raises
    ------
    OutputError
        If the folder or a file cannot be written.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingDependencyError(
            "evaluation: the report page needs jinja2, which is not installed; run `pip install 'openmm-scoredyn[analysis]'`."
        ) from None
    folder = make_directory(directory)
    write_text_atomically(folder / "comparison.json", json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")
    pictures = []
    drawn = ((name, title, draw(report)) for name, title, draw in PICTURES)
    for name, title, content in (*first_pictures, *drawn):
        write_atomically(folder / f"{name}.png", lambda file, content=content: file.write(content))
        pictures.append({"title": title, "data": base64.b64encode(content).decode("ascii")})
    template = Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(template).render(
        report=report, content=report.to_dict(), pictures=pictures, groups=_groups(report), summary=summary(report)
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
            }
        )
    return [{"name": name, "rows": rows} for name, rows in groups.items()]
