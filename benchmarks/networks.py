"""One evaluation of a network in every form it can have: eager, TorchScript (frozen), AOTInductor.

    python benchmarks/networks.py [--rounds 40] [--batches 1 64]

Random weights; molecule_frame has the size of the shipped model, equivariant and zmatrix_transformer their
default ones, message_passing the published one, also in its plain form, in which the inputs of every
perceptron are joined (the oracle of the tests). `condition` is what a step computes once, `denoise` what
every evaluation costs. All forms take turns on one thread, and times are CPU times of the process, so that
other jobs on the machine disturb them little.
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
from openmm_scoredyn.export.probe import Probe, make_probe
from openmm_scoredyn.export.scripting import script
from openmm_scoredyn.export.wrapper import wrap
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program.model import ScoreModel, pretrained

SIZES = {
    "message_passing": {"width": 200, "blocks": 5},
    "molecule_frame": {"width": 256, "blocks": 4},
    "equivariant": {},
    "zmatrix_transformer": {},
}
METHODS = ("condition", "denoise")


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
    ordinary = (torch.zeros(len(before), dtype=torch.int8), torch.ones(len(before)))
    temperature_K = torch.full((len(before),), 300.0)
    return Examples.joined(alanine_molecule(), [(*arrays, *ordinary, temperature_K)])


def repeated(probe: Probe, batch: int) -> Probe:
    """A batch of the rows of a probe, again and again."""
    rows = torch.arange(batch) % len(probe.sigma)
    return Probe(**{name: value[rows].contiguous() for name, value in vars(probe).items()})


def forms_of(name: str, network) -> tuple[dict, Probe]:
    """The eager, the frozen and, except for the plain one, the compiled program; inputs for it."""
    card = ScoreModel(pretrained("alanine-dipeptide-obc2")).card
    one = examples()[:1]
    size = network.latent(one.before, one.after, network.condition(*one.situation)).shape[1]
    card = card.with_values(latent_size=size, latent_type=network.latent_type, has_start=False)
    probe = make_probe(card, None, None)
    program = wrap(network.eval(), card, Parametrization())
    frozen = torch.jit.freeze(script(copy.deepcopy(program)), preserved_attrs=[*METHODS, "advance"])
    forms = {f"{name}, eager": program, f"{name}, TorchScript": frozen}
    if "plain" not in name:
        forms[f"{name}, AOTInductor"] = LoadedPackage(CompiledMethods(program, probe).to_bytes({}))
    return forms, probe


def candidates(kind: str) -> tuple[dict, Probe]:
    """All forms of one network, and inputs for them."""
    torch.manual_seed(0)
    choice = NetworkChoice.of(kind, **SIZES[kind])
    network = choice.architecture.fit(choice.config, [examples()])
    if choice.architecture.transferable:
        network = choice.architecture.bind(network, alanine_molecule())
    for name, weight in network.named_parameters():
        if name.endswith("outlet.weight"):  # zero in a fresh network, which would hide any difference
            torch.nn.init.normal_(weight, std=0.05)
    if kind != "message_passing":
        return forms_of(kind, network)
    plain = PlainMessagePassing(alanine_molecule(), *SIZES[kind].values())
    plain.load_state_dict(network.state_dict())
    own, probe = forms_of(kind, network)
    return forms_of("plain message_passing", plain)[0] | own, probe


def products(batch: int):
    """The matrix products of message_passing and nothing else: the floor of what it can cost with this
    library.
    """
    width, blocks = SIZES["message_passing"].values()
    weight = torch.randn(width, width)
    edges, nodes = torch.randn(254 * batch, width), torch.randn(22 * batch, width)
    todo = [edges] * (2 + 3 * blocks) + [nodes] * (3 + 6 * blocks)
    return lambda: [torch.nn.functional.linear(rows, weight) for rows in todo]


def calls_of(program, probe: Probe) -> dict:
    """The two methods with their arguments, by name."""
    situation = (probe.history, probe.box, probe.lag_time_ps, probe.temperature_K)
    condition = program.condition(*situation)
    return {
        "condition": lambda: program.condition(*situation),
        "denoise": lambda: program.denoise(probe.noised, probe.sigma, condition),
    }


def measure(calls: dict, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every call in every round, after three of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        for _ in range(rounds + 3):
            for name, call in calls.items():
                start = time.process_time()
                call()
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
        forms, few = candidates(kind)
        for batch in options.batches:
            probe = repeated(few, batch)
            calls = {name: calls_of(form, probe) for name, form in forms.items()}
            for method in METHODS:
                chosen = {name: own[method] for name, own in calls.items()}
                if method == "denoise":
                    answers = [call() for call in chosen.values()]
                    error = max(float((answer - answers[0]).abs().max()) for answer in answers)
                    print(f"largest difference {error:.0e} of {float(answers[0].abs().max()):.1f}")
                    if kind == "message_passing":
                        chosen["its matrix products alone"] = products(batch)
                print(f"{method}, batch of {batch}")
                report(measure(chosen, max(5, options.rounds // batch)), batch)


def report(times: dict[str, list[float]], batch: int) -> None:
    """One row per form: milliseconds per replica, and the ratio of the first row to it."""
    first = statistics.median(next(iter(times.values())))
    for name, values in times.items():
        low, middle, high = (1e3 * value / batch for value in statistics.quantiles(values, n=4))
        ratio = first / statistics.median(values)
        print(f"  {name:36}{middle:9.3f} ms  {low:8.3f} {high:8.3f}{ratio:7.2f}x", flush=True)


if __name__ == "__main__":
    main()
