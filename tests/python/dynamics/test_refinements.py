"""Refinement of rejected draws: a little noise and back, counted, before another draw is made."""

import numpy as np
import pytest
import torch
from contexts import draw_counted, make_context
from programs import POSITIONS, Drift, Jumping, Newest, OrnsteinUhlenbeck
from refusals import refusal
from scipy import stats
from torch import Tensor

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.native import scoredyn

NOISE = 0.3  # of a refinement
FREE = {"stereocentres": [], "bonds": [], "bond_lengths_nm": []}


class Leaping(Newest):
    """Atoms jump along x by 0.01 nm times one latent, normal about zero: the guard's displacement limit of
    0.01 nm rejects 31.7 % of the draws.
    """

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return latent / (1 + sigma[:, None].square())

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + latent[:, None, :1] * torch.tensor([0.01, 0.0, 0.0], device=latent.device)


class Stiff(Newest):
    """Each coordinate moves by 0.01 nm times a latent of standard deviation 0.05: stiff, where unit spread is
    what the solver is exact for.
    """

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        return latent * (0.05**2 / (0.05**2 + sigma[:, None].square()))

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.01 * latent.unflatten(1, [-1, 3])


@pytest.fixture
def leaping(make_program):
    return make_program(Leaping(), latent_size=1, max_displacement_nm=0.01, **FREE)


def replicas(count):
    return POSITIONS + 0.001 * np.arange(count, dtype=np.float32)[:, None, None, None]


OPTIONS = {"solver": "trig_2m", "denoising_steps": 2, "max_resamples": 100, "seed": 5}


def test_refinements_take_a_part_of_a_draw_back(leaping):
    """The flow of unit normals shrinks z + 0.3 eps by sqrt(1.09): what it brings within the limit of those
    that were beyond it is an integral.
    """
    model, count = scoredyn.Program(leaping), 20_000
    start = replicas(count)
    frames, counts = draw_counted(model, start, 1, refinements=1, **OPTIONS)
    moved = (frames[0] - start[:, 0])[:, 0, 0] / 0.01
    assert np.abs(moved).max() < 1.001
    beyond = 2 * stats.norm.sf(1)
    z = np.linspace(1, 8, 20_001)
    kept = stats.norm.cdf(((1 + NOISE**2) ** 0.5 - z) / NOISE) - stats.norm.cdf(
        (-((1 + NOISE**2) ** 0.5) - z) / NOISE
    )
    within = np.trapezoid(stats.norm.pdf(z) * kept, z) / stats.norm.sf(1)
    expected = beyond / (1 - beyond * (1 - within))  # refinements of a replica, over all its draws
    assert counts["refined_draws"] / count == pytest.approx(expected, abs=4 * (expected / count) ** 0.5)
    assert counts["rejected_draws"] == counts["displacement"] > counts["refined_draws"]
    assert counts["rejected_steps"] / count == pytest.approx(beyond, abs=4 * (beyond / count) ** 0.5)


def test_what_was_refined_stays_near_the_draw(leaping):
    """What was beyond the limit comes to lie just within it, where new draws lie anywhere."""
    model, start = scoredyn.Program(leaping), replicas(4000)
    plain, counts = draw_counted(model, start, 1, **OPTIONS)
    refined, _ = draw_counted(model, start, 1, refinements=64, **OPTIONS)
    changed = (plain[0] != refined[0]).any((1, 2))
    assert counts["refined_draws"] == 0 and changed.sum() == counts["rejected_steps"]
    usual, size = (np.abs((frames[0] - start[:, 0])[changed, 0, 0]) / 0.01 for frames in (plain, refined))
    assert usual.mean() == pytest.approx(0.46, abs=0.03) and size.mean() > 0.75


def test_replicas_are_what_they_would_be_alone_on_any_threads(leaping):
    model, start = scoredyn.Program(leaping), replicas(60)
    frames, counts = draw_counted(model, start, 4, refinements=3, **OPTIONS)
    again, counted = draw_counted(model, start, 4, refinements=3, num_threads=3, **OPTIONS)
    assert np.array_equal(again, frames) and counted == counts and counts["refined_draws"] > 20
    for replica in range(20):
        one = start[replica : replica + 1]
        alone, _ = draw_counted(model, one, 4, refinements=3, first_replica=replica, **OPTIONS)
        assert np.array_equal(alone[:, 0], frames[:, replica])


def test_what_is_stiff_is_put_right_and_the_rest_is_left(make_program):
    """Two evaluations draw fifteen stiff coordinates too widely: hardly a draw is within the limit."""
    path = make_program(Stiff(), max_displacement_nm=0.0018, **FREE)
    model, start = scoredyn.Program(path), replicas(200)
    options = OPTIONS | {"max_resamples": 10}
    with refusal("no acceptable draw for step 0"):
        draw_counted(model, start, 1, **options)
    frames, counts = draw_counted(model, start, 1, refinements=4, **options)
    assert 150 < counts["refined_draws"] < 300 and counts["rejected_draws"] == counts["refined_draws"]
    assert (frames[0] - start[:, 0]).std() < 0.01 * 0.1


def test_a_context_and_its_checkpoint_go_on_alike(leaping, make_system):
    context, integrator = make_context(leaping, make_system())
    integrator.setSolver("trig_2m")
    integrator.setDenoisingSteps(2)
    integrator.setRefinements(2)
    context.reinitialize(preserveState=True)
    integrator.step(20)
    saved, refined = context.createCheckpoint(), integrator.getNumRefinedDraws()
    integrator.step(20)
    end = context.getState(positions=True).getPositions(asNumpy=True)._value
    assert integrator.getNumRefinedDraws() > refined > 0
    context.loadCheckpoint(saved)
    assert integrator.getNumRefinedDraws() == refined
    integrator.step(20)
    assert np.array_equal(end, context.getState(positions=True).getPositions(asNumpy=True)._value)


def test_a_model_counts_them(leaping):
    model = ScoreModel(leaping)
    model.sample(replicas(100)[:, 0], 3, seed=1, refinements=1)
    assert 0 < model.num_refined_draws < model.num_rejected_draws


def test_what_cannot_be_refined_is_refused(make_program):
    at_once = ScoreDynamicsIntegrator(make_program(Jumping(), latent_size=1))
    with refusal("the number of refinements is 1; expected 0 to 0"):
        at_once.setRefinements(1)
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    for value, text in ((-1, "expected an integer from 0"), (65, "expected 0 to 64")):
        with refusal(text):
            integrator.setRefinements(value)
    only = make_program(OrnsteinUhlenbeck(), solvers=["dpmpp_2m"], solver="dpmpp_2m")
    with refusal("trig_2m"):
        draw_counted(scoredyn.Program(only), replicas(1), 1, refinements=1, solver="dpmpp_2m")
