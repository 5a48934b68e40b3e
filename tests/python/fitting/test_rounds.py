"""Where a fit goes after a round: what the misses point at, what the budget allows, which model is taken."""

from types import SimpleNamespace

import pytest
from alanine import PDB

from openmm_scoredyn.comparison.rows import make_row
from openmm_scoredyn.comparison.uncertainty import Estimate
from openmm_scoredyn.fitting import FitRequest, amounts, md, rounds, stages
from openmm_scoredyn.fitting.evidence import Evidence, fall
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.rounds import FREE, ROTAMERS, SHOOTING, STOP, UPDATES, Choice, affordable, best
from openmm_scoredyn.fitting.verdict import judge
from openmm_scoredyn.fitting.work import Work
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.observables.protocol import Quantity

REQUEST = FitRequest(budget_s=1000.0)
MET, MISSED, UNDECIDED = (0.70, 0.71, 0.01), (0.70, 0.90, 0.01), (0.70, 0.71, 0.10)
OVERFITTED = "Held-out loss rose from 1 to 2 after update 10: overfitted; exported is update 10."


def chosen(rows: dict, rejected: int = 0, **known) -> Choice:
    """What follows a round with one row (reference, candidate, error) for each coordinate."""
    report = SimpleNamespace(
        rows=[
            make_row(
                Quantity("Populations", f"{name} of x", "", absolute_target=0.05, coordinate=name),
                Estimate(values[0], values[2], 100),
                Estimate(values[1], values[2], 100),
                1.0,
            )
            for name, values in rows.items()
        ]
    )
    evidence = Evidence(
        **{"length_ns": 1.0, "rare": {}, "states": dict.fromkeys(rows, ("x",)), "fell": 0.0} | known
    )
    verdict = judge(report, {"steps": 1000, "bond": rejected}, evidence)
    return rounds.choose(verdict, report, evidence)


def evidence(**known) -> dict:
    return {"overfitted": ""} | known


@pytest.mark.parametrize(
    ("rows", "known", "kind"),
    [
        ({"phi": MET, "psi": MET}, {"rare": {"phi": 3}, "fell": 0.2}, STOP),
        ({"phi": MET, "psi": UNDECIDED}, {"fell": 0.2}, STOP),
        ({"phi": UNDECIDED, "psi": MET}, {"rare": {"phi": 1}, "turns": True}, ROTAMERS),
        ({"phi": MISSED, "psi": MET}, {"rare": {"phi": 1}, "turns": True, "fell": 0.2}, ROTAMERS),
        (
            {"phi": MISSED},
            {"rare": {"phi": 1}, "turns": True, "steered": True, "shoots_along": "phi"},
            SHOOTING,
        ),
        (
            {"phi": MISSED},
            {"rare": {"phi": 1}, "turns": True, "steered": True, "shot": True, "shoots_along": "phi"},
            FREE,
        ),
        ({"chi": MISSED}, {"rare": {"chi": 1}, "turns": True, "steered": True, "shoots_along": "phi"}, FREE),
        ({"ring": MISSED}, {"rare": {"ring": 0}}, FREE),
        # What is missed of a coordinate with a rare state need not be of that state.
        (
            {"phi": MISSED},
            {"rare": {"phi": 1}, "turns": True, "fell": 0.2, "states": {"phi": ("y",)}},
            UPDATES,
        ),
        ({"phi": MISSED, "psi": MISSED}, {"rare": {"phi": 1}, "turns": True, "fell": 0.2}, UPDATES),
        ({"psi": MISSED}, {"fell": 0.2}, UPDATES),
        ({"psi": MISSED}, {"fell": -0.2, "overfitted": OVERFITTED}, FREE),
        ({"psi": MISSED}, {"fell": 0.0}, UPDATES),
    ],
)
def test_the_next_round_goes_where_the_miss_points(rows, known, kind):
    assert chosen(rows, **evidence(**known)).kind == kind


def test_it_says_why():
    met = chosen({"psi": MET}, **evidence())
    assert met == Choice(STOP, "all targets were met on the validation MD", (0, 0), met=True)
    short = chosen({"psi": UNDECIDED}, **evidence())
    assert not short.met and "too short to judge all" in short.because and short.score == (0, 1)
    overfitted = chosen({"psi": MISSED}, **evidence(fell=-0.2, overfitted=OVERFITTED))
    assert overfitted.because == "the training overfitted"
    rare = chosen({"phi": MISSED}, **evidence(rare={"phi": 1}))
    assert rare.because == "rare states were entered fewer than ten times (phi)"
    assert "20% of its fall in the last quarter" in chosen({"psi": MISSED}, **evidence(fell=0.2)).because


def test_rejected_draws_are_a_miss_too():
    assert chosen({"psi": MET}, rejected=100, **evidence(fell=0.2)).kind == UPDATES
    assert chosen({"psi": MET}, rejected=100, **evidence()).kind == UPDATES
    assert chosen({"psi": MET}, rejected=100, **evidence(overfitted=OVERFITTED)).kind == FREE
    assert chosen({"psi": MET}, rejected=100, **evidence()).score == (1, 0)


