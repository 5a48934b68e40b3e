"""The verdict of a fit: what is said of targets, of rare states, of rejected draws."""

from types import SimpleNamespace

import pytest

from openmm_scoredyn.comparison.rows import make_row
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.fitting.evidence import Evidence
from openmm_scoredyn.fitting.verdict import MOST_NAMES, Verdict, judge
from openmm_scoredyn.observables.protocol import Quantity

CLEAN = {"steps": 10_000, "bond": 0}
MET, MISSED, TOO_SHORT = (0.70, 0.71, 0.01), (0.70, 0.90, 0.01), (0.70, 0.71, 0.10)


def verdict(*values, guard=CLEAN, coordinates=(), **known) -> Verdict:
    """Of rows (reference, candidate, error), the first ones of the coordinates, all others of none."""
    quantities = [
        Quantity(
            "Populations",
            f"{'phi>0' if coordinate == 'phi' else 'trans'} {k}",
            "",
            absolute_target=0.05,
            coordinate=coordinate,
        )
        for k, coordinate in enumerate([*coordinates, *[""] * (len(values) - len(coordinates))])
    ]
    rows = [
        make_row(quantity, Estimate(known_, error, 100), Estimate(found, error, 100), 1.0)
        for quantity, (known_, found, error) in zip(quantities, values, strict=True)
    ]
    fields = {"length_ns": 1.2, "rare": {}, "states": {"phi": ("phi>0",)}, "fell": 0.0, "overfitted": ""}
    return judge(SimpleNamespace(rows=rows), guard, Evidence(**fields | known))


def test_it_is_met_only_if_every_target_is():
    assert verdict(MET, MET).word == "met"
    assert verdict(MET, TOO_SHORT).word == "undecided"
    assert verdict(MET, TOO_SHORT, MISSED).word == "missed"
    assert verdict().word == "undecided"  # nothing was judged


def test_every_target_is_named_once():
    found = verdict(MET, TOO_SHORT, MISSED)
    assert (found.met, found.undecided, found.missed) == (
        ("Populations: trans 0",),
        ("Populations: trans 1",),
        ("Populations: trans 2",),
    )
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
    (sentence,) = verdict(MET, rare={"phi": visits}).advice
    assert sentence.startswith(f"phi>0 of phi was entered {often}")
    assert f"in 1.2 ns of free training MD; give at least {times} times as much MD" in sentence
    assert "--shooting" not in sentence, "nothing can be shot along it"


def test_shooting_is_named_where_it_can_be_done_and_was_not():
    (sentence,) = verdict(MET, rare={"phi": 1}, shoots_along="phi").advice
    assert sentence.endswith(
        "10 times as much MD (a larger budget), or paths of `scoredyn simulate --shooting`."
    )
    (sentence,) = verdict(MET, rare={"phi": 1}, shoots_along="phi", steered=True, shot=True).advice
    assert "MD, beside segments from drawn rotamers and paths that were shot; give" in sentence
    assert "--shooting" not in sentence


def test_every_miss_stands_in_one_sentence_with_what_is_missing():
    rare, other = verdict(
        MISSED, MISSED, MISSED, MET, coordinates=("phi", "psi", "phi"), rare={"phi": 1}, fell=0.3
    ).advice
    assert rare.startswith("Missed Populations: phi>0 0, Populations: phi>0 2: phi>0 of phi was entered once")
    assert other.startswith("Missed Populations: trans 1: the held-out loss still fell, 30% of its")
    assert "more updates help" in other
    (overfitted,) = verdict(MISSED, overfitted="Held-out loss rose.").advice
    assert (
        overfitted == "Missed Populations: trans 0: Held-out loss rose; more MD helps, more updates do not."
    )
    (settled,) = verdict(MISSED).advice
    assert settled.startswith("Missed Populations: trans 0: the held-out loss had settled, on 1.2 ns of MD")
    assert "more updates help" in settled


def test_long_lists_of_misses_are_cut():
    (sentence,) = verdict(*[MISSED] * (MOST_NAMES + 2)).advice
    assert f"trans {MOST_NAMES - 1} and 2 more: " in sentence and f"trans {MOST_NAMES}" not in sentence


def test_how_much_more_md_is_needed_follows_from_the_errors():
    """Errors of 0.10, 0.20 and 5 where 0.05 is asked for: 4, 16 and 10,000 times as much."""
    assert (
        "Half of the targets that could not be judged, 1, need up to 4 times" in verdict(TOO_SHORT).advice[0]
    )
    worse = verdict(TOO_SHORT, (0.70, 0.71, 0.20), (0.70, 0.71, 5.0))
    assert "could not be judged, 3, need up to 16 times" in worse.advice[0]
    hopeless = verdict((0.70, 0.71, 5.0))
    assert "could not be judged, 1, need more than 100 times as much MD" in hopeless.advice[0]


def test_overfitting_is_passed_on():
    assert verdict(MET, overfitted="Held-out loss rose.").advice == ("Held-out loss rose.",)
