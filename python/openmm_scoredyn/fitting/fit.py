"""One molecule, from its structure to a model, a page and a verdict."""

import dataclasses
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from openmm_scoredyn.comparison import compare, write_report
from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.data.lock import output_folder
from openmm_scoredyn.dynamics import store_guard
from openmm_scoredyn.fitting import stages
from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.fitting.verdict import Verdict, judge
from openmm_scoredyn.molecule.structure import Structure, read_structure
from openmm_scoredyn.observables import Observations, observables_for
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.training.checkpoint import overfitting

Stage = Callable[[str], AbstractContextManager[stages.Progress]]


def _silent(name: str) -> AbstractContextManager[stages.Progress]:
    return nullcontext(lambda done, total: None)


def fit(
    structure: str | Path | Structure, out: str | Path, request: FitRequest, stage: Stage = _silent
) -> Verdict:
    """Reference MD, training, export, replicas and a comparison with MD that the model never saw, within a
    budget of wall time; a call that was interrupted goes on where it was.

    Parameters
    ----------
    structure : as of `reference.simulate`: a file, or what `read_structure` gives
    out : folder, with `md/` and `held_out/` (trajectories), `run/`, `NAME.pt` (the model, NAME that of the
        structure file), `replicas.frames`, `comparison/` (the page) and `verdict.json`
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
    """
    if not isinstance(structure, Structure):
        structure = read_structure(structure)
    with output_folder(out, "fit") as folder:
        return _fit(structure, folder, request, Journal(folder, request, structure.sha256), stage)


def _fit(structure: Structure, folder: Path, request: FitRequest, journal: Journal, stage: Stage) -> Verdict:
    name = structure.files[0].stem
    md = {}
    for part, place in (("training MD", "md"), ("held-out MD", "held_out")):
        with stage(part) as progress:
            md[part] = stages.molecular_dynamics(part, structure, folder / place, request, journal, progress)
    training, held_out = md.values()
    with stage("training") as progress:
        run = stages.trained(name, training, folder / "run", request, journal, progress)
    program = stages.exported(run)
    model = ScoreModel(program)
    with stage("replicas") as progress:
        drawn = stages.replicas(model, training, folder / "replicas.frames", request, journal, progress)
    with stage("comparison"):
        observables = observables_for(held_out[0].molecule)
        seen = [Observations.from_trajectories(part, observables) for part in (training, held_out, drawn)]
        guard = store_guard(folder / "replicas.frames") or {}
        report = compare(
            seen[1],
            seen[2],
            observables,
            reference_name="held-out MD",
            candidate_name=name,
            seed=request.seed,
        )
        report = dataclasses.replace(report, guard={"draws rejected in the run": guard})
        write_report(report, folder / "comparison")
        verdict = judge(report, guard, seen[0], overfitting(run))
        content = report.to_dict()
        kept = {key: content[key] for key in ("reference", "candidate", "rows", "notes")}
        stages.save_judged(program, folder / f"{name}.pt", kept | {"verdict": verdict.to_dict()})
    write_text_atomically(folder / "verdict.json", json.dumps(verdict.to_dict(), indent=1) + "\n")
    return verdict
