"""`scoredyn fit`: from a structure to a verdict in rounds, interrupted and gone on with, refused."""

import json
import multiprocessing
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from alanine import PDB

from openmm_scoredyn.data import load, opening_digest, shared_openings
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.errors import OutputError
from openmm_scoredyn.fitting import FitRequest, fit, md, rounds, stages
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.rounds import Choice
from openmm_scoredyn.fitting.work import Work
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.reference import preparation
from openmm_scoredyn.reference.lanes import copies_at_once
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.start import physics_of
from openmm_scoredyn.training.checkpoint import read_checkpoint
from openmm_scoredyn.version import __version__

REQUEST = FitRequest(budget_s=60.0)
PRMTOP = Path(PDB).with_name("alanine_dipeptide.prmtop")
INPCRD = PRMTOP.with_suffix(".inpcrd")
# A choice after each round: the way is what is tested here, not what was missed. The first model is the best.
CHOICES = [
    Choice(rounds.ROTAMERS, "rare states were rare", (3, 4), seconds=1.0),
    Choice(rounds.STOP, "this is a test", (3, 5)),
]
ASKED: list[tuple] = []  # arguments of each `affordable`
COMPARED: list[tuple] = []  # name and openings of the MD of each comparison


def afforded(*asked) -> Choice:
    ASKED.append(asked)
    return CHOICES[asked[1] - 1]


class Interrupted(Exception):
    pass


@contextmanager
def silent(name):
    yield lambda done, total: None


def recorder(seen, stop_at=None):
    def stage(name):
        if name == stop_at:
            raise Interrupted
        seen.append(name)
        return silent(name)

    return stage


def compared(original):
    def recorded(name, reference, *rest):
        COMPARED.append((name, {opening_digest(one) for one in reference}))
        return original(name, reference, *rest)

    return recorded


@pytest.fixture(scope="module")
def small():
    """Amounts for a test."""

    def amount(part, seconds, work, before=0, processes=None):
        return before + {md.ROTAMERS: 4, md.PATHS: 10}.get(part, 91)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(md, "EQUILIBRATION_PS", 10.0)
        patch.setattr(md, "SHORT_EQUILIBRATION_PS", 1.0)
        patch.setattr(md, "amount", amount)
        patch.setattr(stages, "update_speed", lambda free, work: ("Adam", 0.01))
        patch.setattr(stages, "updates_in", lambda seconds, free, work, before=0: before + 60)
        patch.setattr(stages, "MOST_STEPS", stages.LEAST_STEPS)
        patch.setattr(rounds, "affordable", afforded)
        steps = sys.modules[fit.__module__]  # `fitting.fit` is the function
        patch.setattr(steps, "_compared", compared(steps._compared))
        yield


@pytest.fixture(scope="module")
def fitted(small, tmp_path_factory):
    """A fit that was interrupted between two rounds, within the second and before the held-out MD, and went
    on: folder, verdict, decisions at each interruption, stages of each call.
    """
    folder = tmp_path_factory.mktemp("fit") / "ala2"
    decided, calls = [], []
    for place in ("MD from rotamers, round 2", "replicas, round 2", "held-out MD"):
        calls.append([])
        with pytest.raises(Interrupted):
            fit(PDB, folder, REQUEST, recorder(calls[-1], place))
        decided.append(json.loads((folder / "fit.json").read_text())["decided"])
        if place == "held-out MD":
            assert not (folder / "held_out").exists()
    calls.append([])
    verdict = fit(PDB, folder, REQUEST, recorder(calls[-1]))
    return folder, verdict, decided, calls


def test_it_works_in_rounds_and_goes_on_where_it_was(fitted):
    _, verdict, _, calls = fitted
    first = ["training MD, round 1", "training, round 1", "validation MD", "replicas, round 1"]
    assert calls[0] == [*first, "comparison, round 1"]
    assert calls[1] == ["MD from rotamers, round 2", "training, round 2"]
    assert calls[2] == [*calls[1], "replicas, round 2", "comparison, round 2"]
    assert calls[3] == ["held-out MD", "final replicas", "verdict"]
    assert verdict.rounds == (
        "Round 1: 3 targets missed on the validation MD; then rotamers, as rare states were rare.",
        "Round 2: 3 targets missed on the validation MD; then the end, as this is a test.",
        "The model is that of round 1, which missed the fewest on the validation MD.",
    )


