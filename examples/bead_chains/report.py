#!/usr/bin/env python3
"""A table of docs/reports/polymers.md: a model on chains that it never saw, from committed data.

    python report.py [--beads 400] [--page docs/reports/polymers.md]

Random chains: molecular dynamics of each, and replicas of the model that start from frames of it, whose first
80 steps are left out. Writes a json and a picture named after the model; what `speed.py` wrote says what
molecular dynamics of equal cost would be.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from make_md import all_runs
from measure import Numbers, against, dynamics, free_diffusion_nm2_per_ps
from models import MODELS
from trajectories import DATA, FRICTION_PER_PS, SIGMA_NM, TAU_PS, mapping, names

import openmm_scoredyn as sd
from openmm_scoredyn.program.transferable import TransferableModel

REPLICAS, STEPS, LEFT_OUT = 16, 480, 80
LINES = (
    ("mean Rg^2, ratio", "rg2_ratio"),
    ("spread of Rg^2, ratio", "rg2_spread_ratio"),
    ("earth mover's distance / mean Rg^2", "emd"),
    ("the same, halves of the MD", "emd_halves"),
    ("bond of beads, mean, ratio", "bond_mean_ratio"),
    ("bond of beads, spread, ratio", "bond_spread_ratio"),
    ("two bonds apart, mean, ratio", "next_mean_ratio"),
    ("two bonds apart, spread, ratio", "next_spread_ratio"),
    ("diffusion of the centre / (kT / M gamma), model", "diffusion_ratio"),
    ("the same, MD", "diffusion_md_ratio"),
)


def compared(name: str, model, group: int, lammps_tau_per_s: float) -> tuple[dict, np.ndarray, np.ndarray]:
    """The numbers of one chain, and Rg^2 of both sides, nm^2."""
    run = next(run for run in all_runs() if run.name == name)
    program = sd.bind(model, mapping(run.chain.units, group).topology)
    lag_ps = program.card.lag_time_ps
    md, frames, particles = dynamics(name, group, lag_ps / TAU_PS)
    starts = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)]
    begun = time.process_time()
    drawn = program.sample(starts, STEPS, seed=run.seed)
    seconds = time.process_time() - begun
    model_numbers = Numbers(particles, drawn[LEFT_OUT:])
    free = free_diffusion_nm2_per_ps(sum(particles.masses_amu), FRICTION_PER_PS) * lag_ps
    found = against(md, model_numbers, free, seconds * lammps_tau_per_s * TAU_PS / lag_ps)
    found |= {
        "rejected_draws_per_step": program.num_rejected_draws / (REPLICAS * STEPS),
        "seconds": seconds,
        "tau_per_second": REPLICAS * STEPS * lag_ps / TAU_PS / seconds,
    }
    return found, md.rg2.ravel(), model_numbers.rg2.ravel()


def markdown(found: dict[str, dict]) -> str:
    """Both tables: every chain, then means over chains with standard errors."""
    lines = [
        (
            "| chain | MD mean Rg^2, sigma^2 | model / MD | spread | EMD (MD halves) |"
            " relaxation, steps: MD, model | bond mean, spread | D / free |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        lines.append(
            f"| {name.split('/')[1]} | {one['rg2_nm2'] / SIGMA_NM**2:.1f} +- {100 * one['rg2_error']:.0f} % |"
            f" {one['rg2_ratio']:.3f} +- {one['rg2_ratio_error']:.3f} | {one['rg2_spread_ratio']:.2f} |"
            f" {one['emd']:.3f} ({one['emd_halves']:.3f}) |"
            f" {one['relaxation_md_steps']:.1f}, {one['relaxation_model_steps']:.1f} +-"
            f" {one['relaxation_spread']:.1f} |"
            f" {one['bond_mean_ratio']:.3f}, {one['bond_spread_ratio']:.3f} | {one['diffusion_ratio']:.3f} |"
        )
    lines += ["", "| over chains | mean | standard error | root mean square of the deviation from 1 |"]
    lines += ["|---|---|---|---|"]
    for caption, key in LINES:
        values = np.array([one[key] for one in found.values()])
        error = values.std(ddof=1) / len(values) ** 0.5
        off = f"{np.sqrt(np.mean((values - 1) ** 2)):.3f}" if not key.startswith("emd") else ""
        lines.append(f"| {caption} | {values.mean():.3f} | {error:.3f} | {off} |")
    ratio, error = relaxation_ratio(found)
    lines.append(f"| relaxation time of Rg^2, ratio (geometric mean) | {ratio:.2f} | {error:.2f} | |")
    short = np.array([one["equal_cost_error"] for one in found.values()])
    md_error = np.array([one["rg2_error"] for one in found.values()])
    rejected = np.mean([one["rejected_draws_per_step"] for one in found.values()])
    lines += [
        "",
        (
            f"MD's own error of the mean Rg^2 is {100 * md_error.mean():.0f} % a chain. MD of equal cost (the"
            f" processor seconds of the model's {REPLICAS} replicas) would know the mean Rg^2 to"
            f" {100 * np.sqrt((short**2).mean()):.0f} % a chain. The guard rejected {rejected:.4f} draws a"
            " step."
        ),
    ]
    return "\n".join(lines)


def relaxation_ratio(found: dict[str, dict]) -> tuple[float, float]:
    """Geometric mean over chains of model / MD, and its standard error."""
    ratio = np.log([one["relaxation_model_steps"] / one["relaxation_md_steps"] for one in found.values()])
    mean = float(np.exp(ratio.mean()))
    return mean, mean * float(ratio.std(ddof=1)) / len(ratio) ** 0.5


TARGETS = (  # caption, key, how far from 1 the mean over chains may be
    ("mean squared radius of gyration, mean over chains", "rg2_ratio", 0.03),
    ("spread of bonds of beads", "bond_spread_ratio", 0.10),
    ("diffusion of the centre of mass against kT / (M gamma)", "diffusion_ratio", 0.05),
)


def write_card(path: Path, found: dict[str, dict]) -> None:
    """Write what was measured, and what misses its target, into the card of a transferable model."""
    model = TransferableModel.load(path)
    values = {key: np.array([one[key] for one in found.values()]) for key in next(iter(found.values()))}
    measured = {key: [float(v.mean()), float(v.std(ddof=1) / len(v) ** 0.5)] for key, v in values.items()}
    missed = [
        f"{caption}: {values[key].mean():.3f} times that of MD; wanted within {room:.0%}"
        for caption, key, room in TARGETS
        if abs(values[key].mean() - 1) > room
    ]
    worst = np.abs(values["rg2_ratio"] - 1)
    allowed = np.maximum(0.06, values["rg2_error"])
    if (worst > allowed).any():
        missed.append(
            f"mean squared radius of gyration of single chains: {(worst > allowed).sum()} of {len(worst)} are"
            f" off by more than 6 % and MD's error, the worst by {worst.max():.0%}"
        )
    ratio, _ = relaxation_ratio(found)
    if abs(ratio - 1) > 0.15:
        missed.append(f"relaxation time of Rg^2: {ratio:.2f} times that of MD; wanted within 15 %")
    if values["emd"].mean() > 2 * values["emd_halves"].mean():
        missed.append(
            f"earth mover's distance of Rg^2: {values['emd'].mean():.3f} of the mean; wanted at most twice"
            f" that of MD's halves ({values['emd_halves'].mean():.3f})"
        )
    accuracy = {
        "held_out": f"{len(found)} sequences that it never saw",
        "measured": "Mean over held-out chains and its standard error: in `scoredyn info --full`.",
        "means_and_errors": measured,
        "misses": missed,
    }
    provenance = replace(model.card.provenance, accuracy=accuracy)
    TransferableModel(replace(model.card, provenance=provenance), model.weights).save(path)


def draw(sizes: dict, path: Path) -> None:
    """Distributions of Rg^2, MD and model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(sizes) // 2, figsize=(11, 4.6), constrained_layout=True)
    for axis, (name, (md, model)) in zip(axes.flat, sizes.items()):
        high = np.quantile(np.concatenate([md, model]), 0.999) / SIGMA_NM**2
        edges = np.linspace(0, high, 40)
        for values, label in ((md, "MD"), (model, "model")):
            axis.hist(values / SIGMA_NM**2, edges, density=True, histtype="step", label=label)
        axis.set_title(name.split("/")[1], fontsize=9)
        axis.set_yticks([])
    axes[0, 0].legend(frameon=False)
    figure.supxlabel("squared radius of gyration (sigma^2)")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beads", type=int, choices=sorted(MODELS), default=100, help="of a chain")
    parser.add_argument("--model", help="a file .scoredyn, instead of the shipped model of that name")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--card", type=Path, help="model file whose card is to say what was measured")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    given = parser.parse_args()
    chosen = MODELS[given.beads]
    speed = median(json.loads(chosen.speed_file(DATA).read_text())["tau_per_s"]["lammps"])
    found, sizes = {}, {}
    for name in names(f"{chosen.folder}/random"):
        found[name], *sizes[name] = compared(name, given.model or chosen.name, chosen.group, speed)
        print(name, json.dumps(found[name]), flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{chosen.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    table = markdown(found)
    print(table)
    draw(sizes, (given.page.parent if given.page else given.out) / chosen.picture)
    if given.card:
        write_card(given.card, found)
    if given.page:
        replace_table(given.page, given.beads, table)


def replace_table(page: Path, beads: int, table: str) -> None:
    """Put the table of chains of this size where the page has it."""
    begin, end = (f"<!-- {place} of report.py --beads {beads} -->" for place in ("begin", "end"))
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
