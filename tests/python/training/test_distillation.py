"""Distillation: its draws are the sampler's own, exact where the ODE is solved by hand, and a student learns
its teacher's.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from programs import POSITIONS, OrnsteinUhlenbeck, save_program
from small_networks import fit_network
from small_runs import Stop, data, killed_after, tiny
from torch import Tensor

import openmm_scoredyn as sd
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.training import DistillationConfig, OptimizationConfig, load_checkpoint, train
from openmm_scoredyn.training.dataset import Batch, collect_examples
from openmm_scoredyn.training.distillation import Distillation, deterministic_plan, draw

STEP_NM = 0.0005


class Bent(OrnsteinUhlenbeck):
    """A denoiser that is not linear, each number of the latent by itself."""

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return torch.tanh(latent / (1 + sigma[:, None]))

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.0005 * latent.unflatten(1, [-1, 3])


@pytest.mark.parametrize("spread, evaluations, tolerance", [(1.0, 1, 1e-5), (1.0, 2, 1e-5), (0.5, 200, 2e-3)])
def test_a_draw_from_a_gaussian_is_its_first_noise_scaled(spread, evaluations, tolerance):
    """The ODE of N(0, s^2) keeps x / sqrt(sigma^2 + s^2); trig_2m is exact for s = 1."""
    config = tiny()
    eps = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0))
    drawn = draw(
        deterministic_plan(config, evaluations), lambda x, sigma: x * spread**2 / (spread**2 + sigma**2), eps
    )
    exact = spread * config.sigma_max / math.hypot(config.sigma_max, spread) * eps
    torch.testing.assert_close(drawn, exact, rtol=tolerance, atol=tolerance)


def test_draws_are_those_of_the_sampler(tmp_path):
    """One evaluation of a denoiser that says 0 shows the sampler's first noise; from it the draws must
    follow.
    """
    config, history = tiny(), np.repeat(POSITIONS[None], 20, axis=0)
    levels = {"sigma_min": config.sigma_min, "sigma_max": config.sigma_max, "sigma_data": 1.0}

    class Silent(Bent):
        @torch.jit.export
        def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
            return torch.zeros_like(latent)

    def latents(module, evaluations: int) -> torch.Tensor:
        path = tmp_path / f"{type(module).__name__}.pt"
        save_program(path, module, **levels)
        model = sd.ScoreModel(path)
        frames = model.sample(history, 1, seed=3, denoising_steps=evaluations, solver="trig_2m")
        moved = (frames[0].astype(np.float64) - history) / STEP_NM
        return torch.from_numpy(moved.reshape(len(moved), -1))

    (stage,) = deterministic_plan(config, 1)
    eps = latents(Silent(), 1) / (stage["current"] * stage["sigma"])
    drawn = draw(deterministic_plan(config, 3), lambda x, sigma: torch.tanh(x / (1 + sigma)), eps)
    torch.testing.assert_close(
        drawn, latents(Bent(), 3), rtol=0, atol=2e-3
    )  # float32 positions, of 0.0005 nm


def distilled():
    optimization = OptimizationConfig(updates=8, batch_size=16, warmup_updates=2, validation_every=4, seed=5)
    return dataclasses.replace(tiny(), optimization=optimization, distillation=DistillationConfig(1, 8))


def test_a_student_comes_closer_to_its_teacher():
    """The teacher is a network with random weights, so its draws are no linear function of the
    first noise.
    """
    torch.manual_seed(0)
    (pairs,) = collect_examples(data(), 1.0, time_reversal=True)
    network = fit_network("molecule_frame", pairs.before, pairs.after, width=16, blocks=1)
    torch.nn.init.normal_(network.outlet.weight, std=0.2)
    module = Distillation(network, [network], distilled())
    shape, sigma = (len(pairs), *network.loss_weight.shape), torch.ones(len(pairs))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        eps = torch.randn(shape)
        batch = Batch(0, pairs.history, pairs.after, *pairs.situation[1:], pairs.labels, sigma, eps)
        losses.append(module.loss(batch))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


def test_a_killed_distillation_goes_on_to_the_same_weights(tmp_path):
    train(data(), tmp_path / "teacher", tiny())
    start = {"start_from": tmp_path / "teacher"}
    whole = train(data(), tmp_path / "whole", distilled(), **start)
    with pytest.raises(Stop):
        train(data(), tmp_path / "killed", distilled(), [killed_after(6)], **start)
    resumed = train(data(), tmp_path / "killed", distilled(), **start)
    assert load_checkpoint(whole)[1].capabilities.denoising_steps == 1
    one, other = load_checkpoint(whole)[0].state_dict(), load_checkpoint(resumed)[0].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_distillation_needs_a_teacher_and_fewer_evaluations(tmp_path):
    with pytest.raises(TrainingError, match="teacher"):
        train(data(), tmp_path, distilled())
    assert not any(tmp_path.iterdir())
    with pytest.raises(TrainingError, match="fewer"):
        DistillationConfig(12, 12)
