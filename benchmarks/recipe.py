"""A step of the published recipe of Score Dynamics against one of ours.

    python benchmarks/recipe.py [MODEL] [--rounds 5]

The recipe as it was published (Hsu et al. 2024): a message-passing network of 5 blocks of width 200 on the
radius graph of the condition, 4 Angstrom, as a frozen TorchScript module; DPM-Solver-3 with 20 steps, 60
evaluations; a Python loop. Written from scratch after the papers, with random weights, for that of the
shipped model. Processor times, on one thread, in turn.
"""

import math
import sys
from pathlib import Path

import command_line
import numpy as np
import torch
from turns import quartiles, take_turns

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python" / "support"))
from alanine import alanine_molecule, alanine_positions
from plain_message_passing import PlainMessagePassing

import openmm_scoredyn as sd
from openmm_scoredyn.export.scripting import script

WIDTH, BLOCKS, SOLVER_STEPS = 200, 5, 20
BETA_MIN, BETA_MAX, LAST_TIME = 0.1, 20.0, 1e-3  # of the variance-preserving linear schedule
OUR_STEPS, BATCH = 100, 256
RECIPE, RECIPE_BATCH = "published recipe", 4


def log_signal_to_noise(time: float) -> float:
    """lambda = ln(alpha / sigma) of the variance-preserving linear schedule."""
    log_alpha = -(time**2) * (BETA_MAX - BETA_MIN) / 4 - time * BETA_MIN / 2
    return log_alpha - 0.5 * math.log(-math.expm1(2 * log_alpha))


def time_at(log_ratio: float) -> float:
    """Inverse of `log_signal_to_noise`."""
    spread = 2 * (BETA_MAX - BETA_MIN) * math.log1p(math.exp(-2 * log_ratio))
    return spread / (math.sqrt(BETA_MIN**2 + spread) + BETA_MIN) / (BETA_MAX - BETA_MIN)


def alpha_and_sigma(log_ratio: float) -> tuple[float, float]:
    """Factors of signal and noise, whose squares add up to 1."""
    return 1 / math.sqrt(1 + math.exp(-2 * log_ratio)), 1 / math.sqrt(1 + math.exp(2 * log_ratio))


def dpm_solver_3(noise_at, x, steps: int = SOLVER_STEPS):
    """Solve the probability flow from time 1 to LAST_TIME, with three evaluations a step.

    Parameters
    ----------
    noise_at : callable (x, time) -> predicted noise, of the shape of x
    x : array or tensor
        Standard normal numbers.
    steps : int

    Returns
    -------
    array or tensor like x, at LAST_TIME

    Notes
    -----
    Lu et al. 2022 (arXiv 2206.00927), algorithm 2, r1 = 1/3, r2 = 2/3, steps of equal length in lambda.
    """
    first, last = log_signal_to_noise(1.0), log_signal_to_noise(LAST_TIME)
    h = (last - first) / steps
    r1, r2 = 1 / 3, 2 / 3

    def stage(fraction):
        return *alpha_and_sigma(start + fraction * h), time_at(start + fraction * h), math.expm1(fraction * h)

    for step in range(steps):
        start = first + step * h
        (alpha, _, time, _), (alpha1, sigma1, time1, phi1) = stage(0.0), stage(r1)
        (alpha2, sigma2, time2, phi2), (alpha3, sigma3, _, phi3) = stage(r2), stage(1.0)
        noise = noise_at(x, time)
        u = alpha1 / alpha * x - sigma1 * phi1 * noise
        change = noise_at(u, time1) - noise
        u = alpha2 / alpha * x - sigma2 * phi2 * noise - sigma2 * r2 / r1 * (phi2 / (r2 * h) - 1) * change
        change = noise_at(u, time2) - noise
        x = alpha3 / alpha * x - sigma3 * phi3 * noise - sigma3 / r2 * (phi3 / h - 1) * change
    return x


def published_network():
    """The network in TorchScript, frozen: (noised latent, time (B,), history, box) -> predicted noise."""
    torch.manual_seed(0)
    network = PlainMessagePassing(alanine_molecule(), WIDTH, BLOCKS).eval().requires_grad_(False)
    return torch.jit.freeze(script(network), preserved_attrs=["advance"])


def published_step(network, frame: torch.Tensor) -> torch.Tensor:
    """Positions (B, N, 3), nm, one lag time after `frame` (B, N, 3), nm."""
    history, box = frame[:, None], torch.zeros(3, 3)
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        latent = dpm_solver_3(
            lambda x, time: network(x, torch.full(x.shape[:1], time), history, box), torch.randn_like(frame)
        )
        return network.advance(latent, history, box)


def candidates(path: Path) -> dict:
    """What takes turns, with the steps of one molecule that a call makes."""
    structure = sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb")
    simulation = sd.prepare(structure, path, platform="Reference", seed=1)
    model = sd.ScoreModel(path)
    start = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    replicas = np.repeat(start[None].astype(np.float32), BATCH, 0)
    network = published_network()
    frame = torch.as_tensor(alanine_positions()).float()[None]
    frames = frame.repeat(RECIPE_BATCH, 1, 1)
    return {
        RECIPE: (lambda: published_step(network, frame), 1),
        f"{RECIPE}, batch of {RECIPE_BATCH}": (lambda: published_step(network, frames), RECIPE_BATCH),
        "ours, single context": (lambda: simulation.step(OUR_STEPS), OUR_STEPS),
        f"ours, batch of {BATCH}": (lambda: model.sample(replicas, 4, seed=3), 4 * BATCH),
    }


def main() -> None:
    """Measure and print."""
    arguments = command_line.of_a_model(__doc__, "alanine-dipeptide-obc2", rounds=5)
    options = command_line.parse(arguments)
    times = take_turns(candidates(options.model), options.rounds)
    base = quartiles(times[RECIPE])[1]
    print(
        f"One step of one molecule, {options.rounds} rounds\n{'':32}{'CPU ms':>10} "
        f" {'quartiles':>17}{'ratio':>9}"
    )
    for name, values in times.items():
        low, middle, high = quartiles(values)
        print(
            f"{name:32}{1e3 * middle:10.3f}  {1e3 * low:8.3f} {1e3 * high:8.3f}{base / middle:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
