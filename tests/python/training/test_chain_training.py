"""A network that owns its loss: training by likelihood, export without denoising steps, binding."""

import bead_chains
import numpy as np
import pytest

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.data.guard_rules import BOND_TOLERANCE, learn_guard_rules
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.export.binding import bind_file
from openmm_scoredyn.export.restore import restore_program
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, train
from openmm_scoredyn.training.checkpoint import best_checkpoint
from openmm_scoredyn.training.config import DistillationConfig

BEADS = 5


def trajectory(types, seed: int) -> Trajectory:
    """Pairs of a Rouse chain, end to end as segments of two frames."""
    particles = bead_chains.mapped(types, 2).particles
    before, after = bead_chains.RouseChain(BEADS, 0.4, 1.0).pairs(200, seed)
    return Trajectory(
        segments=tuple(np.stack(pair) for pair in zip(before.numpy(), after.numpy(), strict=True)),
        frame_spacing_ps=2.0,
        temperature_K=300.0,
        molecule=particles,
        steered=False,
        consecutive=False,
        source_sha256=f"{seed:064d}",
    )


def configuration(**more) -> TrainingConfig:
    return TrainingConfig(
        name="rouse",
        network=NetworkChoice.of("chain_flow", width=8, layers=1, friction_per_ps=0.5),
        optimization=OptimizationConfig(
            updates=60,
            batch_size=32,
            learning_rate=1e-2,
            warmup_updates=5,
            ema_decay=0.8,
            validation_every=30,
        ),
        lag_time_ps=2.0,
        split="molecule",
        validation_fraction=0.3,
        **more,
    )


@pytest.fixture(scope="module")
def data():
    return [trajectory(types, k) for k, types in enumerate((["B1"] * 10, ["B1", "S1"] * 5, ["S1"] * 10))]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(data, folder, configuration())
    return folder


def test_the_likelihood_of_held_out_chains_rises(trained):
    losses = best_checkpoint(trained).held_out_loss
    assert losses[-1][1] < losses[0][1] - 0.01


def test_a_program_is_bound_drawn_from_and_restored(trained, data, tmp_path):
    checkpoint = best_checkpoint(trained)
    model = TransferableModel(checkpoint.card, checkpoint.weights)
    assert checkpoint.card.capabilities["denoising_steps"] == 0
    assert checkpoint.card.molecules[0]["name"].startswith("BEA ")
    other = bead_chains.mapped(["S1", "S1", "B1", "B1", "S1", "B1"], 2).particles  # three beads, a new one
    path = tmp_path / "bound.pt"
    bind_file(model, other, path)
    program = ScoreModel(path)
    assert program.card.capabilities.has_start
    start = np.array([[[0, 0, 0], [0.5, 0, 0], [1.0, 0.1, 0]]], np.float32)
    assert np.isfinite(program.sample(np.repeat(start, 4, axis=0), 20, seed=1)).all()
    network, card, _ = restore_program(path)
    assert card.name == "rouse"
    assert network.latent_size == 9


def test_its_step_is_not_distilled(trained, data, tmp_path):
    config = configuration(distillation=DistillationConfig())
    with pytest.raises(TrainingError, match="chain_flow makes its step in one evaluation"):
        train(data, tmp_path / "student", config, start_from=trained)


def test_bonds_of_groups_have_the_tolerance_of_the_data(data):
    """Maxwell distributed: no 15 %; the guard of every chain accepts the frames of all."""
    rules = learn_guard_rules(data[:1])
    lengths = np.linalg.norm(np.diff(data[0].positions, axis=1), axis=2)
    mean = lengths.mean(axis=0)
    assert rules["bond_tolerance"] == pytest.approx(1.25 * np.abs(lengths / mean - 1).max(), rel=0.01)
    fine = bead_chains.mapped(["B1"] * BEADS, 1).particles
    assert learn_guard_rules([trajectory_of(fine, data[0])])["bond_tolerance"] == BOND_TOLERANCE


def test_the_guard_of_a_class_covers_every_chain(trained, data):
    guard = best_checkpoint(trained).card.guard
    longest = guard.bonds_nm["bead-bead"] * (1 + guard.bond_tolerance)
    assert all(longest > np.linalg.norm(np.diff(t.positions, axis=1), axis=2).max() for t in data[:2])


def trajectory_of(particles, like: Trajectory) -> Trajectory:
    return Trajectory(
        segments=like.segments,
        frame_spacing_ps=2.0,
        temperature_K=300.0,
        molecule=particles,
        steered=False,
        consecutive=False,
        source_sha256="0",
    )
