"""`scoredyn demo`: ten nanoseconds of alanine dipeptide, and what molecular dynamics does meanwhile."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.duration import format_duration, steps_of

MODEL = "alanine-dipeptide-obc2"
STRUCTURE = "alanine-dipeptide.pdb"
REFERENCE = f"{MODEL}-reference.npz"
OURS, WATER, IMPLICIT = "score dynamics", "MD in TIP3P water", "MD in implicit solvent"
WIDTH = len(IMPLICIT)
SHOWN = ("Distribution", "Populations", "Kinetics")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the page, the pictures and the trajectory.")] = Path(
        "demo-output"
    ),
    length: Annotated[str, typer.Option(help="How far score dynamics goes.")] = "10ns",
    seconds: Annotated[float, typer.Option(min=1.0, help="Wall time given to MD in water.")] = 30.0,
    seed: Annotated[int, typer.Option(min=1, help="Seed of all simulations.")] = 1,
) -> None:
    """Simulate alanine dipeptide with the shipped model, race it against MD, and write a page with plots.

    Example: scoredyn demo --out demo-output
    """
    from openmm_scoredyn.data.atomic import make_directory, sentences_of_the_disk
    from openmm_scoredyn.data.lock import exclusive
    from openmm_scoredyn.observables import load_observations
    from openmm_scoredyn.program.model import ScoreModel, pretrained

    path = pretrained(MODEL)
    card = ScoreModel(path).card
    structure = path.with_name(STRUCTURE)
    reference = load_observations(path.with_name(REFERENCE))
    n_steps = steps_of(length, card.lag_time_ps)
    folder = make_directory(out)
    with exclusive(folder, "demo"), sentences_of_the_disk("demo", folder):
        _demo(path, structure, reference, card, n_steps, seconds, seed, folder)


def _demo(path, structure, reference, card, n_steps: int, seconds: float, seed: int, folder: Path) -> None:
    from openmm_scoredyn.cli.demo_runs import molecular_dynamics, score_dynamics
    from openmm_scoredyn.cli.progress import time_progress
    from openmm_scoredyn.comparison import write_report

    runs = {}
    with time_progress(OURS.ljust(WIDTH)) as progress:
        runs[OURS] = score_dynamics(structure, path, n_steps, seed, folder, progress)
    with time_progress(WATER.ljust(WIDTH)) as progress:
        runs[WATER] = molecular_dynamics(structure, True, seconds, seed, progress)
    with time_progress(IMPLICIT.ljust(WIDTH)) as progress:
        runs[IMPLICIT] = molecular_dynamics(structure, False, seconds / 6, seed, progress)
    report = _compare(reference, runs, card)
    write_report(report, folder, first_pictures=[_race(runs, reference, card)])
    _print(report, runs, folder)


def _compare(reference, runs: dict, card):
    """Score dynamics against the reference; all speeds."""
    from openmm_scoredyn.comparison import compare
    from openmm_scoredyn.data import Trajectory
    from openmm_scoredyn.observables import Observations, observables_for

    run = runs[OURS]
    trajectory = Trajectory(
        segments=(run.positions_nm,),
        frame_spacing_ps=card.lag_time_ps,
        temperature_K=card.temperature_K,
        molecule=card.particles,
        steered=False,
        consecutive=True,
        source_sha256=hashlib.sha256(run.positions_nm.tobytes()).hexdigest(),
    )
    observables = observables_for(reference.particles)
    return compare(
        reference,
        Observations.from_trajectories([trajectory], observables),
        observables,
        reference_name="reference MD",
        candidate_name=OURS,
        speeds_ps_per_s={name: run.ps_per_s for name, run in runs.items()},
    )


def _race(runs: dict, reference, card) -> tuple[str, str, bytes, str]:
    import numpy as np

    from openmm_scoredyn.cli.demo_picture import BINS, same_wall_time
    from openmm_scoredyn.comparison.distribution import cells
    from openmm_scoredyn.molecule.geometry import phi_psi

    counts = np.bincount(cells(reference.values["peptide"], BINS), minlength=BINS**2)
    fast, slow = (
        (name, phi_psi(runs[name].positions_nm, card.particles), runs[name].ps_per_s)
        for name in (OURS, WATER)
    )
    picture = same_wall_time(fast, slow, counts.reshape(BINS, BINS), card.temperature_K)
    caption = (
        "Every dot is a frame, one per picosecond; grey: free energy of the reference. Below: psi against"
        " wall time, score dynamics above MD."
    )
    return "race", "The same wall time, one core each", picture, caption


def _print(report, runs: dict, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from openmm_scoredyn.cli.compare_table import comparison_table

    console = Console()
    accuracy = comparison_table(report, SHOWN)
    accuracy.title = f"{format_duration(runs[OURS].length_ps)} against the reference, with standard errors"
    console.print(accuracy)
    speed = Table(title="Speed on one core, reporters included")
    for heading in ("", "particles", "simulated", "wall time", "ps/s", f"{OURS} is faster by"):
        speed.add_column(heading, justify="right" if heading else "left")
    for name, run in runs.items():
        ratio = "" if name == OURS else f"{runs[OURS].ps_per_s / run.ps_per_s:,.1f}"
        speed.add_row(
            name,
            str(run.num_particles),
            format_duration(run.length_ps),
            f"{run.wall_s:.1f} s",
            f"{run.ps_per_s:,.1f}",
            ratio,
        )
    console.print(speed)
    console.print(f"Page with all plots: {folder / 'report.html'}", soft_wrap=True)
