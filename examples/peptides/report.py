#!/usr/bin/env python3
"""The shipped model of peptides against MD of sequences it never saw: table and picture.

    python report.py OUT                                         # the held-out dipeptides
    python report.py OUT --purpose validation --model my.scoredyn --lag 100
    python report.py OUT --page ../../docs/reports/peptides.md

Each sequence of the purpose is bound, replicas are drawn from its first frame of MD, and compared with all of
its MD at 10 ps (../data/peptides-obc2); beside it stands MD of a tenth of the length, compared with the rest
of the MD. Writes OUT/peptides.json, OUT/table.md and OUT/peptides.png; with --page the table also goes between
the marks of that page, and the picture beside it.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sequences import sequences

from openmm_scoredyn.comparison import compare
from openmm_scoredyn.data import Trajectory, load
from openmm_scoredyn.export.binding import bind_particles, open_model
from openmm_scoredyn.observables import Observations, observables_for

DATA = Path(__file__).resolve().parents[1] / "data" / "peptides-obc2"
SPACING_PS, SKIPPED_STEPS = 10.0, 20
SHARE_OF_SHORT_MD = 0.1
# Best published on unseen dipeptides of the set 2AA, mean over molecules, sqrt(nat); see method.md, section 6.
PUBLISHED = {
    "backbone": 0.083,
    "side chains": 0.115,
    "all torsions": 0.105,
    "TICA-0": 0.122,
    "TICA-0,1": 0.225,
    "Markov states": 0.101,
}
RATES_WITHIN, EVENTS = 0.25, 10
BEGIN, END = "<!-- made by examples/peptides/report.py -->", "<!-- end -->"


def molecular_dynamics(folder: Path) -> list[Trajectory]:
    """The trajectories of a sequence, a frame each SPACING_PS."""
    found = []
    for trajectory in load(folder):
        stride = round(SPACING_PS / trajectory.frame_spacing_ps)
        segments = tuple(segment[::stride] for segment in trajectory.segments)
        found.append(replace(trajectory, segments=segments, frame_spacing_ps=SPACING_PS))
    return found


def drawn(model, start_nm: np.ndarray, given, like: Trajectory) -> Trajectory:
    """Replicas of the model as a trajectory of as many segments, what was skipped left out."""
    first = np.repeat(start_nm[None].astype(np.float32), given.replicas, axis=0)
    steps = SKIPPED_STEPS + given.steps
    frames = model.sample(first, steps, seed=given.seed, lag_time_ps=given.lag)[SKIPPED_STEPS:]
    segments = tuple(np.ascontiguousarray(frames[:, k]) for k in range(given.replicas))
    return replace(
        like, segments=segments, frame_spacing_ps=given.lag, source_sha256="", solvent="", force_field=""
    )


def shortened(trajectories: list[Trajectory]) -> tuple[list[Trajectory], list[Trajectory]]:
    """A tenth of the MD, from the beginning of its first set, and the rest."""
    left = SHARE_OF_SHORT_MD * sum(t.length_ps for t in trajectories)
    short, rest = [], []
    for trajectory in trajectories:
        count = int(left / trajectory.frame_spacing_ps)
        (segment,) = trajectory.segments
        if count > 1:
            short.append(replace(trajectory, segments=(segment[:count],)))
        if len(segment) - count > 1:
            rest.append(replace(trajectory, segments=(segment[max(count, 0) :],)))
        left -= min(count, len(segment)) * trajectory.frame_spacing_ps
    return short, rest


def suite(reference: list[Trajectory], candidate: list[Trajectory]) -> dict:
    """The numbers of the field's suite and all rows."""
    molecule = reference[0].molecule
    observables = observables_for(molecule, False, ())
    sides = (Observations.from_trajectories(side, observables) for side in (reference, candidate))
    report = compare(*sides, observables, suites=("mdgen",))
    return report.to_dict()


def of_sequence(sequence: str, model, given) -> dict:
    """What is shown of one sequence."""
    md = molecular_dynamics(DATA / given.purpose / sequence)
    start_nm = md[0].segments[0][0]
    bound = bind_particles(model, md[0].molecule, start_nm)
    begun = time.perf_counter()
    replicas = drawn(bound, start_nm, given, md[0])
    seconds = time.perf_counter() - begun
    short, rest = shortened(md)
    found = suite(md, [replicas])
    return {
        "particles": len(md[0].molecule),
        "md_ns": sum(t.length_ps for t in md) / 1000,
        "model_ns": replicas.length_ps / 1000,
        "seconds": seconds,
        "draws": given.replicas * (SKIPPED_STEPS + given.steps),
        "rejected_draws": int(bound.num_rejected_draws),
        "rejected_by_cause": bound.rejected_draws_by_cause,
        "suite": found["analyses"]["mdgen"],
        "short_md": suite(rest, short)["analyses"]["mdgen"],
        "rows": found["rows"],
    }


