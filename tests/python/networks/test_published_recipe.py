"""The solver that stands for the published recipe in the benchmarks, against what is known in closed form."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import recipe

SPREAD = 0.3


def predicted_noise(x, time):
    """The best prediction for normal data of standard deviation SPREAD."""
    alpha, sigma = recipe.alpha_and_sigma(recipe.log_signal_to_noise(time))
    return sigma * x / (alpha**2 * SPREAD**2 + sigma**2)


def error(steps):
    """Of the solution that starts at 1; the probability flow keeps the ratio to the standard deviation."""
    deviation = [
        np.hypot(alpha * SPREAD, sigma)
        for alpha, sigma in map(
            recipe.alpha_and_sigma, map(recipe.log_signal_to_noise, (1.0, recipe.LAST_TIME))
        )
    ]
    return abs(recipe.dpm_solver_3(predicted_noise, 1.0, steps) - deviation[1] / deviation[0])


def test_the_solver_is_of_third_order():
    """Half the step, an eighth of the error."""
    errors = [error(steps) for steps in (40, 80, 160)]
    assert errors[0] < 1e-4
    for coarse, fine in itertools.pairwise(errors):
        assert 6.5 < coarse / fine < 9.5


def test_a_step_takes_three_evaluations():
    times = []

    def noise_at(x, time):
        times.append(time)
        return predicted_noise(x, time)

    recipe.dpm_solver_3(noise_at, 1.0)
    assert len(times) == 60
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(1.0)


@pytest.mark.parametrize("time", [1e-3, 0.2, 1.0])
def test_schedule(time):
    """alpha^2 = exp(-integral of beta), and its inverse."""
    ratio = recipe.log_signal_to_noise(time)
    grid = np.linspace(0, time, 1001)
    beta = recipe.BETA_MIN + grid * (recipe.BETA_MAX - recipe.BETA_MIN)
    alpha, sigma = recipe.alpha_and_sigma(ratio)
    assert alpha**2 == pytest.approx(np.exp(-np.trapezoid(beta, grid)), rel=1e-9)
    assert alpha**2 + sigma**2 == pytest.approx(1)
    assert recipe.time_at(ratio) == pytest.approx(time)
