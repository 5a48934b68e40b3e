"""One evaluation of a network in every form it can have: eager, TorchScript (frozen), AOTInductor.

    python benchmarks/networks.py [--rounds 40] [--batches 1 64]

Random weights; molecule_frame has the size of the shipped model, equivariant its default one, message_passing
the published one, also in its plain form, in which the inputs of every perceptron are joined (the oracle of
the tests). All forms take turns on one thread, and times are CPU times of the process, so that other jobs on
the machine disturb them little.
"""

import argparse
import copy
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python" / "support"))
from alanine import alanine_molecule, alanine_positions
from plain_message_passing import PlainMessagePassing

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.export.inductor import CompiledMethods, LoadedPackage
from openmm_scoredyn.export.probe import Probe
from openmm_scoredyn.export.scripting import script
from openmm_scoredyn.export.wrapper import DenoiserProgram
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.registry import NetworkChoice

SIZES = {"message_passing": (200, 5), "molecule_frame": (256, 4), "equivariant": (64, 3)}


def pairs(count: int = 400):
    """Distorted alanine dipeptides (count, 22, 3), nm, and each one lag time later."""
    generator = torch.Generator().manual_seed(4)
    before = torch.as_tensor(alanine_positions()).float() + 0.005 * torch.randn(
        count, 22, 3, generator=generator
    )
    return before, before + 0.003 * torch.randn(count, 22, 3, generator=generator)


def examples() -> Examples:
    """The pairs, as what a network is fitted to."""
    before, after = pairs()
    arrays = (before[:, None], after, torch.zeros(len(before), 3, 3), torch.ones(len(before)))
    return Examples.joined(alanine_molecule(), [(*arrays, torch.zeros(len(before), dtype=torch.int8))])


def inputs(rows: int, batch: int) -> Probe:
    """What a program is called with."""
    generator, history = (
        torch.Generator().manual_seed(1),
        pairs()[0][torch.arange(batch) % 400, None].contiguous(),
    )
    latent = torch.randn(batch, rows, 3, generator=generator)
    return Probe(history, torch.zeros(3, 3), torch.full((batch,), 0.7), latent, latent, latent[:, None])


def rows_of(network) -> int:
    """M, the rows of a network's latents."""
    before, after = pairs(2)
    return network.latent(before, after).shape[1]


def forms_of(name: str, network) -> dict:
    """The eager, the frozen and, except for the plain one, the compiled `denoise`."""
    program = DenoiserProgram(network.eval().requires_grad_(False), Parametrization()).eval()
    frozen = torch.jit.freeze(script(copy.deepcopy(program)), preserved_attrs=["denoise", "advance"])
    forms = {f"{name}, eager": program.denoise, f"{name}, TorchScript": frozen.denoise}
    if "plain" not in name:
        package = LoadedPackage(CompiledMethods(program, inputs(rows_of(network), 8)).to_bytes({}))
        forms[f"{name}, AOTInductor"] = package.denoise
    return forms


def candidates(kind: str) -> tuple[dict, int]:
    """All forms of one network, and the rows of its latents."""
    torch.manual_seed(0)
    width, blocks = SIZES[kind]
    choice = NetworkChoice.of(kind, width=width, blocks=blocks)
    network = choice.architecture.fit(choice.config, [examples()])
    if kind != "message_passing":
        torch.nn.init.normal_(network.outlet.weight, std=0.05)
        return forms_of(kind, network), rows_of(network)
    plain = PlainMessagePassing(alanine_molecule(), *SIZES[kind])
    plain.load_state_dict(network.state_dict())
    return forms_of("plain message_passing", plain) | forms_of(kind, network), rows_of(network)


def products(batch: int):
    """The matrix products of message_passing and nothing else: the floor of what it can cost with this
    library.
    """
    width, blocks = SIZES["message_passing"]
    weight = torch.randn(width, width)
    edges, nodes = torch.randn(254 * batch, width), torch.randn(22 * batch, width)
    todo = [edges] * (2 + 3 * blocks) + [nodes] * (3 + 6 * blocks)
    return lambda *_: [torch.nn.functional.linear(rows, weight) for rows in todo]


def measure(forms: dict, probe: Probe, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every form in every round, after three of warm-up."""
    arguments, times = (probe.noised, probe.sigma, probe.history, probe.box), {name: [] for name in forms}
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        for _ in range(rounds + 3):
            for name, form in forms.items():
                start = time.process_time()
                form(*arguments)
                times[name].append(time.process_time() - start)
    return {name: values[3:] for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for kind in SIZES:
        forms, rows = candidates(kind)
        for batch in options.batches:
            probe = inputs(rows, batch)
            answers = [form(probe.noised, probe.sigma, probe.history, probe.box) for form in forms.values()]
            error = max(float((answer - answers[0]).abs().max()) for answer in answers)
            print(f"batch of {batch}; largest difference {error:.0e} of {float(answers[0].abs().max()):.1f}")
            floor = {"its matrix products alone": products(batch)} if kind == "message_passing" else {}
            report(measure(forms | floor, probe, max(5, options.rounds // batch)), batch)


def report(times: dict[str, list[float]], batch: int) -> None:
    """One row per form: milliseconds per replica, and the ratio of the first row to it."""
    first = statistics.median(next(iter(times.values())))
    for name, values in times.items():
        low, middle, high = (1e3 * value / batch for value in statistics.quantiles(values, n=4))
        ratio = first / statistics.median(values)
        print(f"  {name:36}{middle:9.3f} ms  {low:8.3f} {high:8.3f}{ratio:7.2f}x", flush=True)


if __name__ == "__main__":
    main()
