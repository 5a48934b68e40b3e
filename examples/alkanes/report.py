#!/usr/bin/env python3
"""The shipped model of alkanes against MD of molecules it never saw: table and pictures.

    python report.py OUT                                   # 250 replicas x 4 ns of each molecule
    python report.py OUT --model my.scoredyn --length 0.2  # another model, shorter (ns)
    python report.py OUT --molecules butane decane
    python report.py OUT --page ../../docs/reports/alkanes.md

Writes OUT/alkanes.json, OUT/table.md and OUT/alkanes_*.png; with --page the table also goes between the marks
of that page, and the pictures beside it. The MD is that of ../data/alkanes-tip3p/held_out.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Parts, Series, measure, size_divergence
from molecules import HELD_OUT, alkane
from plots import draw

import openmm_scoredyn as sd
from openmm_scoredyn.comparison.report import format_estimate
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.data import load

DATA = Path(__file__).resolve().parents[1] / "data" / "alkanes-tip3p" / "held_out"
SKIPPED_PS, PIECE_PS = 200, 50
JSD_ALLOWED = 1.2  # times the floor
BEGIN, END = "<!-- made by examples/alkanes/report.py -->", "<!-- end -->"


def replicas(model, start_nm: np.ndarray, number: int, length_ps: int, seed: int) -> Iterator[np.ndarray]:
    """Positions (PIECE_PS, number, N, 3), nm, piece after piece; what was not skipped."""
    frame = np.repeat(start_nm[None].astype(np.float32), number, axis=0)
    for step in range(0, SKIPPED_PS + length_ps, PIECE_PS):
        drawn = model.sample(frame, PIECE_PS, seed=seed, first_step=step)
        frame = drawn[-1]
        if step >= SKIPPED_PS:
            yield drawn


def compare(name: str, given) -> dict:
    """Rows of one molecule, with the two series for the pictures."""
    trajectories = load(DATA / name)
    molecule = alkane(name)
    model = sd.bind(given.model, molecule.topology(), positions=molecule.positions_nm)
    parts = Parts.of(trajectories[0].molecule)
    md = Series.of_trajectories(parts, [segment for t in trajectories for segment in t.segments])
    started = time.perf_counter()
    pieces = replicas(model, molecule.positions_nm, given.replicas, round(given.length * 1000), given.seed)
    drawn = Series.of_replicas(parts, pieces)
    seconds = time.perf_counter() - started
    ours, theirs = measure(md), measure(drawn)
    rows = [make_row(q, ours[q], theirs[q], drawn.nanoseconds / md.nanoseconds) for q in ours]
    steps = given.replicas * (SKIPPED_PS + round(given.length * 1000))
    summary = {
        "md_ns": md.nanoseconds,
        "md_trajectories": len(md.lengths),
        "model_ns": drawn.nanoseconds,
        "replicas": given.replicas,
        "rejected_draws": int(model.num_rejected_draws),
        "draws": steps + int(model.num_rejected_draws),
        "rejected_by_cause": model.rejected_draws_by_cause,
        "broken_frames": int(np.count_nonzero(~np.isfinite(drawn.size_nm).all(1))),
        "seconds": seconds,
        "jsd": {
            what: dict(zip(("measured", "floor"), size_divergence(md, drawn, column), strict=True))
            for column, what in enumerate(("end-to-end distance", "radius of gyration"))
        },
        "card": model.card.provenance.training_data["binding"],
    }
    return {"summary": summary, "rows": rows, "md": md, "model": drawn}


def markdown(found: dict[str, dict]) -> str:
    """The targets, a line each and a column for each molecule; then every row."""
    names = list(found)
    heads = ["", *(f"{name}, {found[name]['summary']['md_ns']:.0f} ns of MD" for name in names)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for group in ("free energy", "hop rate", "autocorrelation", "geometry", "contacts"):
        cells = [
            _verdicts([row for row in one["rows"] if row.quantity.group == group]) for one in found.values()
        ]
        lines.append(_line([group, *cells]))
    for what in ("end-to-end distance", "radius of gyration"):
        cells = [_divergence(one["summary"]["jsd"][what]) for one in found.values()]
        lines.append(_line([f"JSD of {what}, in floors", *cells]))
    shares = [one["summary"]["rejected_draws"] / one["summary"]["draws"] for one in found.values()]
    lines.append(_line(["rejected draws", *(f"{share:.3%}" for share in shares)]))
    lines.append(_line(["broken frames", *(str(one["summary"]["broken_frames"]) for one in found.values())]))
    for name, one in found.items():
        lines += [
            "",
            f"### {name}",
            "",
            _line(["", "MD", "model", "difference", "target"]),
            _line(["---"] * 5),
        ]
        lines += [_row_line(row) for row in one["rows"]]
    return "\n".join(lines) + "\n"


def _line(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _verdicts(rows: list[Row]) -> str:
    """How many rows are within their target, how many the MD is too short to tell, how many missed."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.target] = counts.get(row.target, 0) + 1
    return ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items())) or "none"


def _divergence(jsd: dict[str, float]) -> str:
    ratio = jsd["measured"] / jsd["floor"]
    return f"{ratio:.2f} ({jsd['measured']:.2g} bit; {'met' if ratio <= JSD_ALLOWED else 'missed'})"


def _row_line(row: Row) -> str:
    gap = f"{row.candidate.value - row.reference.value:+.3g} {row.quantity.unit}".strip()
    cells = [
        row.quantity.name,
        format_estimate(row.reference),
        format_estimate(row.candidate),
        gap,
        row.target,
    ]
    return _line(cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="alkanes-tip3p", help="name or path")
    parser.add_argument("--molecules", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    parser.add_argument("--replicas", type=int, default=250)
    parser.add_argument("--length", type=float, default=4.0, help="ns of each replica")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in given.molecules:
        found[name] = compare(name, given)
        print(name, json.dumps(found[name]["summary"]), flush=True)
    stored = {
        name: {"summary": one["summary"], "rows": [row.to_dict() for row in one["rows"]]}
        for name, one in found.items()
    }
    (given.out / "alkanes.json").write_text(json.dumps(stored, indent=1) + "\n")
    table = markdown(found)
    (given.out / "table.md").write_text(table)
    draw(found, given.out)
    if given.page:
        before, _, rest = given.page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        given.page.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")
        draw(found, given.page.parent)


if __name__ == "__main__":
    main()