def test_each_round_asks_once_what_the_budget_allows_of_what_it_missed(fitted):
    """Those of the rounds that were not interrupted; a round that is known is not looked at again."""
    (first, *one), (second, *two) = ASKED[:2]
    assert [one[0], two[0]] == [1, 2]
    for choice, (_, spent_s, overhead_s, request) in ((first, one), (second, two)):
        assert request == REQUEST and 0 < overhead_s < spent_s
        assert choice.score[0] <= choice.score[1] and choice.score[1] > 0, "90 ps of MD and 120 updates"
    assert one[1] < two[1], "both rounds"


def test_what_was_decided_stays(fitted):
    folder, _, decided, _ = fitted
    after = json.loads((folder / "fit.json").read_text())["decided"]
    for earlier, later in zip(decided, [*decided[1:], after], strict=True):
        assert later.items() > earlier.items()
    assert after["round 1, MD"] == {"training MD": 91}
    assert after["round 2, MD"] == {"training MD": 91, "MD from rotamers": 4}
    assert after["round 2, training"]["start_from"] == 1


@pytest.mark.skipif(not copies_at_once(), reason="needs a processor with AVX2 and FMA")
def test_the_md_is_of_copies_side_by_side(fitted):
    """As many as the processor has room for in each of two stores, with a seed of their own in each part."""
    folder, copies = fitted[0], copies_at_once()
    assert json.loads((folder / "fit.json").read_text())["decided"]["copies"] == copies
    for part in ("md", "validation", "rotamers", "held_out"):
        stores = [FrameStore(path) for path in sorted((folder / part).glob("*.frames"))]
        assert [store.header["copies"] for store in stores] == [copies] * 2, part
        assert all(store.header["engine"].endswith("side by side") for store in stores)
        assert len(load([folder / part])) == 2 * copies


def test_nothing_is_chosen_by_the_held_out_md(fitted):
    """It is made when all rounds are decided; from then on how long it and the replicas are is decided, and
    what the fit cost is measured.
    """
    folder, _, decided, calls = fitted
    after = json.loads((folder / "fit.json").read_text())["decided"]
    assert decided[-1]["after round 2"]["kind"] == rounds.STOP
    assert set(after) - set(decided[-1]) == {"held-out MD, amount", "final replicas, steps", "cost"}
    assert all("held-out MD" not in names for names in calls[:3])
    pages = [folder / "rounds" / "1", folder / "rounds" / "2", folder]
    names = [
        json.loads((page / "comparison" / "comparison.json").read_text())["reference"]["name"]
        for page in pages
    ]
    assert names == ["validation MD", "validation MD", "held-out MD"]
    for name, openings in COMPARED[:3]:
        stored = folder / name.removesuffix(" MD").replace("-", "_")
        assert openings == {opening_digest(one) for one in load([stored])}, "the MD of that name"


def test_the_model_never_saw_the_md_it_is_judged_by(fitted):
    folder = fitted[0]
    first, second = (folder / "rounds" / str(number) / "program.pt" for number in (1, 2))
    own = {"md"}
    for program, seen in (
        (first, own),
        (second, own | {"rotamers"}),
        (folder / f"{PDB.stem}.pt", own),  # the first is the best
    ):
        trained = ScoreModel(program).card.provenance.training_data["openings"]
        for part in ("md", "rotamers", "held_out", "validation"):
            assert bool(shared_openings(load([folder / part]), trained)) == (part in seen), (program, part)
    for one in ("validation", "held_out"):
        other = load([folder / "md"])
        assert not any(
            np.array_equal(ours.segments[0][5], theirs.segments[0][5])
            for ours in load([folder / one])
            for theirs in other
        )


