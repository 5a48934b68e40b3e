"""What `scoredyn train` says beside the training: of the data before it, of the model after it."""

import dataclasses
import json
import time
from pathlib import Path

from openmm_scoredyn.errors import ScoreDynError

FOLDER, FILE = "held_out_check", "held_out.json"
REPLICAS, SEED = 64, 1
SECONDS = 60.0
MOST_MOLECULES, MOST_ROWS = 3, 30
_MOST_STEPS = 10_000
# 1,000 pairs of butane were overfitted within 1,000 updates; 54,000 of alanine dipeptide were not in 17,000.
FEW_PAIRS = 10_000
GROUPS = ("Distribution", "Populations", "Kinetics")


def advice(trajectories, lag_time_ps: float, longest_lag_time_ps: float | None = None) -> list[str]:
    """Sentences on what the trajectories hold too little of; none where they are enough."""
    from openmm_scoredyn.comparison.advice import too_little_data
    from openmm_scoredyn.data import first_difference
    from openmm_scoredyn.observables import Observations, observables_for

    pairs = sum(
        max(len(segment) - _frames_ahead(one, lag_time_ps, longest_lag_time_ps), 0)
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


def _frames_ahead(trajectory, lag_time_ps: float, longest_lag_time_ps: float | None) -> int:
    """Frames from the first to the second of a pair; of a range of lags, the fewest there can be."""
    from openmm_scoredyn.data import fewest_frames, frames_per_lag

    ahead = frames_per_lag if longest_lag_time_ps is None else fewest_frames
    return ahead(trajectory.frame_spacing_ps, lag_time_ps)


def held_out_check(run: Path, trajectories) -> dict:
    """Replicas of the best network of a run, compared with the MD that was held out; kept in the run, for the
    card that `scoredyn export` writes.

    A transferable network is bound to the molecules that were held out, the first three of them.

    Returns
    -------
    dict of ComparisonReport, by the name of the folder of its page

    Raises
    ------
    ScoreDynError
        If the network cannot be checked, or cannot draw.
    """
    from openmm_scoredyn.comparison import write_report
    from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
    from openmm_scoredyn.program.card import Card
    from openmm_scoredyn.training.checkpoint import best_checkpoint

    checkpoint, groups = best_checkpoint(run), _held_out(run, trajectories)
    single = isinstance(checkpoint.card, Card)
    reports = {}
    for number, group in enumerate(groups[: 1 if single else MOST_MOLECULES], start=1):
        name = FOLDER if single else f"{FOLDER}/{number}"
        folder = make_directory(run / name)
        seconds = SECONDS / (1 if single else min(len(groups), MOST_MOLECULES))
        reports[name] = _compared(folder, checkpoint, group, seconds)
        write_report(reports[name], folder)
    kept = [_kept(report) for report in reports.values()]
    accuracy = kept[0] if single else {"molecules": _named(kept, groups, checkpoint.config.split)}
    text = json.dumps({"update": checkpoint.update, "accuracy": accuracy}, allow_nan=False)
    write_text_atomically(run / FILE, text + "\n")
    return reports


def _kept(report) -> dict:
    """What a card holds of a comparison."""
    content = report.to_dict()
    return {key: content[key] for key in ("reference", "candidate", "rows", "notes")}


def _named(kept: list[dict], groups: list[list], split: str) -> list[dict]:
    """Comparisons of several molecules, each with its name and whether training saw other MD of it."""
    from openmm_scoredyn.training.describe import molecule_name

    return [
        {"name": molecule_name(group[0].molecule), "in_training": split != "molecule"} | one
        for one, group in zip(kept, groups)
    ]


def _held_out(run: Path, trajectories) -> list[list]:
    """The free trajectories that were held out, molecule by molecule."""
    from openmm_scoredyn.data import Split, first_difference
    from openmm_scoredyn.errors import TrainingError

    groups: list[list] = []
    for one in Split.load(run / "split.json").select(trajectories)[1]:
        if not one.steered:
            known = (g for g in groups if first_difference(g[0].molecule, one.molecule) is None)
            group = next(known, None)
            groups.append([one]) if group is None else group.append(one)
    if not groups:
        raise TrainingError(
            "train: the held-out check compares with free MD; expected trajectories that are neither steered"
            " nor shot among those held out, found none; compare with `scoredyn compare`."
        )
    return groups


def _starts(held_out: list, lag_time_ps: float, history_length: int):
    """Histories (B, H, N, 3) to begin with, spread over trajectories of one box, nm; particles do not jump
    through the box.
    """
    import numpy as np

    from openmm_scoredyn.data import frames_per_lag
    from openmm_scoredyn.errors import TrainingError
    from openmm_scoredyn.molecule.geometry import minimum_image

    stride = frames_per_lag(held_out[0].frame_spacing_ps, lag_time_ps)
    span = (history_length - 1) * stride
    places = [
        (segment, last) for one in held_out for segment in one.segments for last in range(span, len(segment))
    ]
    if not places:
        raise TrainingError(
            f"train: the held-out check begins at histories of {history_length} frames; expected held-out"
            f" segments of more than {span} frames, found shorter ones; compare with `scoredyn compare`."
        )
    chosen = [places[k] for k in np.linspace(0, len(places) - 1, REPLICAS).astype(int)]
    found = np.stack([segment[last - span : last + 1 : stride] for segment, last in chosen])
    if held_out[0].box is None:
        return found
    apart = (found - found[:, -1:]).reshape(len(found), -1, 3)
    boxes = np.broadcast_to(held_out[0].box, (len(found), 3, 3))
    return (found[:, -1:] + minimum_image(apart, boxes).reshape(found.shape)).astype(np.float32)


def _alike(held_out: list) -> list:
    """Those trajectories whose frames are closest together, in the box of the first of them, which a model
    keeps.
    """
    import numpy as np

    from openmm_scoredyn.errors import TrainingError

    finest_ps = min(one.frame_spacing_ps for one in held_out)
    held_out = [one for one in held_out if one.frame_spacing_ps == finest_ps]
    first = held_out[0].box
    if first is not None and first.ndim == 3:
        raise TrainingError(
            "train: the held-out check keeps one box, as steps of a model do; expected held-out MD at"
            " constant volume, found a box for every frame; compare with `scoredyn compare`."
        )
    return [
        one
        for one in held_out
        if (first is None) == (one.box is None) and (first is None or np.array_equal(first, one.box))
    ]


def _program(folder: Path, checkpoint, held_out: list):
    """The model of a checkpoint for the molecule of these trajectories."""
    from openmm_scoredyn.export import export_program
    from openmm_scoredyn.export.binding import bind_file, centres_of
    from openmm_scoredyn.program.card import Card
    from openmm_scoredyn.program.model import ScoreModel
    from openmm_scoredyn.program.transferable import TransferableModel

    path = folder / "program.pt"
    if isinstance(checkpoint.card, Card):
        export_program(checkpoint.network(), path, checkpoint.card, checkpoint.parametrization)
    else:
        particles = held_out[0].molecule
        model = TransferableModel(checkpoint.card, checkpoint.weights)
        centres = centres_of(particles, held_out[0].segments[0][0])
        box = None if held_out[0].box is None else held_out[0].boxes([0])[0]
        bind_file(model, particles, path, stereocentres=centres, box_nm=box)
    return ScoreModel(path)


def _compared(folder: Path, checkpoint, held_out: list, seconds: float):
    """The comparison of replicas that begin at held-out frames with trajectories of one molecule."""
    import shutil

    from openmm_scoredyn.comparison import compare
    from openmm_scoredyn.data import load
    from openmm_scoredyn.dynamics import run_replicas, store_guard
    from openmm_scoredyn.observables import Observations, observables_for
    from openmm_scoredyn.program.card import Card

    store = folder / "replicas.frames"
    if store.exists():
        shutil.rmtree(store)  # of the network of an earlier end of the run
    held_out = _alike(held_out)
    box = held_out[0].box
    model = _program(folder, checkpoint, held_out)
    starts = _starts(held_out, model.card.lag_time_ps, model.card.capabilities.history_length)
    steps = _steps(model, starts, held_out, seconds)
    run_replicas(model, starts, store, steps, seed=SEED, box=box)
    observables = observables_for(held_out[0].molecule, box is not None)
    known, drawn = (Observations.from_trajectories(part, observables) for part in (held_out, load([store])))
    name = checkpoint.config.name
    reference = "held-out MD"
    if not isinstance(checkpoint.card, Card):
        reference += f" of {held_out[0].molecule.residues_text}"
    report = compare(known, drawn, observables, reference_name=reference, candidate_name=name, seed=SEED)
    return dataclasses.replace(report, guard={"draws rejected in the run": store_guard(store) or {}})


def _steps(model, starts, held_out: list, seconds: float) -> int:
    """Steps of each replica: as long together as the held-out MD, within a time."""
    box = held_out[0].box
    model.sample(starts, 2, seed=1, box=box)
    begun = time.perf_counter()
    model.sample(starts, 5, seed=1, box=box)
    each = (time.perf_counter() - begun) / 5
    wanted = sum(one.length_ps for one in held_out) / (REPLICAS * model.card.lag_time_ps)
    return int(min(max(100, wanted), max(100, seconds / each), _MOST_STEPS))


def show_check(run: Path, trajectories) -> None:
    """Make the check and print what it comes to; a network that cannot be checked is no failed training."""
    import typer

    try:
        reports = held_out_check(run, trajectories)
    except ScoreDynError as error:
        typer.echo(f"No held-out check: {error}")
        return
    for name, report in reports.items():
        _show(report, run / name)
    typer.echo(f"`scoredyn export {run}` writes what this measured into the card.")


def _show(report, folder: Path) -> None:
    import typer
    from rich.console import Console

    from openmm_scoredyn.cli.compare_table import comparison_table
    from openmm_scoredyn.comparison.measurement import PASSAGE_PREFIX
    from openmm_scoredyn.comparison.report import summary
    from openmm_scoredyn.comparison.rows import DIFFERS

    # All passage times, and everything else, are on the page.
    shown = [row for row in report.rows if PASSAGE_PREFIX not in row.quantity.name]
    groups = [group for group in GROUPS if any(row.quantity.group == group for row in shown)]
    short = [row.quantity.group for row in shown]
    # What has no torsions is known by other quantities, as a liquid by its distances.
    groups = groups or [group for group in dict.fromkeys(short) if short.count(group) <= MOST_ROWS]
    Console().print(comparison_table(dataclasses.replace(report, rows=tuple(shown)), tuple(groups)))
    geometry = [row for row in report.rows if row.quantity.group == "Geometry"]
    off = sum(row.verdict == DIFFERS for row in geometry)
    guard = report.guard["draws rejected in the run"]
    rejected = sum(count for cause, count in guard.items() if cause != "steps")
    differ = f"Geometry: {off} of {len(geometry)} quantities differ; " if geometry else ""
    typer.echo(f"{differ}{rejected} of {guard.get('steps', 0):,} steps had a draw rejected.")
    typer.echo(summary(report))
    typer.echo(f"Held-out check with all plots: {folder / 'report.html'}")


def checked_accuracy(run: Path) -> dict:
    """What the check of a run measured of its best network; empty where that was not checked."""
    from openmm_scoredyn.training.checkpoint import best_checkpoint

    try:
        content = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content["accuracy"] if content.get("update") == best_checkpoint(run).update else {}
