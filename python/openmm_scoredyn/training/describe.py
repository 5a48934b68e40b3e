"""The card of a trained network: what it was trained on, and what a valid frame looks like."""

from collections import Counter
from dataclasses import replace

import torch

import openmm_scoredyn
from openmm_scoredyn.data import Trajectory, fingerprint, first_difference, opening_digest
from openmm_scoredyn.data.guard_rules import learn_guard_rules
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.composition import composition, is_group
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.protocol import draws_in_one_step
from openmm_scoredyn.program.card import Capabilities, Card, Provenance
from openmm_scoredyn.program.guard_counts import count_refused_frames
from openmm_scoredyn.program.guard_rules import GuardRules
from openmm_scoredyn.program.guard_statistics import GuardStatistics
from openmm_scoredyn.program.transferable import TransferCard
from openmm_scoredyn.training.config import SOLVER, TrainingConfig
from openmm_scoredyn.training.dataset import latents_of

DISPLACEMENT_MARGIN = 1.5  # of the largest displacement in the training examples
_MOST = 100_000  # examples of all molecules that a card is made from


def describe(
    network,
    config: TrainingConfig,
    trajectories: list[Trajectory],
    examples: Examples,
    held_out: list[Trajectory],
) -> Card:
    """The card of a network of one molecule, without golden examples (export adds them) and without measured
    accuracy.

    Parameters
    ----------
    network : bound to the particles of the examples
    trajectories, examples : in training
    held_out : trajectories, of which the guard's rules must refuse next to none
    """
    sample = _sample(examples, _MOST)
    golden = {"history": sample.history[0].flatten().tolist(), "box": sample.box[0].flatten().tolist()}
    rules = _rules(learn_guard_rules(trajectories), network, sample)
    provenance = _provenance(config, trajectories, len(examples))
    counts = count_refused_frames(rules, held_out) if held_out else {}
    return Card(
        name=config.name,
        capabilities=_capabilities(network, config, trajectories, sample),
        particles=examples.particles.without_force_field(),
        guard=rules,
        provenance=replace(
            provenance, training_data=provenance.training_data | {"held_out_frames_refused": counts}
        ),
        golden=(golden,),
    )


def describe_transferable(
    bound: list, config: TrainingConfig, trajectories: list[Trajectory], examples: list[Examples]
) -> TransferCard:
    """The card of a network of many molecules, bound to each of those in training."""
    samples = [_sample(part, _MOST // len(examples)) for part in examples]
    classes, parts = config.network.architecture.classes, []
    for network, sample in zip(bound, samples, strict=True):
        own = [t for t in trajectories if first_difference(t.molecule, sample.particles) is None]
        rules = _rules(learn_guard_rules(own), network, sample)
        parts.append((sample.particles, classes(sample.particles), rules))
    capabilities = _capabilities(bound[0], config, trajectories, samples[0]).to_dict()
    del capabilities["latent_size"]
    return TransferCard(
        name=config.name,
        capabilities=capabilities,
        guard=GuardStatistics.of(parts),
        provenance=_provenance(config, trajectories, sum(map(len, examples))),
        molecules=tuple(
            {
                "name": molecule_name(part.particles),
                "particles": len(part.particles),
                "examples": len(part),
            }
            for part in examples
        ),
    )


def molecule_name(particles: Particles) -> str:
    """Residues and formula, such as "ACE-ALA-NME C6H12N2O2": what a transferable model calls a molecule."""
    return f"{particles.residues_text} {_formula(particles)}"


def _formula(particles: Particles) -> str:
    """Number of particles of each type, such as C4H10; of beads, of what they are made of."""
    if all(map(is_group, particles.types)):
        counts: Counter[str] = Counter()
        for kind in particles.types:
            counts.update(composition(kind))
        return ".".join(f"{kind}x{number}" for kind, number in sorted(counts.items()))
    counts = Counter(particles.types)
    return "".join(f"{kind}{counts[kind] if counts[kind] > 1 else ''}" for kind in sorted(counts))


def _rules(learnt: dict, network, sample: Examples) -> GuardRules:
    """The rules of trajectories, with room beyond the largest step of the examples."""
    displacement = DISPLACEMENT_MARGIN * _largest_step(network, sample)
    return GuardRules.from_dict(learnt | {"max_displacement_nm": displacement})


def _capabilities(network, config: TrainingConfig, trajectories: list[Trajectory], sample: Examples):
    return Capabilities(
        lag_times_ps=config.lag_times_ps,
        lag_time_range=config.longest_lag_time_ps is not None,
        temperatures_K=(common_temperature(trajectories),),
        latent_size=latents_of(network, sample[:1]).shape[1],
        history_length=config.history_length,
        periodic=bool(sample.box.any()),
        sigma_min=config.sigma_min,
        sigma_max=config.sigma_max,
        sigma_data=1.0,
        solver=SOLVER,
        solvers=getattr(network, "solvers", ()),
        denoising_steps=_denoising_steps(network, config),
        has_start=draws_in_one_step(network),
        latent_type=network.latent_type,
        symmetric=network.symmetric,
    )


def _denoising_steps(network, config: TrainingConfig) -> int:
    if draws_in_one_step(network):
        return 0
    return config.distillation.evaluations if config.distillation else 8


def _provenance(config: TrainingConfig, trajectories: list[Trajectory], count: int) -> Provenance:
    parametrization = Parametrization(config.prediction, config.schedule)
    return Provenance(
        solvent=trajectories[0].solvent,
        force_field=trajectories[0].force_field,
        training_data={
            "fingerprint": fingerprint(trajectories),
            "openings": [opening_digest(trajectory) for trajectory in trajectories],
            "steered_ns": sum(t.length_ps for t in trajectories if t.steered and t.weights is None) / 1000,
            "shot_paths": sum(len(t.segments) for t in trajectories if t.weights is not None),
            "unsteered_ns": sum(t.length_ps for t in trajectories if not t.steered) / 1000,
            "trajectories": len(trajectories),
            "pairs": count,
            "updates": config.optimization.updates,
            "batch_size": config.optimization.batch_size,
        },
        licence="MIT",
        package_version=openmm_scoredyn.__version__,
        torch_version=torch.__version__,
        network=config.network.to_dict() | {"parametrization": parametrization.to_dict()},
    )


def _sample(examples: Examples, most: int) -> Examples:
    """At most that many examples, evenly spread."""
    return examples[torch.linspace(0, len(examples) - 1, min(len(examples), most)).long()]


def _largest_step(network, sample: Examples) -> float:
    """Largest distance, nm, that a particle moves in the examples, with the rigid motion of the network."""
    largest = 0.0
    for begin in range(0, len(sample), 4096):
        part = sample[begin : begin + 4096]
        with torch.no_grad():
            condition = network.condition(*part.situation)
            latent = network.latent(part.before, part.after, condition)
            moved = network.advance(latent, condition, part.history, part.box) - part.before
        largest = max(largest, float(torch.linalg.vector_norm(moved, dim=-1).max()))
    return largest


def common_temperature(trajectories: list[Trajectory]) -> float:
    """The temperature, K, of all trajectories.

    Raises
    ------
    TrainingError
        If they do not say it, or not the same one.
    """
    temperatures = {trajectory.temperature_K for trajectory in trajectories}
    first = trajectories[0].temperature_K
    if len(temperatures) != 1 or first is None:
        raise TrainingError(
            f"train: expected trajectories of one known temperature, found {sorted(map(str, temperatures))}"
            " K; train on one temperature, or give it when loading."
        )
    return first