def test_rounds_share_what_the_budget_leaves():
    """Of 1000 s, 230 are kept for the end."""
    choice = Choice(UPDATES, "it fell", (2, 2))
    first = affordable(choice, 1, 400.0, 20.0, REQUEST)
    assert first.kind == UPDATES and first.seconds == pytest.approx(370 / 3 - 20)
    assert affordable(choice, 3, 400.0, 20.0, REQUEST).seconds == pytest.approx(370 - 20)
    late = affordable(choice, 1, 680.0, 20.0, REQUEST)
    assert late.kind == STOP and late.score == (2, 2) and "allows no further round (it fell)" in late.because
    assert affordable(choice, rounds.ROUNDS, 400.0, 20.0, REQUEST).kind == STOP
    assert affordable(Choice(STOP, "met", met=True), 1, 0.0, 0.0, REQUEST) == Choice(STOP, "met", met=True)


def test_the_model_is_that_of_the_best_round_and_the_latest_of_equal_ones():
    assert best([(3, 5), (1, 4), (2, 2)]) == 2
    assert best([(1, 4), (1, 4), (1, 5)]) == 2


def test_whether_the_loss_still_fell_is_told_by_the_last_quarter():
    assert fall([(25, 4.0), (50, 2.0), (75, 1.0), (100, 0.9)]) == pytest.approx(0.1 / 3.1)
    assert fall([(25, 4.0), (50, 1.0), (75, 1.0), (100, 1.0)]) == 0.0
    assert fall([(75, 1.0), (100, 1.5)]) == 0.0
    # A run that is too short falls evenly: a third of the fall from the first validation on.
    assert fall([(25, 4.0), (50, 3.0), (75, 2.0), (100, 1.0)]) == pytest.approx(1 / 3)
    assert fall([(100, 1.0)]) == 0.0


@pytest.fixture
def work(tmp_path, monkeypatch) -> Work:
    """Work whose speeds are known: 100 ps of MD a second, 0.1 s an update; one copy."""
    found = Work(read_structure(PDB), tmp_path, REQUEST, Journal(tmp_path, REQUEST, "00"), lambda name: None)
    found.journal.decide("copies", lambda: 1)
    found.journal.decide("MD, ps a second", lambda: 100.0)
    found.journal.decide("seconds of an update", lambda: {"Adam": 0.03, "Muon": 0.1})
    return found


def test_amounts_follow_from_the_speeds(work):
    """One process makes two trajectories one after the other."""
    assert md.amount(md.TRAINING, 100.0, work) == 5000 - 100 + 1
    assert md.amount(md.TRAINING, 100.0, work, 1000) == 6000
    assert md.amount(md.TRAINING, 1.0, work) == md.LEAST_FRAMES + 1
    assert md.amount(md.ROTAMERS, 100.0, work) == round(5000 / 55)
    assert md.amount(md.ROTAMERS, 100.0, work, 10) == 10 + round(5000 / 55)
    assert md.amount(md.PATHS, 100.0, work) == round((10000 - 4000) / 2 / 1.5)
    assert md.amount(md.PATHS, 100.0, work, 10) == 10 + round(5000 / 1.5)
    assert stages.updates_in(100.0, [], work) == 1000
    assert stages.updates_in(100.0, [], work, 500) == 1500
    assert stages.updates_in(1.0, [], work) == stages.LEAST_UPDATES


def test_the_way_to_train_is_the_one_that_learns_more_in_a_second(work):
    """1,024 pairs in 0.1 s that are worth two each, 512 in 0.03 s."""
    assert stages.update_speed([], work) == ("Muon", 0.1)
    trained = stages.Run(1, 5000, 5000).config("x", REQUEST, "Muon").optimization
    assert trained.precision == "bfloat16" and trained.matrix_learning_rate == 4e-3
    assert trained.batch_size == 1024


def test_a_processor_that_multiplies_slowly_in_bfloat16_trains_with_adam(tmp_path, monkeypatch):
    found = Work(read_structure(PDB), tmp_path, REQUEST, Journal(tmp_path, REQUEST, "00"), lambda name: None)
    monkeypatch.setattr(
        stages, "update_seconds", lambda free, request, recipe: {"Adam": 0.03, "Muon": 0.3}[recipe]
    )
    assert stages.update_speed([], found) == ("Adam", 0.03)


def test_a_recipe_that_is_slow_here_is_not_measured_for_long(monkeypatch):
    """Nine seconds an update: known after two. Fast ones are measured without the first ten."""
    slow, fast = stages._Clock(limit_s=5.0), stages._Clock(limit_s=5.0)
    trainer = SimpleNamespace(should_stop=False)
    times = iter([0.0, 9.0, *[0.5 * k for k in range(10)], *[5.0 + 0.001 * k for k in range(5)]])
    monkeypatch.setattr(stages.time, "perf_counter", times.__next__)
    slow.on_train_batch_end(trainer)
    assert not trainer.should_stop
    slow.on_train_batch_end(trainer)
    assert trainer.should_stop and slow.seconds == 9.0
    trainer.should_stop = False
    for _ in range(15):
        fast.on_train_batch_end(trainer)
    assert fast.seconds == pytest.approx(0.001)


