"""Training with a budget of processor time instead of a number of updates, for `equal_cost.py`."""

import copy
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.export import export_program
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.guard_rules import GuardRules
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig
from openmm_scoredyn.training.dataset import Batches, collect_examples
from openmm_scoredyn.training.describe import describe
from openmm_scoredyn.training.module import ScoreTraining

VALIDATION_BATCHES = 4
WARMUP = 0.03  # of the budget
REPORT = 50  # updates between lines of progress
EMA_SHARE = 0.03  # of the updates so far, averaged over


@dataclass(frozen=True)
class Recipe:
    """What is trained, and in what batches: an update should cost the same order of time with
    each network.
    """

    network: NetworkChoice
    batch_size: int
    learning_rate: float


RECIPES = {
    "molecule_frame": Recipe(NetworkChoice.of("molecule_frame"), 512, 1e-3),
    "equivariant": Recipe(NetworkChoice.of("equivariant"), 64, 2e-3),
    "message_passing": Recipe(NetworkChoice.of("message_passing"), 32, 1e-3),
}


def configuration(recipe: Recipe, name: str) -> TrainingConfig:
    """As `scoredyn train --network` has it."""
    own = recipe.network.architecture.recipe
    return TrainingConfig(
        name=name,
        network=recipe.network,
        optimization=OptimizationConfig(batch_size=recipe.batch_size, learning_rate=recipe.learning_rate),
        prediction=own.prediction,
        schedule=own.schedule,
        noise=own.noise,
    )


def train_for(seconds: float, kind: str, training, held_out, directory: Path) -> dict:
    """Train one network for a number of seconds of processor time, and export it; how it went, JSON-ready."""
    recipe = RECIPES[kind]
    config = configuration(recipe, kind)
    torch.manual_seed(1)
    (pairs,) = collect_examples(training, config.lag_time_ps, config.time_reversal)
    network = config.network.architecture.fit(config.network.config, [pairs])
    parametrization = Parametrization(config.prediction, config.schedule)
    batches, module = (
        Batches([pairs], [network], config, lambda: 0),
        ScoreTraining(network, [network], config),
    )
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    update, begin = 0, time.process_time()
    while (spent := (time.process_time() - begin) / seconds) < 1:
        rate = min(1.0, spent / WARMUP) * 0.5 * (1 + math.cos(math.pi * spent))
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * rate
        loss = module.loss(batches.batch(update, recipe.batch_size))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        update += 1
        if update % REPORT == 0:
            print(
                f"{kind}: update {update}, {100 * spent:.0f} %, loss {float(loss):.4f}",
                file=sys.stderr,
                flush=True,
            )
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters()):
                mean.lerp_(value, max(1 / update, 1 / (1 + EMA_SHARE * update)))
    used = time.process_time() - begin
    unseen = collect_examples(held_out, config.lag_time_ps, config.time_reversal)
    card = describe(network, config, training, pairs, held_out)
    export_program(average.eval(), directory / f"{kind}.pt", unguarded(card), parametrization)
    return {
        "kind": kind,
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "updates": update,
        "batch_size": recipe.batch_size,
        "processor_s": used,
        "validation_loss": _validation(ScoreTraining(average, [average], config), config, unseen),
        "bond_lengths_nm": card.guard.bond_lengths_nm,
        "bond_tolerance": card.guard.bond_tolerance,
    }


def unguarded(card: Card) -> Card:
    """The card with limits that nothing exceeds, so that a poor network still shows what it does."""
    lengths_nm = card.guard.bond_lengths_nm
    return replace(
        card, guard=GuardRules(bond_lengths_nm=lengths_nm, bond_tolerance=1e3, max_displacement_nm=1e3)
    )


def _validation(module: ScoreTraining, config, unseen) -> float:
    batches = Batches(unseen, [module.network], config, lambda: 0)
    with torch.no_grad():
        losses = [
            module.loss(batches.batch(number, config.optimization.batch_size))
            for number in range(VALIDATION_BATCHES)
        ]
    return float(torch.stack(losses).mean())
