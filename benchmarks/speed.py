"""Speed of a picosecond against explicit-water MD of the same molecule, and what of a step is not the
network.

    python benchmarks/speed.py [MODEL] [--rounds 7] [--json FILE]

Every figure comes from this one run, on one thread: the candidates take turns, round after round, so that
whatever else the machine does hits all of them, and medians with quartiles are printed. The ratio is that of
medians. Every platform that comes up has a row; where CUDA does, MD runs on it as well, ratios of the GPU's
rows refer to that, and two rows more say what a step costs there without a network and without CUDA graphs.
The file is written after every round. More sizes of batches: batches.py.
"""

import tempfile
import time
from pathlib import Path

import command_line
import numpy as np
import torch
from openmm import OpenMMException, unit
from openmm.app import PDBFile
from turns import keep, quartiles, take_turns

import openmm_scoredyn as sd
from openmm_scoredyn.cli.demo_runs import IN_WATER, water_simulation
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.export import export_program

BATCH = 256
SINGLE_STEPS, BATCH_STEPS, WATER_PS = 300, 4, 3
PLATFORMS = ("Reference", "CPU", "OpenCL", "CUDA", "HIP")
ON_GPU = ("CUDA", "HIP")
MD_STEPS_PER_PS = round(1000 / IN_WATER.timestep_fs)
NO_NETWORK = "no network, Reference"


class Nothing(torch.nn.Module):
    """The cheapest program of the same shape: what a step costs without a network."""

    def condition(self, history, box, lag_time_ps, temperature_K) -> list[torch.Tensor]:
        """Nothing."""
        return []

    def predict(self, latent, level, condition: list[torch.Tensor]):
        """The clean latent is what it is shown."""
        return latent

    def advance(self, latent, condition: list[torch.Tensor], history, box):
        """Nothing moves."""
        return history[:, -1]


def empty_program(card, folder: Path) -> Path:
    """A file in the folder with the program that does nothing, for the molecule of a card."""
    card = card.with_values(name="nothing", stereocentres=())  # the check of the export mirrors the molecule
    export_program(Nothing(), folder / "nothing.pt", card, Parametrization("clean", "edm"), symmetric=False)
    return folder / "nothing.pt"


def single_contexts(model, structure: Path) -> dict:
    """A ready Simulation, stepped by `model`, on every platform that comes up here, by name."""
    found = {}
    for name in PLATFORMS:
        try:
            found[name] = sd.prepare(structure, model, platform=name, seed=1)
            found[name].step(1)
        except OpenMMException as error:
            print(f"{name} is left out: {error}")
    return found


def main() -> None:
    """Measure and print."""
    arguments = command_line.of_a_model(__doc__, "alanine-dipeptide-obc2", rounds=7)
    arguments.add_argument("--json", type=Path)
    options = command_line.parse(arguments)
    structure = sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb")
    model = sd.ScoreModel(options.model, allow_native_code=True)  # a file that whoever measures it has named
    single = single_contexts(options.model, structure)
    lag = model.card.lag_time_ps
    candidates = {
        f"single context, {name}": (lambda s=simulation: run(s, SINGLE_STEPS), SINGLE_STEPS * lag)
        for name, simulation in single.items()
    }
    candidates |= what_a_step_is_made_of(model, structure, single)
    start = positions(single["Reference"]).astype(np.float32)
    replicas = model.sample(np.repeat(start[None], BATCH, 0), 20, seed=2)[-1]
    candidates[f"batch of {BATCH}"] = (
        lambda: model.sample(replicas, BATCH_STEPS, seed=3),
        BATCH * BATCH_STEPS * lag,
    )
    for name in ("CPU", *(name for name in ON_GPU if name in single)):
        simulation = water_simulation(PDBFile(str(structure)), 1, name)
        candidates[water_of(name)] = (lambda s=simulation: run(s, WATER_PS * MD_STEPS_PER_PS), WATER_PS)
    # Wall time: explicit-water MD has threads that wait for each other, and a GPU works beside the processor.
    times = take_turns(
        candidates,
        options.rounds,
        time.perf_counter,
        lambda times: keep(options.json, {"seconds_per_ps": times, "ratios": ratios(times)}),
    )
    report(times, model, options)
    for name in (name for name in ON_GPU if name in single):
        print(f"steps on {name}: {single[name].integrator.getRecordingStatus()}")


def what_a_step_is_made_of(model, structure: Path, single: dict) -> dict:
    """Candidates without a network, on Reference and on the GPU; on the GPU, too, without CUDA graphs."""
    found = {}
    units = SINGLE_STEPS * model.card.lag_time_ps
    with tempfile.TemporaryDirectory() as folder:
        nothing = empty_program(model.card, Path(folder))
        for name in (name for name in ("Reference", *ON_GPU) if name in single):
            null = sd.prepare(structure, nothing, platform=name, seed=1)
            found[f"no network, {name}"] = (lambda s=null: run(s, SINGLE_STEPS), units)
    for name in (name for name in ON_GPU if name in single):
        plain = sd.prepare(structure, model.source, platform=name, seed=1)
        found[f"not recorded, {name}"] = (lambda s=plain: run_plain(s, SINGLE_STEPS), units)
    return found


def water_of(platform: str) -> str:
    """Name of the row of explicit-water MD."""
    return f"explicit-water MD, {platform}"


def positions(simulation) -> np.ndarray:
    """Positions (N, 3), nm; waits for the platform to be done."""
    state = simulation.context.getState(positions=True)
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)


def run(simulation, steps: int) -> None:
    """Step, and wait for what a GPU has in its queue."""
    simulation.step(steps)
    positions(simulation)


def run_plain(simulation, steps: int) -> None:
    """Step without CUDA graphs: a change of options starts again, with two steps that are not recorded."""
    before = simulation.integrator.getSamplingOptions()["max_resamples"]
    for step in range(steps):
        simulation.integrator.setMaxResamples(before + step % 2)
        simulation.step(1)
    positions(simulation)


def ratios(times: dict[str, list[float]]) -> dict[str, float]:
    """How many times as fast as explicit-water MD every candidate is; on a GPU, as MD on that GPU."""
    median = {name: quartiles(values)[1] for name, values in times.items()}
    gpu = {name: next((p for p in ON_GPU if name.endswith(p)), "CPU") for name in times}
    return {name: median[water_of(gpu[name])] / median[name] for name in times}


def report(times: dict[str, list[float]], model, options) -> None:
    """Print the table."""
    median = {name: quartiles(values)[1] for name, values in times.items()}
    print(
        f"{model.card.name}, {model.card.capabilities.solver} with"
        f" {model.card.capabilities.denoising_steps} evaluations, {options.rounds} rounds"
    )
    print(f"{'':28}{'ms per ps':>11}  {'quartiles':>17}{'ps/s':>10}{'of water MD':>13}")
    for name, ratio in ratios(times).items():
        low, middle, high = quartiles(times[name])
        ms = f"{1e3 * middle:11.4f}  {1e3 * low:8.4f} {1e3 * high:8.4f}"
        print(f"{name:28}{ms}{1 / middle:10.1f}{ratio:12.0f}x")
    share = median[NO_NETWORK] / median["single context, Reference"]
    print(
        f"outside the network: at most {100 * share:.1f} % of a step (calls of an empty program counted in)"
    )
    for name in (name for name in median if name.startswith("single")):
        evaluation = 1e6 * median[name] * model.card.lag_time_ps / model.card.capabilities.denoising_steps
        print(f"{name}: {evaluation:.0f} microseconds a network evaluation")


if __name__ == "__main__":
    main()
