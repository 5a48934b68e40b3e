"""The verdict of a fit: what is said of targets, of rare states, of rejected draws."""

from types import SimpleNamespace

import numpy as np
import pytest

from openmm_scoredyn.comparison.rows import make_row
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.fitting.verdict import judge
from openmm_scoredyn.observables.protocol import Quantity
from openmm_scoredyn.observables.states import Region, State, StateDefinition

TARGET = Quantity("Populations", "trans", "", absolute_target=0.05)
CLEAN = {"steps": 10_000, "bond": 0}
MET, MISSED, TOO_SHORT = (0.70, 0.71, 0.01), (0.70, 0.90, 0.01), (0.70, 0.71, 0.10)
LOW, HIGH = Region("low", ((-120.0, 0.0),)), Region("high", ((60.0, 180.0),))
STATES = StateDefinition(
    (State(LOW, LOW), State(HIGH, HIGH)),
    hops=("low and high", ("low", "high")),
    zero="low",
    rare="high",
)


def verdict(*values, guard=CLEAN, visits: int | None = None, overfitted=""):
    """Of rows (reference, candidate, error), and training that visited a rare state that often."""
    rows = [
        make_row(TARGET, Estimate(known, error, 100), Estimate(found, error, 100), 1.0)
        for known, found, error in values
    ]
    angles = np.full((1000, 1), -1.0)
    for visit in range(visits or 0):
        angles[10 + 20 * visit : 15 + 20 * visit] = 2.0
    coordinate = SimpleNamespace(name="turn", states=STATES)
    seen = [] if visits is None else [(coordinate, angles)]
    report = SimpleNamespace(rows=rows, fit=SimpleNamespace(angles=lambda observations: iter(seen)))
    training = SimpleNamespace(lengths=(1000,), length_ns=1.0)
    return judge(report, guard, training, overfitted)


def test_it_is_met_only_if_every_target_is():
    assert verdict(MET, MET).word == "met"
    assert verdict(MET, TOO_SHORT).word == "undecided"
    assert verdict(MET, TOO_SHORT, MISSED).word == "missed"
    assert verdict().word == "undecided"  # nothing was judged


def test_every_target_is_named_once():
    found = verdict(MET, TOO_SHORT, MISSED)
    assert found.met == found.missed == found.undecided == ("Populations: trans",)
    assert found.sentence().startswith("Targets missed: of 3, 1 met, 1 missed, 1 that the MD is too short")


def test_rejected_draws_are_a_target():
    assert verdict(MET, guard={"steps": 10_000, "bond": 5, "angle": 5}).word == "met"
    found = verdict(MET, guard={"steps": 10_000, "bond": 15, "angle": 15})
    assert found.word == "missed"
    assert found.rejected_share == pytest.approx(30 / 10_030)
    assert "0.30% of the draws were rejected" in found.advice[0]


@pytest.mark.parametrize(
    ("visits", "often", "times"), [(0, "never", 10), (1, "once ", 10), (4, "4 times", 3)]
)
def test_a_state_that_training_hardly_saw_is_named_with_what_would_help(visits, often, times):
    (sentence,) = verdict(MET, visits=visits).advice
    assert f"The rare state of turn was entered {often}" in sentence
    assert f"at least {times} times the budget" in sentence


def test_a_state_that_training_saw_often_is_not():
    assert verdict(MET, visits=12).advice == ()


def test_how_much_more_md_is_needed_follows_from_the_errors():
    """Errors of 0.10, 0.20 and 5 where 0.05 is asked for: 4, 16 and 10,000 times as much."""
    assert (
        "Half of the targets that could not be judged, 1, need up to 4 times" in verdict(TOO_SHORT).advice[0]
    )
    worse = verdict(TOO_SHORT, (0.70, 0.71, 0.20), (0.70, 0.71, 5.0))
    assert "could not be judged, 3, need up to 16 times" in worse.advice[0]


def test_overfitting_is_passed_on():
    assert verdict(MET, overfitted="Held-out loss rose.").advice == ("Held-out loss rose.",)
