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
from openmm_scoredyn.training.dataset import Batch
from openmm_scoredyn.training.module import ScoreTraining


def deterministic_plan(config: TrainingConfig, evaluations: int) -> list[dict]:
    """The stages by which the sampler draws with a number of evaluations of the network."""
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
    network, bound : as `ScoreTraining`
    config : with `distillation`
    """

    def __init__(self, network, bound: list, config: TrainingConfig):
        super().__init__(network, bound, config)
        # Out of sight of Lightning: the teachers are no part of a checkpoint.
        self._teachers = tuple(copy.deepcopy(one).eval().requires_grad_(False) for one in bound)
        asked = config.distillation
        assert asked is not None, "a run without distillation is a ScoreTraining"
        self._plan = deterministic_plan(config, asked.evaluations)
        self._teacher_plan = deterministic_plan(config, asked.teacher_evaluations)

    def on_fit_start(self):
        """Bring the teachers, too, to where the network is trained."""
        super().on_fit_start()
        for teacher in self._teachers:
            teacher.to(self.device)

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared distance, in the weights of the denoising loss, between the draws of student and
        teacher from the same noise.
        """
        network, teacher = self._bound[batch.molecule], self._teachers[batch.molecule]
        condition, eps = self.given(network, batch)
        with torch.no_grad():
            seen, _ = self.given(teacher, batch)
            target = draw(self._teacher_plan, self._denoiser(teacher, seen), eps)
        drawn = draw(self._plan, self._denoiser(network, condition), eps)
        return (network.loss_weight * (drawn - target) ** 2).mean()

    def _denoiser(self, network, condition) -> Callable[[Tensor, float], Tensor]:
        convert = self.parametrization

        def denoise(latent: Tensor, sigma: float) -> Tensor:
            level = torch.full((len(latent),), sigma, device=latent.device)
            raw = network.predict(
                convert.network_input(latent, level), convert.network_level(level), condition
            )
            return convert.clean(raw, latent, level)

        return denoise