def test_an_interrupted_fit_draws_what_an_unbroken_one_does(fitted, tmp_path):
    """MD, weights and replicas up to the second comparison; programs differ in bytes between two exports."""
    folder = fitted[0]
    with pytest.raises(Interrupted):
        fit(PDB, tmp_path / "ala2", REQUEST, recorder([], "comparison, round 2"))
    for part in ("md", "validation", "rotamers"):
        chunks = [file for file in (folder / part).rglob("*") if file.suffix in (".npz", ".npy")]
        assert chunks
        for file in chunks:
            assert file.read_bytes() == (tmp_path / "ala2" / file.relative_to(folder)).read_bytes(), file
    ours, theirs = (read_checkpoint(one / "run_2").weights for one in (folder, tmp_path / "ala2"))
    assert all((ours[name] == theirs[name]).all() for name in ours)
    ours, theirs = (load([one / "rounds" / "2" / "replicas.frames"]) for one in (folder, tmp_path / "ala2"))
    np.testing.assert_array_equal(ours[0].segments[-1][-1], theirs[0].segments[-1][-1])


def test_the_model_is_that_of_the_best_round(fitted):
    def drawn(path):
        model = ScoreModel(path)
        start = np.asarray(model.card.golden[0]["history"], np.float32).reshape(1, 22, 3)
        return model.sample(start, 1, seed=1, guard=False)

    ours = drawn(fitted[0] / f"{PDB.stem}.pt")
    first, second = (drawn(fitted[0] / "rounds" / str(number) / "program.pt") for number in (1, 2))
    np.testing.assert_array_equal(ours, first)
    assert not np.array_equal(ours, second)


def test_it_leaves_a_model_with_its_verdict_and_a_page(fitted):
    folder, verdict, _, _ = fitted
    name = PDB.stem
    model = ScoreModel(folder / f"{name}.pt")
    assert len(model.card.particles) == 22
    assert model.card.provenance.accuracy["verdict"] == json.loads((folder / "verdict.json").read_text())
    assert (folder / "comparison" / "report.html").exists()
    assert verdict.word in ("missed", "undecided")  # 90 ps of MD and 120 updates
    assert len(verdict.met) + len(verdict.missed) + len(verdict.undecided) > 0
    notes = json.loads((folder / "comparison" / "comparison.json").read_text())["notes"]
    assert len(verdict.cost) == 2 and notes[-2:] == list(verdict.cost), "on the page, too"


def test_a_finished_fit_says_the_same_again(fitted):
    folder, verdict, _, _ = fitted
    program = (folder / f"{PDB.stem}.pt").read_bytes()
    assert fit(PDB, folder, REQUEST) == verdict
    assert (folder / f"{PDB.stem}.pt").read_bytes() == program


def test_a_finished_run_is_lengthened(fitted, tmp_path):
    """The rhythm of its validations stays that of its beginning."""
    shutil.copytree(fitted[0] / "run_1", tmp_path / "run_1")
    journal = Journal(tmp_path, REQUEST, "00")
    work = Work(read_structure(PDB), tmp_path, REQUEST, journal, silent)
    free = load([fitted[0] / "md"])
    run = stages.trained(stages.Run(1, 70, 60), free, work, lambda *_: None)
    assert read_checkpoint(run).update == 70 and read_checkpoint(run).config.optimization.updates == 70


@pytest.fixture(scope="module")
def beside(small, tmp_path_factory):
    """A fit with two processes that was interrupted in the first training, and again before its replicas:
    folder, stages of each call.
    """
    folder, calls = tmp_path_factory.mktemp("beside") / "ala2", []
    request = FitRequest(budget_s=60.0, processes=2)

    def interrupted(*arguments):
        while not list(folder.glob("validation/*.frames")):
            time.sleep(0.1)
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(stages, "train", interrupted)
        calls.append([])
        fit(PDB, folder, request, recorder(calls[-1]))
    assert not multiprocessing.active_children(), "the MD beside the training ends with it"
    assert not (folder / "held_out").exists()
    with pytest.raises(Interrupted):
        calls.append([])
        fit(PDB, folder, request, recorder(calls[-1], "replicas, round 1"))
    return folder, calls


