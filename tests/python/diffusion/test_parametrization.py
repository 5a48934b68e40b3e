"""Every parametrisation, fed the closed-form optimal network of a Gaussian, gives the Gaussian's own
denoiser.
"""

import math

import pytest
import torch

from openmm_scoredyn.diffusion.parametrization import PREDICTIONS, SCHEDULES, Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.scripting import script

MEAN, SPREAD, SIGMA_DATA, BETA_MIN, BETA_MAX, OFFSET = 0.7, 1.3, 0.8, 0.1, 20.0, 0.008


def alpha_of_level(schedule: str, level: torch.Tensor) -> torch.Tensor:
    """Signal scale of the variance-preserving schedules as their papers write it, from t."""
    if schedule == "vp_linear":
        return torch.exp(-0.25 * level**2 * (BETA_MAX - BETA_MIN) - 0.5 * level * BETA_MIN)
    angle = (level + OFFSET) / (1 + OFFSET) * math.pi / 2
    return torch.cos(angle) / math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)


def sigma_of_level(schedule: str, level: torch.Tensor) -> torch.Tensor:
    if schedule == "ve":
        return 2 * torch.exp(level)
    if schedule == "edm":
        return torch.exp(4 * level)
    alpha = alpha_of_level(schedule, level)
    return torch.sqrt(1 - alpha**2) / alpha


def optimal_network(prediction: str, schedule: str, shown: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """What training to optimality gives, written in the network's own variables (shown, level) only."""
    level = level.reshape(-1, 1)
    sigma = sigma_of_level(schedule, level)
    if schedule.startswith("vp"):
        alpha, noise = alpha_of_level(schedule, level), sigma * alpha_of_level(schedule, level)
        variable = shown
    else:
        alpha, noise = torch.ones_like(sigma), sigma
        variable = shown if schedule == "ve" else shown * torch.sqrt(sigma**2 + SIGMA_DATA**2)
    variance = alpha**2 * SPREAD**2 + noise**2
    residual = variable - alpha * MEAN
    clean = MEAN + alpha * SPREAD**2 / variance * residual  # E[x0 | variable]
    eps = noise / variance * residual  # E[eps | variable]
    if prediction == "v":
        if schedule.startswith("vp"):
            return alpha * eps - noise * clean
        scale = torch.sqrt(sigma**2 + SIGMA_DATA**2)  # x0 / sigma_data is the unit-variance data
        return SIGMA_DATA / scale * eps - sigma / scale * clean / SIGMA_DATA
    if prediction == "edm":
        ve = variable / alpha
        skip = SIGMA_DATA**2 / (sigma**2 + SIGMA_DATA**2)
        return (clean - skip * ve) / (sigma * SIGMA_DATA / torch.sqrt(sigma**2 + SIGMA_DATA**2))
    return {"clean": clean, "noise": eps, "score": -residual / variance}[prediction]


@pytest.mark.parametrize("scripted", [False, True], ids=["eager", "scripted"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_optimal_network_of_a_gaussian_gives_its_denoiser(prediction, schedule, scripted):
    parametrization = Parametrization(prediction, schedule, SIGMA_DATA, BETA_MIN, BETA_MAX)
    if scripted:
        parametrization = script(parametrization)
    sigma = torch.logspace(-2, 1.5, 12, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    latent = MEAN + torch.randn(12, 15, dtype=torch.float64, generator=generator) * (2 + sigma[:, None])
    shown, level = parametrization.network_input(latent, sigma), parametrization.network_level(sigma)
    raw = optimal_network(prediction, schedule, shown, level)
    exact = MEAN + SPREAD**2 / (SPREAD**2 + sigma[:, None] ** 2) * (latent - MEAN)
    assert parametrization.clean(raw, latent, sigma).dtype == torch.float64
    # 1 - alpha^2 above cancels at small sigma: the oracle, not the code, limits the agreement
    torch.testing.assert_close(parametrization.clean(raw, latent, sigma), exact, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_level_and_sigma_are_inverses(schedule):
    parametrization = Parametrization("noise", schedule)
    sigma = torch.logspace(-4, 2, 40, dtype=torch.float64)
    torch.testing.assert_close(
        parametrization.sigma_at(parametrization.network_level(sigma)), sigma, rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_float32_keeps_its_digits_at_small_sigma(schedule):
    parametrization = Parametrization("noise", schedule)
    sigma = torch.logspace(-4, 2, 40, dtype=torch.float32)
    exact = parametrization.network_level(sigma.double())
    torch.testing.assert_close(
        parametrization.network_level(sigma).double(), exact, rtol=1e-6, atol=1e-7 * (schedule[0] != "v")
    )


@pytest.mark.parametrize("schedule", ["vp_linear", "vp_cosine"])
def test_variance_preserving_level_is_a_time(schedule):
    parametrization = Parametrization("noise", schedule)
    level = parametrization.network_level(torch.logspace(-3, 2, 50, dtype=torch.float64))
    assert 0 < level[0] < 0.01
    assert level[-1] < 1
    assert bool((level[1:] > level[:-1]).all())
    torch.testing.assert_close(
        alpha_of_level(schedule, level),
        (1 + torch.logspace(-3, 2, 50, dtype=torch.float64) ** 2) ** -0.5,
        rtol=1e-12,
        atol=0,
    )


def test_shown_input_of_a_vp_network_is_the_vp_variable():
    parametrization = Parametrization("noise", "vp_linear")
    sigma = torch.tensor([0.5], dtype=torch.float64)
    alpha = alpha_of_level("vp_linear", parametrization.network_level(sigma))
    latent = torch.full((1, 6), 2.0, dtype=torch.float64)
    torch.testing.assert_close(
        parametrization.network_input(latent, sigma), alpha * latent, rtol=1e-12, atol=0
    )


def test_description_makes_the_same_object_again():
    parametrization = Parametrization("v", "vp_cosine", 0.5, 0.2, 10.0)
    again = Parametrization(**parametrization.to_dict())
    assert again.to_dict() == parametrization.to_dict() == {
        "prediction": "v", "schedule": "vp_cosine", "sigma_data": 0.5, "beta_min": 0.2, "beta_max": 10.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"prediction": "epsilon"},
            "unknown prediction; expected one of noise, score, clean, v, edm, found 'epsilon'",
        ),
        (
            {"schedule": "linear"},
            "unknown schedule; expected one of vp_linear, vp_cosine, ve, edm, found 'linear'",
        ),
        ({"sigma_data": 0.0}, "sigma_data is not a positive number"),
        ({"sigma_data": float("nan")}, "sigma_data is not a positive number"),
        ({"beta_min": 20.0, "beta_max": 0.1}, "expected beta_max > beta_min"),
    ],
)
def test_bad_arguments_are_refused(arguments, sentence):
    with pytest.raises(ExportError, match=sentence):
        Parametrization(**arguments)
