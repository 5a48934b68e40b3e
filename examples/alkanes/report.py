#!/usr/bin/env python3
"""The shipped model of alkanes against MD of molecules it never saw: table and pictures.

    python report.py OUT                                   # 250 replicas x 1,000 steps of each molecule
    python report.py OUT --model my.scoredyn --steps 100   # another model, shorter
    python report.py OUT --molecules butane decane --lags 10
    python report.py OUT --page ../../docs/reports/alkanes.md

Each molecule is drawn with every lag time of --lags; its hops and correlations are compared with those of
frames of MD equally far apart. Writes
OUT/alkanes.json, OUT/table.md and, of the last lag time, OUT/alkanes_*.png; with --page the table also goes
between the marks of that page, and the pictures beside it. The MD is that of ../data/alkanes-tip3p/held_out.
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
from openmm_scoredyn.data import Trajectory, load

DATA = Path(__file__).resolve().parents[1] / "data" / "alkanes-tip3p" / "held_out"
FRAME_PS = 1.0  # of the MD
SKIPPED_PS, PIECE_STEPS = 500, 50  # skipped by steps of the recommended lag time
JSD_ALLOWED = 1.2  # times the floor
BEGIN, END = "<!-- made by examples/alkanes/{} -->", "<!-- end -->"


def held_out(name: str, sets: list[int]) -> list[Trajectory]:
    """The MD of these sets of a molecule."""
    files = (path for number in sets for path in sorted((DATA / name).glob(f"set_{number}_*.npz")))
    return [trajectory for path in files for trajectory in load(path)]


def equilibrated(model, start_nm: np.ndarray, given) -> np.ndarray:
    """Frames (replicas, N, 3), nm, SKIPPED_PS after the first structure."""
    frame = np.repeat(start_nm[None].astype(np.float32), given.replicas, axis=0)
    steps = round(SKIPPED_PS / model.card.lag_time_ps)
    return model.sample(frame, steps, seed=given.seed + 1)[-1]


def replicas(model, frame: np.ndarray, given, lag_time_ps: float) -> Iterator[np.ndarray]:
    """Positions (PIECE_STEPS, replicas, N, 3), nm, piece after piece."""
    for step in range(0, given.steps, PIECE_STEPS):
        drawn = model.sample(frame, PIECE_STEPS, seed=given.seed, first_step=step, lag_time_ps=lag_time_ps)
        frame = drawn[-1]
        yield drawn


def compare(name: str, given, lag_time_ps: float) -> dict:
    """Rows of one molecule and lag time, with the two series for the pictures."""
    trajectories = held_out(name, given.sets)
    molecule = alkane(name)
    model = sd.bind(given.model, molecule.topology(), positions=molecule.positions_nm)
    parts = Parts.of(trajectories[0].molecule)
    segments = [segment for trajectory in trajectories for segment in trajectory.segments]
    md = Series.of_trajectories(parts, segments, FRAME_PS)
    apart = [segment[:: round(lag_time_ps / FRAME_PS)] for segment in segments]
    seen = md if lag_time_ps == FRAME_PS else Series.of_trajectories(parts, apart, lag_time_ps)
    frame = equilibrated(model, molecule.positions_nm, given)
    rejected, started = model.num_rejected_draws, time.perf_counter()
    drawn = Series.of_replicas(parts, replicas(model, frame, given, lag_time_ps), lag_time_ps)
    seconds, rejected = time.perf_counter() - started, int(model.num_rejected_draws - rejected)
    ours, theirs = measure(seen), measure(drawn)
    rows = [make_row(q, ours[q], theirs[q], drawn.nanoseconds / md.nanoseconds) for q in ours]
    summary = {
        "lag_time_ps": lag_time_ps,
        "md_ns": md.nanoseconds,
        "md_trajectories": len(md.lengths),
        "model_ns": drawn.nanoseconds,
        "replicas": given.replicas,
        "rejected_draws": rejected,
        "draws": given.replicas * given.steps + rejected,
        "rejected_by_cause": model.rejected_draws_by_cause,
        "broken_frames": int(np.count_nonzero(~np.isfinite(drawn.size_nm).all(1))),
        "seconds": seconds,
        "jsd": {
            what: dict(zip(("measured", "floor"), size_divergence(md, drawn, column), strict=True))
            for column, what in enumerate(("end-to-end distance", "radius of gyration"))
        },
        "card": model.card.provenance.training_data.get("binding"),
    }
    return {"summary": summary, "rows": rows, "md": md, "model": drawn}


def markdown(found: dict[str, dict], lag_time_ps: float) -> str:
    """Of one lag time: the targets, a line each and a column for each molecule; then every row."""
    names = list(found)
    heads = ["", *(f"{name}, {found[name]['summary']['md_ns']:.0f} ns of MD" for name in names)]
    lines = [f"## Steps of {lag_time_ps:g} ps", "", _line(heads), _line(["---"] * len(heads))]
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


def write_between(page: Path, script: str, table: str) -> None:
    """A table between the marks of the script that made it."""
    begin = BEGIN.format(script)
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{begin}\n\n{table}\n{END}{after}")


def arguments(description: str) -> argparse.ArgumentParser:
    """What this and `specialist.py` are asked for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="alkanes-tip3p", help="name or path")
    parser.add_argument("--molecules", nargs="+", choices=list(HELD_OUT), default=list(HELD_OUT))
    parser.add_argument("--sets", type=int, nargs="+", default=[1, 2], help="of the MD")
    parser.add_argument("--replicas", type=int, default=250)
    parser.add_argument("--steps", type=int, default=1000, help="of each replica")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--lags", type=float, nargs="+", default=[1.0, 10.0], help="ps")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.out.mkdir(parents=True, exist_ok=True)
    stored, tables = {}, []
    for lag_time_ps in given.lags:
        found = {}
        for name in given.molecules:
            found[name] = compare(name, given, lag_time_ps)
            print(name, json.dumps(found[name]["summary"]), flush=True)
        stored[f"{lag_time_ps:g} ps"] = {
            name: {"summary": one["summary"], "rows": [row.to_dict() for row in one["rows"]]}
            for name, one in found.items()
        }
        tables.append(markdown(found, lag_time_ps))
    (given.out / "alkanes.json").write_text(json.dumps(stored, indent=1) + "\n")
    table = "\n".join(tables)
    (given.out / "table.md").write_text(table)
    draw(found, given.out)
    if given.page:
        write_between(given.page, "report.py", table)
        draw(found, given.page.parent)


if __name__ == "__main__":
    main()
