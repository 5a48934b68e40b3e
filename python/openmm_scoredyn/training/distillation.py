"""Distillation: a network that draws in one or two evaluations what its teacher draws in many.

The probability-flow ODE makes the draw a function of the first noise (Song et al. 2021), so a student can be
taught that function by regression (Luhman and Luhman 2021). Here the student's few evaluations and the solver
between them are differentiated as a whole: the stages are those the C++ sampler will run, and the student
remains an ordinary denoiser of the same contract.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from openmm_scoredyn.program.native import scoredyn
from openmm_scoredyn.training.config import SOLVER, TrainingConfig
from openmm_scoredyn.training.module import ScoreTraining


def deterministic_plan(config: TrainingConfig, evaluations: int) -> list[dict]:
    """The stages by which the sampler draws with so many evaluations of the network."""
    return scoredyn.solver_plan(SOLVER, evaluations, config.sigma_min, config.sigma_max, 1.0)


def draw(plan: list[dict], denoise: Callable[[Tensor, float], Tensor], eps: Tensor) -> Tensor:
    """The latent (B, M, 3) that a plan without noise of its own makes of the first noise `eps` (B, M, 3).

    Parameters
    ----------
    denoise : (noised latent (B, M, 3), sigma) to the expected clean latent (B, M, 3)
    """
    latent = plan[0]["sigma"] * eps
    anchor = previous = torch.zeros_like(latent)
    for stage in plan:
        denoised = denoise(latent, stage["sigma"])
        after = (
            stage["current"] * latent
            + stage["anchor"] * anchor
            + stage["denoised"] * denoised
            + stage["previous"] * previous
        )
        anchor = latent if stage["set_anchor"] else anchor
        latent, previous = after, denoised
    return latent


class Distillation(ScoreTraining):
    """A student in training; the network it begins with, frozen, is the teacher.

    Parameters
    ----------
    network : as `ScoreTraining`
    config : with `distillation`
    """

    def __init__(self, network, config: TrainingConfig):
        super().__init__(network, config)
        teacher = copy.deepcopy(network).eval().requires_grad_(False)
        self._teacher = (teacher,)  # out of sight of Lightning: it is no part of a checkpoint
        self._plan = deterministic_plan(config, config.distillation.evaluations)
        self._teacher_plan = deterministic_plan(config, config.distillation.teacher_evaluations)

    def training_step(self, batch, index):
        """Mean squared distance, in the weights of the denoising loss, between the two draws from the same
        noise.
        """
        loss = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, index):
        """The same for held-out conditions, averaged weights in place."""
        self.log("validation_loss", self._loss(batch), prog_bar=True, batch_size=len(batch[0]))

    def _loss(self, batch) -> Tensor:
        _, condition, _, eps = batch
        with torch.no_grad():
            target = draw(self._teacher_plan, self._denoiser(self._teacher[0], condition), eps)
        drawn = draw(self._plan, self._denoiser(self.network, condition), eps)
        return (self.network.loss_weight * (drawn - target) ** 2).mean()

    def _denoiser(self, network, condition) -> Callable[[Tensor, float], Tensor]:
        convert = self.parametrization

        def denoise(latent: Tensor, sigma: float) -> Tensor:
            level = torch.full((len(latent),), sigma)
            raw = network.predict(
                convert.network_input(latent, level), convert.network_level(level), condition
            )
            return convert.clean(raw, latent, level)

        return denoise
