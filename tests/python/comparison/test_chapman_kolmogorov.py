"""The test between lag times on processes whose steps of any length are known."""

import numpy as np
import pytest
from chains import CENTRES, CHAIN, PEPTIDE, draw, series

from openmm_scoredyn.comparison import chapman_kolmogorov as compare_lags
from openmm_scoredyn.errors import TrajectoryError

NAMES = ("beta", "alpha_R", "phi>0")


def chapman_kolmogorov(reference, others, **options):
    return compare_lags(reference, others, PEPTIDE, **options)


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


def hopping(frames: int, step_ps: float, seed: int) -> np.ndarray:
    """A hop between beta and alpha_R every 400 ps either way, exact at every step."""
    generator = np.random.default_rng(seed)
    hops = generator.random(frames) < 0.5 * (1 - np.exp(-2 * step_ps / 400))
    state = (generator.random() < 0.5) ^ (np.cumsum(hops) % 2 == 1)
    return CENTRES[state.astype(int)] + 0.05 * generator.normal(size=(frames, 2))


@pytest.mark.parametrize(
    "frames, step_ps, trajectories",
    [(200, 1.0, 4), (20, 10.0, 4), (2000, 10.0, 12)],
    ids=["shorter than a block", "and of wider spacing", "longer, of wider spacing"],
)
def test_the_floor_is_what_independent_pieces_of_the_same_process_show(frames, step_ps, trajectories):
    """The reference's blocks are 4 ns and more; its frames are 1 ps apart."""
    reference = series([hopping(20_000, 1.0, seed) for seed in range(trajectories)])
    pieces = {str(k): series([hopping(frames, step_ps, 100 + k)], step_ps) for k in range(40)}
    found = [side for side in chapman_kolmogorov(reference, pieces) if side.name in pieces]
    shown, expected, spread = np.array(
        [(side.divergence["psi"].value, side.floor["psi"].value, side.floor["psi"].error) for side in found]
    ).T
    assert abs(shown.mean() - expected.mean()) < 3 * shown.std() / np.sqrt(40)
    # Beyond two spreads are 2 % of a normal distribution and 5 % of a squared one: of 40 pieces at most 6 in
    # 99.9 %.
    assert np.sum(shown > expected + 2 * spread) <= 6


def test_a_side_of_a_single_interval_has_a_floor():
    """In pieces that short of a reference of short runs, the first ones of each run hold no interval."""
    reference = series([hopping(40, 1.0, seed) for seed in range(200)])
    others = {"one": series([hopping(11, 1.0, 500)]), "two": series([hopping(2, 10.0, 501)], 10.0)}
    for side in chapman_kolmogorov(reference, others):
        assert 0 < side.floor["psi"].value <= 1 and side.floor["psi"].error > 0


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