def test_md_that_judges_is_made_beside_the_training(beside):
    """No stage of its own makes it; a training that is interrupted interrupts it, and it goes on."""
    folder, calls = beside
    assert calls == [["training MD, round 1", "training, round 1"]] * 2
    counted = json.loads((folder / "fit.json").read_text())["decided"]
    for part, name in (("validation", md.VALIDATION), ("held_out", md.HELD_OUT)):
        assert counted[f"{name} beside the training, amount"] == 91
        assert {len(one.segments[0]) for one in load([folder / part])} == {91}


def test_half_of_the_processes_train():
    shared = {count: FitRequest(60.0, processes=count) for count in (1, 2, 3, 8)}
    assert {count: one.training_threads for count, one in shared.items()} == {1: 1, 2: 1, 3: 1, 8: 4}
    assert {count: one.beside_training for count, one in shared.items()} == {1: 0, 2: 1, 3: 2, 8: 4}


def test_other_settings_are_refused_in_the_same_folder(fitted):
    with pytest.raises(OutputError, match="holds a fit with other settings; expected seed 1, found 2"):
        fit(PDB, fitted[0], FitRequest(budget_s=60.0, seed=2))


def test_a_fit_of_another_version_is_refused(fitted, tmp_path):
    journal = json.loads((fitted[0] / "fit.json").read_text())
    (tmp_path / "fit.json").write_text(json.dumps(journal | {"package_version": "0.1.0"}))
    with pytest.raises(OutputError, match=f"expected openmm_scoredyn {__version__}, found 0.1.0; finish it"):
        fit(PDB, tmp_path, REQUEST)
    del journal["package_version"]
    (tmp_path / "fit.json").write_text(json.dumps(journal))
    with pytest.raises(OutputError, match="found 0.15.0 or an earlier one"):
        fit(PDB, tmp_path, REQUEST)


def test_a_structure_with_a_force_field_of_its_own_is_simulated_with_it(small, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "trained", lambda *arguments: None)
    structure, seen = read_structure(PRMTOP), []
    request = FitRequest(budget_s=60.0, physics=physics_of(structure, "vacuum"))
    with pytest.raises(Interrupted):
        fit(structure, tmp_path / "out", request, recorder(seen, "replicas, round 1"))
    assert seen == ["training MD, round 1", "training, round 1", "validation MD"]
    asked = json.loads((tmp_path / "out" / "fit.json").read_text())["request"]
    assert asked["structure_sha256"] == structure.sha256
    for folder in ("md", "validation"):
        plan = json.loads((tmp_path / "out" / folder / "plan.json").read_text())
        assert plan["physics"]["own_system"] and plan["physics"]["force_field"] == [PRMTOP.name, INPCRD.name]


def test_in_water_the_box_is_set_once(small, tmp_path, monkeypatch):
    boxes, make_box = [], preparation.make_box

    def counted(*arguments):
        boxes.append(make_box(*arguments))
        return boxes[-1]

    monkeypatch.setattr(preparation, "make_box", counted)
    monkeypatch.setattr(stages, "trained", lambda *arguments: None)
    monkeypatch.setattr(md, "amount", lambda part, seconds, work, before=0: 3)
    monkeypatch.setattr(md, "EQUILIBRATION_PS", 0.1)
    request = FitRequest(budget_s=60.0, physics=Physics.in_solvent("tip3p", npt_ps=0.4))
    with pytest.raises(Interrupted):
        fit(PDB, tmp_path, request, recorder([], "replicas, round 1"))
    assert len(boxes) == 1
    first, second = ((tmp_path / part / "box" / "box.npz").read_bytes() for part in ("md", "validation"))
    assert first == second
