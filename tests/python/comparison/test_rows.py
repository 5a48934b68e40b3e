"""Verdicts and targets of single rows."""

import numpy as np
import pytest

from openmm_scoredyn.comparison import Estimate
from openmm_scoredyn.comparison.compare import divergence_quantity
from openmm_scoredyn.comparison.rows import make_row
from openmm_scoredyn.observables import Quantity

DIVERGENCE = divergence_quantity("JSD")

TIME = Quantity("Kinetics", "first passage", "ns", 0.1, ratio=True, relative_target=0.15)
ENERGY = Quantity("Free energies", "alpha_R - beta", "kJ/mol", absolute_target=0.3)
NEVER = (100.0, np.inf, 0.0)


def row(quantity, reference, candidate):
    """A row of (value, error) or (value, error, samples)."""
    ours, theirs = (Estimate(*side, *([100.0] if len(side) == 2 else [])) for side in (reference, candidate))
    return make_row(quantity, ours, theirs, 1.0)


@pytest.mark.parametrize(
    ("quantity", "reference", "candidate", "judgement", "target"),
    [
        (TIME, (100.0, 3.0), (103.0, 3.0), "within error", "met"),
        (TIME, (100.0, 3.0), (112.0, 2.0), "off by 3.2 standard errors", "met"),
        (TIME, (100.0, 3.0), (130.0, 3.0), "off by 6.9 standard errors", "missed"),
        (TIME, (100.0, 1.0), (108.0, 1.0), "off by 5.6 standard errors, within tolerance", "met"),
        (TIME, (100.0, 10.0), (120.0, 10.0), "within error", "MD too short to tell"),
        (TIME, (100.0, 40.0), (104.0, 3.0), "within error", "MD too short to tell"),
        (TIME, (100.0, 40.0), (130.0, 3.0), "within error", "MD too short to tell"),
        (TIME, (100.0, 20.0), (300.0, 3.0), "off by 5.5 standard errors", "missed"),
        (TIME, (100.0, 3.0), (104.0, 40.0), "within error", "model too short to tell"),
        (TIME, NEVER, (104.0, 40.0), "too few data", "MD too short to tell"),
        (TIME, (90.0, 9.0), NEVER, "too few data", "model too short to tell"),
        (TIME, (9.0, 0.3), NEVER, "off: no event on one side", "missed"),
        (ENERGY, (1.4, 0.1), (1.65, 0.1), "within error", "met"),
        (ENERGY, (1.4, 0.1), (2.0, 0.1), "off by 4.2 standard errors", "missed"),
        (ENERGY, (6.0, 1.5), (12.0, 3.5), "within error", "MD too short to tell"),
        (ENERGY, (6.0, 0.1), (float("nan"), float("nan"), 0.0), "too few data", "model too short to tell"),
        (DIVERGENCE, (0.010, 0.0005), (0.004, 0.001), "within error", "met"),
        (DIVERGENCE, (0.0054, 0.0061), (0.0038, 0.005), "within error", "met"),
        (DIVERGENCE, (0.010, 0.0005), (0.020, 0.001), "off by 8.9 standard errors", "missed"),
        (DIVERGENCE, (0.010, 0.01), (0.020, 0.0), "within error", "MD too short to tell"),
    ],
)
def test_judgement_and_target(quantity, reference, candidate, judgement, target):
    found = row(quantity, reference, candidate)
    assert (found.judgement, found.target) == (judgement, target)
    assert found.to_dict()["target"] == target


@pytest.mark.parametrize("quantity", [TIME, ENERGY, DIVERGENCE])
def test_no_row_is_both_within_error_and_missed(quantity):
    generator = np.random.default_rng(1)
    for _ in range(2000):
        value, factor, *errors = np.exp(generator.normal(size=4) * [1.0, 0.3, 1.0, 1.0] - [0, 0, 3, 3])
        found = row(quantity, (value, value * errors[0]), (value * factor, value * errors[1]))
        assert (found.judgement, found.target) != ("within error", "missed")


def test_what_has_no_target_is_given_none():
    assert row(Quantity("Geometry", "bond", "nm"), (0.1, 0.001), (0.2, 0.001)).target == ""


PER_PATH = Quantity("Transition paths", "path time", "ps")
SHARE = Quantity("Populations", "phi>0", "", of_frames=True)


@pytest.mark.parametrize(("quantity", "error"), [(PER_PATH, 0.1), (SHARE, 0.2 * np.sqrt(100.0))])
def test_only_averages_over_frames_borrow_an_error_by_length(quantity, error):
    """The candidate, 100 times as long, has a smaller error; scaled to the reference's length it is larger
    than that's own.
    """
    found = make_row(quantity, Estimate(1.0, 0.1, 2.0), Estimate(2.0, 0.2, 500.0), 100.0)
    assert found.reference.error == pytest.approx(error)
    assert found.candidate.error == 0.2
    assert found.difference == pytest.approx(1.0 / np.hypot(error, 0.2))


def test_six_quick_passages_do_not_exclude_a_slow_one():
    """The candidate's waits have a spread of eight times their mean; with exponential ones it
    is their mean.
    """
    quick = Estimate(0.03, 0.03 / np.sqrt(6), 6.0)
    found = make_row(TIME, quick, Estimate(1.4, 1.4 * 8 / np.sqrt(90), 90.0), 50.0)
    assert found.reference.error == pytest.approx(0.03 * 8 / np.sqrt(6))
    assert found.verdict == "agrees"
    exponential = make_row(TIME, quick, Estimate(1.4, 1.4 / np.sqrt(90), 90.0), 50.0)
    assert exponential.reference.error == pytest.approx(quick.error)
    assert exponential.verdict == "differs"


def test_two_paths_of_two_do_not_exclude_a_third():
    """All of two paths go a way that one in three takes: a chance of one in nine."""
    share = Quantity("Transition paths", "share over phi ~ 0", "", of_paths=True)
    found = make_row(share, Estimate(1.0, 0.3, 2.0), Estimate(1 / 3, 0.05, 90.0), 50.0)
    assert found.reference.error == pytest.approx(np.sqrt(2 / 9 / 2))
    assert found.verdict == "agrees"
    assert make_row(share, Estimate(1.0, 0.05, 20.0), Estimate(1 / 3, 0.05, 90.0), 1.0).verdict == "differs"


def test_an_error_that_cannot_be_known_is_not_borrowed():
    found = make_row(SHARE, Estimate(1.0, float("nan"), 1.0), Estimate(0.5, 0.01, 100.0), 1.0)
    assert np.isnan(found.reference.error) and found.verdict == "undetermined"
