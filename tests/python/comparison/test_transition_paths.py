"""Transition paths that are laid out frame by frame."""

import numpy as np
import pytest
from chains import joined

from openmm_scoredyn.comparison import passages
from openmm_scoredyn.observables.peptide import RAMACHANDRAN

BETA, ALPHA = (-100.0, 150.0), (-80.0, -20.0)
FRONT, REAR = (-90.0, 60.0), (-90.0, -110.0)
LEFT, GATE, BACKDOOR = (60.0, 40.0), (0.0, 60.0), (140.0, 160.0)


def transition_paths(angles, spacing: float):
    together, blocks = joined(angles)
    return passages.transition_paths(together, spacing, RAMACHANDRAN, blocks)


def trajectory(*stops) -> np.ndarray:
    return np.radians(np.array(stops))


def test_times_and_saddles_of_paths_laid_out_by_hand():
    angles = trajectory(
        *[BETA] * 5, FRONT, FRONT, *[ALPHA] * 5,  # 3 frames over the front
        REAR, *[BETA] * 5,  # back over the rear, 2 frames
        *[ALPHA] * 3,  # straight, 1 frame
        FRONT, *[ALPHA] * 2,  # a visit to the saddle is no path
        FRONT, REAR, *[BETA] * 4,  # last seen over the rear, 3 frames
    )  # fmt: skip
    found = transition_paths([angles, angles], 2.0)
    forth, back = found["beta -> alpha_R"], found["alpha_R -> beta"]
    assert forth["path time"].samples == back["path time"].samples == 4
    assert forth["path time"].value == pytest.approx(2.0 * (3 + 1) / 2)
    assert back["path time"].value == pytest.approx(2.0 * (2 + 3) / 2)
    assert [forth[name].value for name in ("psi ~ 60", "psi ~ -110", "between two frames")] == [0.5, 0.0, 0.5]
    assert [back[name].value for name in ("psi ~ 60", "psi ~ -110", "between two frames")] == [0.0, 1.0, 0.0]
    assert back["psi ~ -110"].error > 0.1, "four of four are no certainty"


def test_a_share_of_all_of_many_paths_is_no_certainty():
    once = [*[BETA] * 3, FRONT, *[ALPHA] * 3, FRONT]
    found = transition_paths([trajectory(*once * 36)], 1.0)["beta -> alpha_R"]["psi ~ 60"]
    assert found.samples == 36 and found.value == 1.0
    assert 0.5 / 36 < found.error < 2 / 36  # one path more could have gone the other way


def test_phi_is_entered_by_either_side_and_left_never():
    angles = trajectory(*[BETA] * 3, GATE, *[LEFT] * 3)
    other = trajectory(*[BETA] * 3, BACKDOOR, BACKDOOR, *[LEFT] * 3)
    found = transition_paths([angles, other, other], 1.0)
    assert found["into phi>0"]["phi ~ 0"].value == pytest.approx(1 / 3)
    assert found["into phi>0"]["phi ~ 130"].value == pytest.approx(2 / 3)
    assert found["into phi>0"]["path time"].value == pytest.approx((2 + 3 + 3) / 3)
    assert (
        np.isnan(found["out of phi>0"]["path time"].value) and found["out of phi>0"]["path time"].samples == 0
    )


def test_a_stay_in_another_core_is_no_part_of_a_path():
    angles = trajectory(*[BETA] * 3, GATE, *[LEFT] * 50, GATE, *[ALPHA] * 3, FRONT, *[BETA] * 3)
    found = transition_paths([angles], 1.0)
    assert found["beta -> alpha_R"]["path time"].samples == 0
    assert [found[name]["path time"].value for name in ("into phi>0", "out of phi>0", "alpha_R -> beta")] == [
        2,
        2,
        2,
    ]


def test_a_path_ends_with_its_trajectory():
    first, second = trajectory(*[BETA] * 4, FRONT), trajectory(FRONT, *[ALPHA] * 4)
    assert transition_paths([first, second], 1.0)["beta -> alpha_R"]["path time"].samples == 0
    assert (
        transition_paths([np.concatenate([first, second])], 1.0)["beta -> alpha_R"]["path time"].samples == 1
    )


def test_errors_of_shares_have_the_size_of_their_scatter():
    generator = np.random.default_rng(1)

    def draw():
        stops = []
        for _ in range(60):
            stops += [BETA] * 2 + [FRONT if generator.random() < 0.7 else REAR] + [ALPHA] * 2 + [FRONT]
        return transition_paths([trajectory(*stops)], 1.0)["beta -> alpha_R"]["psi ~ 60"]

    estimates = [draw() for _ in range(40)]
    scatter = np.std([e.value for e in estimates], ddof=1)
    assert np.mean([e.value for e in estimates]) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / 60 / 40))
    assert 0.6 < np.mean([e.error for e in estimates]) / scatter < 1.6


def test_two_paths_of_one_length_are_no_certainty():
    angles = np.tile(np.radians([-100.0, 150.0]), (2000, 1))
    for begin in (500, 1500):
        angles[begin : begin + 3] = np.radians([-80.0, 60.0])
        angles[begin + 3 : begin + 300] = np.radians([-80.0, -20.0])
    found = transition_paths([angles], 1.0)["beta -> alpha_R"]["path time"]
    assert found.samples == 2
    assert found.error >= found.value / np.sqrt(2) * 0.999