def test_md_beside_the_training_takes_what_the_other_processes_do_in_it(tmp_path):
    """Shares of the training's time by one process, two trajectories one after the other; beside the first
    training alone.
    """
    request = FitRequest(budget_s=1000.0, processes=2)
    found = Work(read_structure(PDB), tmp_path, request, Journal(tmp_path, request, "00"), lambda name: None)
    for name, value in (("copies", 1), ("MD, ps a second", 100.0), ("seconds of an update", {"Muon": 0.1})):
        found.journal.decide(name, lambda value=value: value)
    run = amounts.run_of(1, [], found)
    assert run.updates == 6300
    assert amounts.beside_training(run, [], found) == {
        md.VALIDATION: round(0.25 * 630 * 50 - 100) + 1,
        md.HELD_OUT: round(0.65 * 630 * 50 - 100) + 1,
    }
    assert amounts.beside_training(stages.Run(1, 7000, 6300), [], found) == {}
    assert amounts.beside_training(stages.Run(2, 600, 600), [], found) == {}


def test_copies_have_a_speed_and_a_limit_of_their_own(tmp_path, monkeypatch):
    """Sixteen; paths are shot one by one, at the speed of OpenMM."""
    monkeypatch.setattr(md, "copies_side_by_side", lambda start, physics: 16)
    monkeypatch.setattr(md, "md_speed", lambda structure, request, copies: 150.0 if copies == 16 else 100.0)
    found = Work(read_structure(PDB), tmp_path, REQUEST, Journal(tmp_path, REQUEST, "00"), lambda name: None)
    assert [md.copies_of(part, found) for part in md.PARTS] == [16, 16, 16, 16, 1]
    assert md.amount(md.TRAINING, 100.0, found) == 7500 - 100 + 1
    assert md.amount(md.TRAINING, 1e6, found) == md.MOST_PS_OF_COPIES + 1 < md.MOST_PS
    most = md.amount(md.TRAINING, 1e6, found)
    assert md.amount(md.TRAINING, 100.0, found, most) == most, "never less than there is"
    assert md.amount(md.ROTAMERS, 100.0, found) == round(7500 / 55)
    assert md.amount(md.PATHS, 100.0, found) == round((10000 - 4000) / 2 / 1.5)


def after(number: int, kind: str, seconds: float, work: Work) -> None:
    work.journal.decide(f"after round {number}", Choice(kind, "", seconds=seconds).to_dict)


def test_a_round_does_what_was_chosen(work):
    first = amounts.amounts_of(1, work)
    run = amounts.run_of(1, [], work)
    assert first == {md.TRAINING: 100 * 50 - 100 + 1} and run == stages.Run(1, 5000, 5000)
    after(1, UPDATES, 100.0, work)
    assert amounts.amounts_of(2, work) == first
    assert amounts.run_of(2, [], work) == stages.Run(1, 6000, 5000), "the same run, lengthened"
    after(2, ROTAMERS, 100.0, work)
    assert amounts.amounts_of(3, work) == first | {md.ROTAMERS: round(40 * 50 / 55)}
    assert amounts.run_of(3, [], work) == stages.Run(3, 600, 600, start_from=1)
    after(3, SHOOTING, 1000.0, work)
    assert amounts.amounts_of(4, work)[md.PATHS] == round((400 * 100 - 4000) / 2 / 1.5)
    shot = amounts.run_of(4, [], work)
    assert shot == stages.Run(4, 6000, 6000, start_from=0, gates=True), "another network, from scratch"
    assert shot.config("x", REQUEST, "Adam").network.config.gates
    assert shot.config("x", REQUEST, "Adam").optimization.ema_decay == pytest.approx(1 - 10 / 6000)
    assert stages.Run(1, 500, 400).config("x", REQUEST, "Adam").optimization.ema_decay == pytest.approx(0.975)
    assert stages.Run(1, 20_000, 20_000).config("x", REQUEST, "Adam").optimization.ema_decay == 0.999
    after(4, FREE, 100.0, work)
    assert amounts.amounts_of(5, work)[md.TRAINING] == first[md.TRAINING] + 2000
    assert amounts.run_of(5, [], work) == stages.Run(5, 600, 600, start_from=4, gates=True)


def test_paths_that_the_budget_does_not_allow_are_longer_free_md_instead(work):
    first = amounts.amounts_of(1, work)
    amounts.run_of(1, [], work)
    after(1, SHOOTING, 120.0, work)  # 48 s of MD: 4 ns of metadynamics and some hundred paths
    assert amounts.amounts_of(2, work) == {md.TRAINING: first[md.TRAINING] + 2400}
    assert not amounts.run_of(2, [], work).gates


def test_held_out_md_gets_what_the_rounds_left_unless_all_is_met(work):
    assert amounts.held_out(True, work) == 120 * 50 - 100 + 1


def test_held_out_md_gets_what_is_left(work):
    work.journal._seconds["training"] = 300.0
    assert amounts.held_out(False, work) == (1000 - 300 - 50 - 60) * 50 - 100 + 1
