"""The test between lag times on processes whose steps of any length are known."""

import numpy as np
import pytest
from chains import CHAIN, draw, series

from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.evaluation import chapman_kolmogorov

NAMES = ("beta", "alpha_R", "phi>0")


def relaxing(frames: int, step_ps: float, relaxation_ps: float, seed: int):
    """psi an exact Ornstein-Uhlenbeck process about 65 degrees, wide enough for both basins; phi fixed."""
    generator, memory = np.random.default_rng(seed), np.exp(-step_ps / relaxation_ps)
    psi = np.zeros((frames, 20))
    psi[0] = generator.normal(size=20)
    for t in range(1, frames):
        psi[t] = memory * psi[t - 1] + np.sqrt(1 - memory**2) * generator.normal(size=20)
    degrees = np.stack([np.full(psi.shape, -100.0), 65.0 + 45.0 * psi], axis=-1)
    return series(np.radians((degrees + 180.0) % 360.0 - 180.0).swapaxes(0, 1), spacing=step_ps)


def test_probabilities_are_the_power_of_the_chain():
    exact = np.linalg.matrix_power(CHAIN, 10)
    one, ten = series(draw(20, 8000, seed=1)), series(draw(20, 2000, seed=2, chain=exact), spacing=10.0)
    found = chapman_kolmogorov(one, {"ten": ten})
    assert [side.step_ps for side in found] == [1.0, 10.0]
    for side in found:
        for i, source in enumerate(NAMES):
            for j, target in enumerate(NAMES):
                estimate = side.probabilities[source, target]
                assert abs(estimate.value - exact[i, j]) < 4 * estimate.error, (side.name, source, target)
        assert np.isnan(side.probabilities["elsewhere", "beta"].value), "never there"


def test_ten_short_steps_and_a_long_one_agree_and_a_wrong_one_does_not():
    short, long = relaxing(6000, 1.0, 25.0, seed=3), relaxing(2000, 10.0, 25.0, seed=4)
    wrong = relaxing(2000, 10.0, 15.0, seed=5)
    reference, right, off = chapman_kolmogorov(short, {"right": long, "wrong": wrong})
    assert reference.divergence == {} and reference.floor["psi"].value > 0
    assert right.divergence["psi"].value < right.floor["psi"].value + 4 * right.floor["psi"].error
    assert off.divergence["psi"].value > off.floor["psi"].value + 8 * off.floor["psi"].error
    away = [
        (side.probabilities["beta", "beta"].value - reference.probabilities["beta", "beta"].value)
        / np.hypot(side.probabilities["beta", "beta"].error, reference.probabilities["beta", "beta"].error)
        for side in (right, off)
    ]
    assert abs(away[0]) < 4 and away[1] < -6


def test_a_hop_never_seen_is_not_impossible():
    stuck = [np.tile(np.radians([-100.0, 150.0]), (101, 1)) for _ in range(4)]
    found = chapman_kolmogorov(series(stuck), {})[0].probabilities["beta", "alpha_R"]
    assert found.value == 0
    assert found.error == pytest.approx(1 / (4 * 91 / 10), rel=0.1)  # once in as many intervals as there were


def test_an_interval_must_be_whole_frames_within_a_trajectory():
    with pytest.raises(TrajectoryError, match="spacing of which 10 ps is a multiple, found 4 ps"):
        chapman_kolmogorov(series(draw(2, 50, seed=6)), {"four": series(draw(2, 50, seed=7), spacing=4.0)})
    with pytest.raises(TrajectoryError, match="MD is too short; expected a trajectory longer than 10 ps"):
        chapman_kolmogorov(series(draw(2, 8, seed=8)), {}, reference_name="MD")
