"""What `scoredyn train` says beside the training: of the data before it, of the model after it."""

import dataclasses
import json
import time
from pathlib import Path

from openmm_scoredyn.errors import ScoreDynError

FOLDER, FILE = "held_out_check", "held_out.json"
REPLICAS, SEED = 64, 1
SECONDS = 60.0
_MOST_STEPS = 10_000
# 1,000 pairs of butane were overfitted within 1,000 updates; 54,000 of alanine dipeptide were not in 17,000.
FEW_PAIRS = 10_000
GROUPS = ("Distribution", "Populations", "Kinetics")


def advice(trajectories, lag_time_ps: float) -> list[str]:
    """Sentences on what the trajectories hold too little of; none where they are enough."""
    from openmm_scoredyn.comparison.advice import too_little_data
    from openmm_scoredyn.data import first_difference, frames_per_lag
    from openmm_scoredyn.observables import Observations, observables_for

    pairs = sum(
        max(len(segment) - frames_per_lag(one.frame_spacing_ps, lag_time_ps), 0)
        for one in trajectories
        for segment in one.segments
    )
    found = []
    if pairs < FEW_PAIRS:
        found.append(
            f"These are {pairs:,} pairs of frames {lag_time_ps:g} ps apart, fewer than {FEW_PAIRS:,}: expect"
            " overfitting; more MD, or frames closer together, helps more than more updates."
        )
    # Of several molecules, spacings or temperatures there is no one count of visits; steered MD and paths are
    # there to show what is rare.
    molecule = trajectories[0].molecule
    alike = all(first_difference(molecule, one.molecule) is None for one in trajectories)
    alike &= len({(one.frame_spacing_ps, one.temperature_K) for one in trajectories}) == 1
    whole = all(len(segment) > 1 for one in trajectories for segment in one.segments)
    if alike and whole and not any(one.steered for one in trajectories):
        angles = [
            one for one in observables_for(molecule, trajectories[0].box is not None) if one.keeps_frames
        ]
        if angles:
            found += too_little_data(Observations.from_trajectories(trajectories, angles), angles)
    return found


def held_out_check(run: Path, trajectories):
    """Replicas of the best network of a run, compared with the MD that was held out; kept in the run.

    Returns
    -------
    ComparisonReport

    Raises
    ------
    ScoreDynError
        If the network cannot be checked, or cannot draw.
    """
    from openmm_scoredyn.comparison import write_report
    from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
    from openmm_scoredyn.training.checkpoint import best_checkpoint

    folder = make_directory(run / FOLDER)
    checkpoint = best_checkpoint(run)
    report = _compared(folder, checkpoint, _held_out(run, trajectories, checkpoint))
    write_report(report, folder)
    content = report.to_dict()
    kept = {key: content[key] for key in ("reference", "candidate", "rows", "notes")}
    write_text_atomically(
        run / FILE, json.dumps({"update": checkpoint.update, "accuracy": kept}, allow_nan=False) + "\n"
    )
    return report


def _held_out(run: Path, trajectories, checkpoint) -> list:
    """The trajectories that were held out, where a model of this kind can be run from them."""
    from openmm_scoredyn.data import Split
    from openmm_scoredyn.errors import TrainingError
    from openmm_scoredyn.program.card import Card

    held_out = [one for one in Split.load(run / "split.json").select(trajectories)[1] if not one.steered]
    capabilities = getattr(checkpoint.card, "capabilities", None)
    if (
        not isinstance(checkpoint.card, Card)
        or not held_out
        or capabilities is None
        or capabilities.periodic
        or capabilities.history_length > 1
    ):
        raise TrainingError(
            "train: the held-out check is for models of one molecule without a box and a history; expected"
            " one, and unsteered held-out trajectories, found another kind; compare with `scoredyn compare`."
        )
    return held_out


def _compared(folder: Path, checkpoint, held_out: list):
    """The comparison of replicas that begin at held-out frames with those trajectories."""
    import shutil

    import numpy as np

    from openmm_scoredyn.comparison import compare
    from openmm_scoredyn.data import load
    from openmm_scoredyn.dynamics import run_replicas, store_guard
    from openmm_scoredyn.export import export_program
    from openmm_scoredyn.observables import Observations, observables_for
    from openmm_scoredyn.program.model import ScoreModel

    program, store = folder / "program.pt", folder / "replicas.frames"
    if store.exists():
        shutil.rmtree(store)  # of the network of an earlier end of the run
    export_program(checkpoint.network(), program, checkpoint.card, checkpoint.parametrization)
    model = ScoreModel(program)
    frames = np.concatenate([segment for one in held_out for segment in one.segments])
    starts = frames[np.linspace(0, len(frames) - 1, REPLICAS).astype(int)]
    run_replicas(model, starts, store, _steps(model, starts, held_out), seed=SEED)
    observables = observables_for(held_out[0].molecule)
    known, drawn = (Observations.from_trajectories(part, observables) for part in (held_out, load([store])))
    name = checkpoint.config.name
    report = compare(known, drawn, observables, reference_name="held-out MD", candidate_name=name, seed=SEED)
    return dataclasses.replace(report, guard={"draws rejected in the run": store_guard(store) or {}})


def _steps(model, starts, held_out: list) -> int:
    """Steps of each replica: as long together as the held-out MD, within the time of the check."""
    model.sample(starts[:, None], 2, seed=1)
    begun = time.perf_counter()
    model.sample(starts[:, None], 5, seed=1)
    seconds = (time.perf_counter() - begun) / 5
    wanted = sum(one.length_ps for one in held_out) / (REPLICAS * model.card.lag_time_ps)
    return int(min(max(100, wanted), max(100, SECONDS / seconds), _MOST_STEPS))


def show_check(run: Path, trajectories) -> None:
    """Make the check and print what it comes to; a network that cannot be checked is no failed training."""
    import typer
    from rich.console import Console

    from openmm_scoredyn.cli.compare_table import comparison_table
    from openmm_scoredyn.comparison.measurement import PASSAGE_PREFIX
    from openmm_scoredyn.comparison.report import summary
    from openmm_scoredyn.comparison.rows import DIFFERS

    try:
        report = held_out_check(run, trajectories)
    except ScoreDynError as error:
        typer.echo(f"No held-out check: {error}")
        return
    # All passage times, and everything else, are on the page.
    shown = [row for row in report.rows if PASSAGE_PREFIX not in row.quantity.name]
    console = Console()
    console.print(comparison_table(dataclasses.replace(report, rows=tuple(shown)), GROUPS))
    geometry = [row for row in report.rows if row.quantity.group == "Geometry"]
    off = sum(row.verdict == DIFFERS for row in geometry)
    guard = report.guard["draws rejected in the run"]
    rejected = sum(count for cause, count in guard.items() if cause != "steps")
    typer.echo(
        f"Geometry: {off} of {len(geometry)} quantities differ; {rejected} of {guard.get('steps', 0):,} steps"
        " had a draw rejected."
    )
    typer.echo(summary(report))
    typer.echo(f"Held-out check with all plots: {run / FOLDER / 'report.html'}")


def checked_accuracy(run: Path) -> dict:
    """What the check of a run measured of its best network; empty where that was not checked."""
    from openmm_scoredyn.training.checkpoint import best_checkpoint

    try:
        content = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content["accuracy"] if content.get("update") == best_checkpoint(run).update else {}
