"""Speed of a picosecond against explicit-water MD of the same molecule, and what of a step is not the network.

    python benchmarks/speed.py [MODEL] [--rounds 7] [--json FILE]

Every figure comes from this one run, on one thread: the candidates take turns, round after round, so that whatever
else the machine does hits all of them, and medians with quartiles are printed. The ratio is that of medians.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from openmm import unit

import openmm_scoredyn as sd
from openmm_scoredyn.cli.demo_runs import molecular_dynamics
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.export import export_program

BATCH = 256
SINGLE_STEPS, BATCH_STEPS, WATER_SECONDS = 300, 4, 3.0


class Nothing(torch.nn.Module):
    """The cheapest program of the same shape: what a step costs without a network."""

    def forward(self, latent, level, history, box):
        """The clean latent is what it is shown."""
        return latent

    def advance(self, latent, history, box):
        """Nothing moves."""
        return history[:, -1]


def context_of(model, structure: Path):
    """A ready Simulation on the Reference platform, stepped by `model`."""
    return sd.prepare(structure, model, platform="Reference", seed=1)


def seconds(call) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(candidates: dict, rounds: int) -> dict[str, list[float]]:
    """Seconds of every candidate in every round, after one round of warm-up."""
    for call, _ in candidates.values():
        call()
    return {
        name: times
        for name, times in zip(
            candidates,
            zip(*[[seconds(call) / count for call, count in candidates.values()] for _ in range(rounds)]),
        )
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", nargs="?", default="alanine-dipeptide-obc2")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    path = Path(options.model) if Path(options.model).exists() else sd.pretrained(options.model)
    structure = sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb")
    model = sd.ScoreModel(path)
    single = context_of(path, structure)
    with tempfile.TemporaryDirectory() as folder:
        null_path = Path(folder) / "nothing.pt"
        card = replace(model.card, name="nothing", chiral_centres=(), golden={"history": model.card.golden["history"]})
        export_program(Nothing(), null_path, card, Parametrization("clean", "edm"), symmetric=False)
        null = context_of(null_path, structure)
    start = single.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    replicas = model.sample(np.repeat(start[None], BATCH, 0).astype(np.float32), 20, seed=2)[-1]
    water_rate = []

    def water():
        water_rate.append(molecular_dynamics(structure, True, WATER_SECONDS, 1, lambda *_: None).ps_per_s)

    lag = model.card.lag_time_ps
    times = measure(
        {
            "single context": (lambda: single.step(SINGLE_STEPS), SINGLE_STEPS * lag),
            "single context, no network": (lambda: null.step(SINGLE_STEPS), SINGLE_STEPS * lag),
            f"batch of {BATCH}": (lambda: model.sample(replicas, BATCH_STEPS, seed=3), BATCH * BATCH_STEPS * lag),
            "water": (water, 1),
        },
        options.rounds,
    )
    times["water"] = [1 / rate for rate in water_rate[1:]]  # without box building and equilibration
    report(times, model, options)


def report(times: dict[str, list[float]], model, options) -> None:
    """Print the table; write it as JSON if asked."""
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"{model.card.name}, {model.card.solver} with {model.card.denoising_steps} evaluations, {options.rounds} rounds")
    print(f"{'':28}{'ms per ps':>11}  {'quartiles':>17}{'ps/s':>10}{'of water MD':>13}")
    for name, values in times.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(
            f"{name:28}{1e3 * median[name]:11.3f}  {1e3 * low:8.3f} {1e3 * high:8.3f}{1 / median[name]:10.1f}"
            f"{median['water'] / median[name]:12.0f}x"
        )
    share = median["single context, no network"] / median["single context"]
    print(f"outside the network: at most {100 * share:.1f} % of a step (calls of an empty program counted in)")
    if options.json:
        ratios = {name: median["water"] / value for name, value in median.items()}
        options.json.write_text(json.dumps({"seconds_per_ps": times, "ratios": ratios, "overhead": share}, indent=1))


if __name__ == "__main__":
    main()
