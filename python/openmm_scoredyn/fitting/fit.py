"""One molecule, from its structure to a model, a page and a verdict."""

import dataclasses
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from openmm_scoredyn.comparison import ComparisonReport, compare, write_report
from openmm_scoredyn.data import Trajectory, beginning
from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
from openmm_scoredyn.data.lock import output_folder
from openmm_scoredyn.dynamics import store_guard
from openmm_scoredyn.fitting import amounts, md, rounds, stages
from openmm_scoredyn.fitting.cost import Cost
from openmm_scoredyn.fitting.evidence import Evidence, loss_of
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.fitting.rounds import Choice
from openmm_scoredyn.fitting.verdict import Verdict, judge
from openmm_scoredyn.fitting.work import Progress, Stage, Work
from openmm_scoredyn.molecule.structure import Structure, read_structure
from openmm_scoredyn.observables import Observations, observables_for
from openmm_scoredyn.program.model import ScoreModel

STORE = "replicas.frames"


def _silent(name: str) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done, total: None)


def fit(
    structure: str | Path | Structure, out: str | Path, request: FitRequest, stage: Stage = _silent
) -> Verdict:
    """Reference MD, training, export, replicas and a comparison with MD that the model never saw, in rounds
    within a budget of wall time; a call that was interrupted goes on where it was.

    Parameters
    ----------
    structure : as of `reference.simulate`: a file, or what `read_structure` gives
    out : folder, with `md/`, `rotamers/` and `paths/` (what is trained on), `validation/` (what the rounds
        are judged by), `held_out/` (what the verdict is judged by), `run_1/` and so on, `rounds/`, `NAME.pt`
        (the model, NAME that of the structure file), `replicas.frames`, `comparison/` (the page) and
        `verdict.json`
    request : FitRequest
    stage : called with the name of each stage; a context that gives a function of (done, in all), ps or
        updates

    Returns
    -------
    Verdict

    Raises
    ------
    MoleculeError, SamplingError
        As `reference.simulate`.
    OutputError
        If the folder cannot be written, another process writes it, or it holds another fit.

    Notes
    -----
    After a round the model is compared with the validation MD, and what missed there says what the next round
    does. The held-out MD is made and looked at once, after the last round: nothing is chosen by it.
    """
    if not isinstance(structure, Structure):
        structure = read_structure(structure)
    with output_folder(out, "fit") as folder:
        journal = Journal(folder, request, structure.sha256)
        work = Work(structure, folder, request, journal, stage)
        return _judged(work, _rounds(work))


def _rounds(work: Work) -> list[Choice]:
    """All rounds, up to the one after which nothing follows: what came after each."""
    found: list[Choice] = []
    while not found or found[-1].kind != rounds.STOP:
        number = len(found) + 1
        known = work.journal.known(f"after round {number}")
        if known is None:  # what is known needs no second look: its MD may have grown since
            known = work.journal.decide(f"after round {number}", _round(number, work).to_dict)
        found.append(Choice.from_dict(known))
    return found


def _round(number: int, work: Work) -> Choice:
    """One round, and what follows it."""
    training = amounts.training_md(number, work)
    free = training[md.TRAINING]
    with work.stage(f"training, round {number}") as progress:
        every = [one for part in training.values() for one in part]
        run = amounts.run_of(number, free, work)
        with md.made_beside(amounts.beside_training(run, free, work), work):
            folder = stages.trained(run, every, work, progress)
    validation = amounts.validation_md(number, work)
    place = make_directory(work.folder / "rounds" / str(number))
    with work.stage(f"replicas, round {number}") as progress:
        program = stages.exported(folder, place)
        drawn = stages.replicas(program, free, place / STORE, "replicas", work, progress)
    with work.stage(f"comparison, round {number}"):
        report = _compared("validation MD", validation, drawn, place, work)
        evidence = _evidence(number, report, work)
        choice = rounds.choose(judge(report, _guard(place), evidence), report, evidence)
    overhead_s = sum(work.journal.seconds(f"{name}, round {number}") for name in ("replicas", "comparison"))
    return rounds.affordable(choice, number, work.journal.spent_s, overhead_s, work.request)


