"""The networks at equal cost: each is trained on the same pairs for the same processor time, then all are
measured alike.

    python benchmarks/equal_cost.py md/train md/heldout --out equal-cost [--minutes 8] [--sampling-minutes 1]

MD and held-out MD are folders or files that `scoredyn train` takes. The latents of the networks differ, so
their losses cannot be compared; what can are the steps that they draw. Each network trains and samples on one
thread; time is the processor time of the process, so that other jobs disturb it little. Networks that are
done are not trained again; `--only` does one of them, for several processes at once, and a call with all of
them done prints the table.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from equal_cost_measures import baselines, evaluation_times, held_out_pairs, one_step, over_blocks, replicas
from equal_cost_training import RECIPES, train_for

from openmm_scoredyn.data import load
from openmm_scoredyn.program.model import ScoreModel

SCORES = ("torsions", "shape_nm", "turn_phi_deg", "turn_psi_deg", "refused")


def measured(kind: str, training, held_out, options) -> dict:
    """Train one network, or take what an earlier call left, and measure it."""
    stored = options.out / f"{kind}.json"
    if stored.exists():
        return json.loads(stored.read_text())
    result = train_for(60 * options.minutes, kind, training, held_out, options.out)
    model = ScoreModel(options.out / f"{kind}.pt")
    before, after = held_out_pairs(held_out, options.pairs)
    scores = one_step(model, before, after, held_out[0].molecule, result, options.evaluations)
    result["scores"] = {name: values.tolist() for name, values in scores.items()}
    result["replicas"] = replicas(model, held_out, result, 60 * options.sampling_minutes, options.evaluations)
    stored.write_text(json.dumps(result))
    return result


def scored(values: dict[str, np.ndarray]) -> list[str]:
    """Mean and standard error of each score, empty where there is none."""
    cells = []
    for name in SCORES:
        if name not in values:
            cells.append("")
            continue
        estimate, factor = over_blocks(np.asarray(values[name])), 100 if name == "refused" else 1
        cells.append(f"{factor * estimate.value:.4g} ± {factor * estimate.error:.2g}")
    return cells


def run_cells(run: dict) -> list[str]:
    """Length, divergence, what chance alone gives, crossings, frames that a guard would reject."""
    if "failed" in run:
        return [run["failed"], "", "", "", ""]
    pairs = [run["jsd_bit"], run["jsd_expected_bit"], run["crossings_per_ns"]]
    return (
        [f"{run['length_ns']:.1f}"]
        + [f"{e['value']:.3g} ± {e['error']:.2g}" for e in pairs]
        + [f"{100 * run['refused']:.2g}"]
    )


def row(cells: list[str]) -> None:
    """One line of a table in Markdown."""
    print("| " + " | ".join(cells) + " |", flush=True)


def header(*names: str) -> None:
    """Head of a table."""
    print()
    row(["", *names])
    row(["---"] * (len(names) + 1))


def report(results: dict[str, dict], held_out, options) -> None:
    """Three tables: cost, single steps, free runs."""
    before, after = held_out_pairs(held_out, options.pairs)
    paths = {kind: str(options.out / f"{kind}.pt") for kind in results}
    rows = {kind: ScoreModel(path).card.capabilities.latent_size for kind, path in paths.items()}
    times = evaluation_times(paths, rows, before)
    header("parameters", "ms, batch 1", "ms a replica, batch 64", "updates x batch", "own validation loss")
    for kind, r in results.items():
        single, batch = times[kind]["1"], times[kind]["64"] / 64
        shape = f"{r['updates']} x {r['batch_size']}"
        row(
            [
                kind,
                f"{r['parameters']:,}",
                f"{single:.2f}",
                f"{batch:.3f}",
                shape,
                f"{r['validation_loss']:.4f}",
            ]
        )
    header(
        "energy score, phi and psi",
        "energy score, distances (nm)",
        "mean turn of phi (deg)",
        "of psi (deg)",
        "refused, %",
    )
    for name, values in baselines(before, after, held_out[0].molecule).items():
        row([name, *scored(values)])
    for kind, r in results.items():
        row([kind, *scored(r["scores"])])
    header("ns", "Ramachandran JSD (bit)", "expected by chance", "beta <-> alpha_R, 1/ns", "refused, %")
    reference = next(
        (r["replicas"]["crossings_per_ns_MD"] for r in results.values() if "failed" not in r["replicas"]),
        None,
    )
    if reference:
        row(["MD", "", "", "", f"{reference['value']:.3g} ± {reference['error']:.2g}", ""])
    for kind, r in results.items():
        row([kind, *run_cells(r["replicas"])])


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--sampling-minutes", type=float, default=1.0)
    parser.add_argument("--evaluations", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--only", choices=RECIPES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    training, held_out = load(options.training), load(options.held_out)
    kinds = [options.only] if options.only else list(RECIPES)
    results = {kind: measured(kind, training, held_out, options) for kind in kinds}
    if options.only is None:
        report(results, held_out, options)


if __name__ == "__main__":
    main()
