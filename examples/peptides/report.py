#!/usr/bin/env python3
"""The shipped model of peptides against MD of sequences it never saw: table and picture.

    python report.py OUT                                         # the held-out dipeptides
    python report.py OUT --purpose validation --model my.scoredyn --lag 100
    python report.py OUT --page ../../docs/reports/peptides.md

Each sequence of the purpose is bound, replicas are drawn from its first frame of MD, and their populations
compared with those of all of its MD at 10 ps (../data/peptides-obc2); beside it stand two parts of the MD
against each other: its halves, and a tenth against the rest. Rates are compared by
steps as long as the frames of the MD are apart.
Writes OUT/peptides.json, OUT/table.md and OUT/peptides.png; with --page the table also goes between the marks
of that page, and the picture beside it.

Populations as in MDGen's analysis script (Jing, Stark, Jaakkola and Berger 2024): square roots of
Jensen-Shannon divergences in nats, 100 bins for each torsion and for the first component of a TICA of sines
and cosines of the reference, 50 x 50 for the first two, macrostates of a Markov model of the components.
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
from openmm_scoredyn.comparison.distribution import cells, root_in_nats
from openmm_scoredyn.comparison.macrostates import fit_macrostates
from openmm_scoredyn.comparison.tica import fit_components
from openmm_scoredyn.data import Trajectory, load
from openmm_scoredyn.export import bind_particles, open_model
from openmm_scoredyn.molecule.geometry import dihedral_angles
from openmm_scoredyn.molecule.peptides import named_torsions
from openmm_scoredyn.observables import Observations, observables_for

DATA = Path(__file__).resolve().parents[1] / "data" / "peptides-obc2"
SPACING_PS, SKIPPED_STEPS = 10.0, 20
BINS, PLANE_BINS, TICA_LAG_PS = 100, 50, 100.0
# Best published on unseen dipeptides of the set 2AA, mean over molecules, sqrt(nat).
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
    """The trajectories of a sequence, a frame each SPACING_PS, or as far apart as those that are farthest."""
    found, every = [], load(folder)
    spacing_ps = max(SPACING_PS, *(trajectory.frame_spacing_ps for trajectory in every))
    for trajectory in every:
        stride = round(spacing_ps / trajectory.frame_spacing_ps)
        segments = tuple(segment[::stride] for segment in trajectory.segments)
        found.append(replace(trajectory, segments=segments, frame_spacing_ps=spacing_ps))
    return found


def drawn(model, start_nm: np.ndarray, given, lag_ps: float, like: Trajectory) -> Trajectory:
    """Replicas of the model as a trajectory of as many segments, what was skipped left out."""
    first = np.repeat(start_nm[None].astype(np.float32), given.replicas, axis=0)
    if lag_ps < given.lag:  # long steps forget where they began
        first = model.sample(first, SKIPPED_STEPS, seed=given.seed + 1, lag_time_ps=given.lag)[-1]
    steps = SKIPPED_STEPS + given.steps
    frames = model.sample(first, steps, seed=given.seed, lag_time_ps=lag_ps)[SKIPPED_STEPS:]
    segments = tuple(np.ascontiguousarray(frames[:, k]) for k in range(given.replicas))
    return replace(like, segments=segments, frame_spacing_ps=lag_ps, source_sha256="")


def angles_of(trajectories: list[Trajectory], torsions) -> tuple[np.ndarray, list[int]]:
    """Torsions (T, F), rad, of all segments, and the lengths of these."""
    atoms = np.array([torsion.atoms for torsion in torsions])
    segments = [segment for trajectory in trajectories for segment in trajectory.segments]
    angles = np.concatenate([dihedral_angles(segment, atoms) for segment in segments])
    return angles.astype(np.float32), [len(segment) for segment in segments]


def _counts(values: np.ndarray, bins: int, like: np.ndarray) -> np.ndarray:
    """Histogram of values (T, D) over the range of `like`."""
    ranges = [(low, high + 1e-9) for low, high in zip(like.min(0), like.max(0))]
    clipped = np.clip(values, *np.array(ranges).T)
    return np.histogramdd(clipped, bins=bins, range=ranges)[0].ravel()


def divergences(known: tuple, found: tuple, torsions, spacing_ps: float) -> dict[str, float]:
    """The field's numbers for angles and lengths of two sides, each as of `angles_of`; all is fitted to the
    first, whose frames are `spacing_ps` apart.
    """
    angles, lengths = known
    counts = [
        np.stack([np.bincount(cells(one[:, [k]], BINS), minlength=BINS) for k in range(len(torsions))])
        for one in (angles, found[0])
    ]
    roots = root_in_nats(*counts)
    result = {"all torsions": float(roots.mean())}
    for name, part in (("backbone", "backbone"), ("side chains", "side chain")):
        own = [k for k, torsion in enumerate(torsions) if torsion.part == part]
        if own:
            result[name] = float(roots[own].mean())
    lag = max(1, min(round(TICA_LAG_PS / spacing_ps), max(lengths) // 10))
    components = fit_components(angles, lengths, lag)
    if components is None:
        return result
    ours, theirs = (components.project(one) for one in (angles, found[0]))
    for name, number, bins in (("TICA-0", 1, BINS), ("TICA-0,1", 2, PLANE_BINS)):
        if ours.shape[1] >= number:
            like = ours[:, :number]
            both = (_counts(one[:, :number], bins, like) for one in (ours, theirs))
            result[name] = float(root_in_nats(*both))
    mapped = [(one * components.eigenvalues)[:, : components.kept] for one in (ours, theirs)]
    states = fit_macrostates(mapped[0], lengths, lag)
    if states is not None:
        both = (np.bincount(states.assign(one), minlength=states.number) for one in mapped)
        result["Markov states"] = float(root_in_nats(*both))
    return result


def parts_of(md: list[Trajectory], torsions) -> dict[str, tuple[tuple, tuple]]:
    """The MD in two parts, twice: halves, and a tenth, from the beginning of its first set, and the rest."""
    angles, lengths = angles_of(md, torsions)
    found = {}
    for name, share in (("halves", 0.5), ("tenth", 0.1)):
        cut = round(share * len(angles))
        begin = np.cumsum([0, *lengths[:-1]])
        sizes = np.clip(cut - begin, 0, lengths)
        rest = np.array(lengths) - sizes
        parts = [(angles[cut:], [int(n) for n in rest if n]), (angles[:cut], [int(n) for n in sizes if n])]
        found[name] = (parts[0], parts[1])
    return found


def rates(md: list[Trajectory], replicas: Trajectory) -> list[dict]:
    """Rows of hop rates and passage times."""
    molecule = md[0].molecule
    observables = observables_for(molecule, False, ("torsions",))
    sides = (Observations.from_trajectories(side, observables) for side in (md, [replicas]))
    rows = compare(*sides, observables).to_dict()["rows"]
    return [row for row in rows if "hop" in row["quantity"] or "passage" in row["quantity"]]


def of_sequence(sequence: str, model, given) -> dict:
    """What is shown of one sequence."""
    md = molecular_dynamics(DATA / given.purpose / sequence)
    torsions, spacing_ps = list(named_torsions(md[0].molecule).values()), md[0].frame_spacing_ps
    start_nm = md[0].segments[0][0]
    bound = bind_particles(model, md[0].molecule, start_nm)
    begun = time.perf_counter()
    replicas = drawn(bound, start_nm, given, given.lag, md[0])
    seconds = time.perf_counter() - begun
    whole = angles_of(md, torsions)
    return {
        "particles": len(md[0].molecule),
        "md_ns": sum(t.length_ps for t in md) / 1000,
        "model_ns": replicas.length_ps / 1000,
        "seconds": seconds,
        "model": divergences(whole, angles_of([replicas], torsions), torsions, spacing_ps),
        **{
            name: divergences(known, found, torsions, spacing_ps)
            for name, (known, found) in parts_of(md, torsions).items()
        },
        "rates": rates(md, drawn(bound, start_nm, given, spacing_ps, md[0])),
        "draws": 2 * given.replicas * (SKIPPED_STEPS + given.steps),
        "rejected_draws": int(bound.num_rejected_draws),
        "rejected_by_cause": bound.rejected_draws_by_cause,
    }


def mean_of(found: dict[str, dict], part: str, name: str) -> str:
    """Mean over sequences and its standard error."""
    values = np.array([one[part][name] for one in found.values() if name in one[part]])
    if len(values) == 0:
        return "none"
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{values.mean():.3f} ± {error:.3f}"


def rates_within(found: dict[str, dict], backbone: bool) -> tuple[int, int, int, int]:
    """Of hop rates seen EVENTS times or more, of the backbone or of side chains: how many are right, how many
    there are, of how many sequences all are right, and how many have any.
    """
    right = known = sequences_right = sequences_known = 0
    for one in found.values():
        rows = [row for row in one["rates"] if _is_hop(row) and _is_of_backbone(row) == backbone]
        good = sum(map(_is_right, rows))
        right, known = right + good, known + len(rows)
        sequences_right += bool(rows) and good == len(rows)
        sequences_known += bool(rows)
    return right, known, sequences_right, sequences_known


def _is_hop(row: dict) -> bool:
    return "hops" in row["quantity"] and (row["reference"]["samples"] or 0) >= EVENTS


def _is_of_backbone(row: dict) -> bool:
    return any(name in row["quantity"] for name in (" phi:", " psi:", "N-CA-C-O:"))


def _is_right(row: dict) -> bool:
    ours, theirs = row["reference"], row["candidate"]
    if theirs["value"] is None:
        return False
    gap = abs(theirs["value"] - ours["value"])
    return gap <= max(RATES_WITHIN * ours["value"], 2 * np.hypot(ours["error"] or 0, theirs["error"] or 0))


def markdown(found: dict[str, dict]) -> str:
    """Means over the sequences, then a line for each."""
    lines = [
        "| sqrt(JSD), sqrt(nat), mean | model | MD, halves | MD, a tenth and the rest | best published |",
        "|---" * 5 + "|",
    ]
    for name, published in PUBLISHED.items():
        values = [mean_of(found, part, name) for part in ("model", "halves", "tenth")]
        lines.append(f"| {name} | {' | '.join(values)} | {published:.3f} |")
    draws = sum(one["draws"] for one in found.values())
    refused = sum(one["rejected_draws"] for one in found.values())
    rated = []
    for name, backbone in (("backbone", True), ("side chains", False)):
        right, known, sequences_right, sequences_known = rates_within(found, backbone)
        rated.append(f"{name} {right} of {known} (all of {sequences_right} of {sequences_known} sequences)")
    lines += [
        "",
        f"Hop rates seen {EVENTS} times or more, within 25 % or two standard errors: {'; '.join(rated)}.",
        f"Rejected draws: {100 * refused / draws:.2f} % of {draws:,}.",
        "",
        "| | atoms | MD, ns | model, ns | backbone | side chains | all torsions | TICA-0 | rejected |",
        "|---" * 9 + "|",
    ]
    for sequence, one in found.items():
        values = [
            f"{one['model'][name]:.3f}" if name in one["model"] else "-"
            for name in ("backbone", "side chains", "all torsions", "TICA-0")
        ]
        share = f"{100 * one['rejected_draws'] / one['draws']:.2f} %"
        lines.append(
            f"| {sequence} | {one['particles']} | {one['md_ns']:.0f} | {one['model_ns']:.0f} |"
            f" {' | '.join(values)} | {share} |"
        )
    return "\n".join(lines)


def picture(found: dict[str, dict], path: Path) -> None:
    """All torsions of each sequence: model, chance, and MD of a tenth of the length."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(found))
    for part, label, marker in (
        ("model", "model", "o"),
        ("halves", "MD, one half against the other", "_"),
        ("tenth", "MD, a tenth against the rest", "x"),
    ):
        values = [one[part]["all torsions"] for one in found.values()]
        axes.plot(place, values, marker, label=label)
    axes.axhline(PUBLISHED["all torsions"], lw=0.8, color="0.5", label="best published mean")
    axes.set_xticks(place, list(found), rotation=90)
    axes.set_ylabel("sqrt(JSD) of all torsions, sqrt(nat)")
    figure.legend(frameon=False, ncols=4, loc="outside upper center", fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="peptides-obc2", help="name or path")
    parser.add_argument("--purpose", default="held_out", choices=("validation", "held_out", "tetrapeptides"))
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
        print(sequence, json.dumps(found[sequence]["model"]), flush=True)
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