def _judged(work: Work, found: list[Choice]) -> Verdict:
    """The verdict on the model of the best round, by MD that nothing was chosen by."""
    number = rounds.best([choice.score for choice in found])
    program = work.folder / "rounds" / str(number) / "program.pt"
    with work.stage(md.HELD_OUT) as progress:
        count = amounts.held_out(found[-1].met, work)
        held_out = md.molecular_dynamics(md.HELD_OUT, count, work, progress)
    with work.stage("final replicas") as progress:
        free = md.stored(md.TRAINING, work)
        drawn = stages.replicas(program, free, work.folder / STORE, "final replicas", work, progress)
    with work.stage("verdict"):
        cost = Cost.of(ScoreModel(program), free, work)
        report = _compared("held-out MD", held_out, drawn, work.folder, work, cost.sentences())
        verdict = judge(report, _guard(work.folder), _evidence(number, report, work))
        verdict = dataclasses.replace(verdict, rounds=_told(found, number), cost=cost.sentences())
        content = report.to_dict()
        kept = {key: content[key] for key in ("reference", "candidate", "rows", "notes")}
        kept["verdict"] = verdict.to_dict()
        stages.save_judged(program, work.folder / f"{work.name}.pt", kept)
        write_text_atomically(work.folder / "verdict.json", json.dumps(verdict.to_dict(), indent=1) + "\n")
    return verdict


def _guard(folder: Path) -> dict[str, int]:
    """Steps of the replicas in a folder, and draws that were rejected, by cause."""
    return store_guard(folder / STORE) or {"steps": 0}


def _compared(
    name: str,
    reference: list[Trajectory],
    drawn: list[Trajectory],
    folder: Path,
    work: Work,
    notes: tuple[str, ...] = (),
) -> ComparisonReport:
    """The comparison of replicas with MD, its page in `comparison/` of a folder, with further notes."""
    observables = observables_for(reference[0].molecule)
    known, found = (Observations.from_trajectories(part, observables) for part in (reference, drawn))
    report = compare(
        known, found, observables, reference_name=name, candidate_name=work.name, seed=work.request.seed
    )
    guard = {"draws rejected in the run": _guard(folder)}
    report = dataclasses.replace(report, guard=guard, notes=(*report.notes, *notes))
    write_report(report, folder / "comparison")
    return report


def _evidence(number: int, report: ComparisonReport, work: Work) -> Evidence:
    """What is known of the training of the model of a round, by the states of a comparison."""
    made, run = amounts.amounts_of(number, work), amounts.stored_run(number, work)
    loss = work.journal.decide(
        f"held-out loss, round {number}", lambda: loss_of(stages.run_folder(run.number, work))
    )
    # The MD may have grown since.
    free = [beginning(one, made[md.TRAINING]) for one in md.stored(md.TRAINING, work)]
    angles = [one for one in report.fit.observables if one.coordinates(report.fit.fitted[one.name])]
    seen = Observations.from_trajectories(free, angles)
    return Evidence.of(seen, report.fit, loss, md.ROTAMERS in made, md.PATHS in made)


def _told(found: list[Choice], best: int) -> tuple[str, ...]:
    """A sentence on each round, and on which of several models was taken."""
    sentences = [
        f"Round {number}: {choice.score[0]} targets missed on the validation MD; then"
        f" {'the end' if choice.kind == rounds.STOP else choice.kind}, as {choice.because}."
        for number, choice in enumerate(found, start=1)
    ]
    if len(found) > 1:
        sentences.append(f"The model is that of round {best}, which missed the fewest on the validation MD.")
    return tuple(sentences)