def mean_of(found: dict[str, dict], part: str, name: str) -> str:
    """Mean over sequences and its standard error."""
    key, kind = part.split("/")
    values = np.array(
        [
            one[key][kind][label]["value"]
            for one in found.values()
            for label in one[key][kind]
            if label == name or (name == "Markov states" and label.endswith(name))
        ]
    )
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{values.mean():.3f} ± {error:.3f}" if len(values) else "none"


def rates_within(found: dict[str, dict]) -> tuple[int, int]:
    """Sequences of which all hop rates seen EVENTS times or more are within the target, and those with any."""
    right = known = 0
    for one in found.values():
        rows = [row for row in one["rows"] if _is_rate(row)]
        known += bool(rows)
        right += bool(rows) and all(_is_right(row) for row in rows)
    return right, known


def _is_rate(row: dict) -> bool:
    ours, theirs = row["reference"], row["candidate"]
    return (
        row["quantity"].startswith(("hop rate", "first passage"))
        and (ours.get("samples") or 0) >= EVENTS
        and theirs["value"] is not None
    )


def _is_right(row: dict) -> bool:
    ours, theirs = row["reference"], row["candidate"]
    gap = abs(theirs["value"] - ours["value"])
    return gap <= max(RATES_WITHIN * ours["value"], 2 * np.hypot(ours["error"] or 0, theirs["error"] or 0))


def markdown(found: dict[str, dict]) -> str:
    """Means over the sequences, then a line for each."""
    lines = [
        "| sqrt(JSD), sqrt(nat), mean over sequences | model | by chance | MD, a tenth | best published |",
        "|---" * 5 + "|",
    ]
    for name, published in PUBLISHED.items():
        cells = [
            mean_of(found, part, name)
            for part in ("suite/sqrt_jsd", "suite/expected_by_chance", "short_md/sqrt_jsd")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {published:.3f} |")
    right, known = rates_within(found)
    draws = sum(one["draws"] for one in found.values())
    refused = sum(one["rejected_draws"] for one in found.values())
    lines += [
        "",
        f"All rates seen {EVENTS} times or more within 25 % or two standard errors: {right} of {known} sequences."
        f" Rejected draws: {100 * refused / draws:.2f} % of {draws:,}.",
        "",
        "| sequence | atoms | MD, ns | model, ns | backbone | side chains | all torsions | TICA-0 | rejected |",
        "|---" * 9 + "|",
    ]
    for sequence, one in found.items():
        values = one["suite"]["sqrt_jsd"]
        cells = [
            f"{values[name]['value']:.3f}" if name in values else "-"
            for name in ("backbone", "side chains", "all torsions", "TICA-0")
        ]
        share = f"{100 * one['rejected_draws'] / one['draws']:.2f} %"
        lines.append(
            f"| {sequence} | {one['particles']} | {one['md_ns']:.0f} | {one['model_ns']:.0f} |"
            f" {' | '.join(cells)} | {share} |"
        )
    return "\n".join(lines)


def picture(found: dict[str, dict], path: Path) -> None:
    """All torsions of each sequence: model, chance, and MD of a tenth of the length."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(found))
    for part, kind, label, marker in (
        ("suite", "sqrt_jsd", "model", "o"),
        ("suite", "expected_by_chance", "expected by chance", "_"),
        ("short_md", "sqrt_jsd", "MD, a tenth of the length", "x"),
    ):
        values = [one[part][kind]["all torsions"]["value"] for one in found.values()]
        axes.plot(place, values, marker, label=label)
    axes.axhline(PUBLISHED["all torsions"], lw=0.8, color="0.5", label="best published mean")
    axes.set_xticks(place, list(found), rotation=90)
    axes.set_ylabel("sqrt(JSD) of all torsions, sqrt(nat)")
    axes.legend(frameon=False, ncols=2)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="peptides-obc2", help="name or path")
    parser.add_argument(
        "--purpose", default="held_out", choices=("validation", "held_out", "tetrapeptides")
    )
    parser.add_argument("--sequences", nargs="+")
    parser.add_argument("--lag", type=float, default=100.0, help="ps")
    parser.add_argument("--replicas", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.out.mkdir(parents=True, exist_ok=True)
    model, found = open_model(given.model), {}
    for sequence in given.sequences or sequences()[given.purpose]:
        found[sequence] = of_sequence(sequence, model, given)
        print(sequence, json.dumps(found[sequence]["suite"]["sqrt_jsd"]), flush=True)
    (given.out / "peptides.json").write_text(json.dumps(found))
    table = markdown(found)
    (given.out / "table.md").write_text(table + "\n")
    picture(found, given.out / "peptides.png")
    print(table)
    if given.page:
        before, _, rest = given.page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        given.page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
        picture(found, given.page.with_name("peptides.png"))


if __name__ == "__main__":
    main()
