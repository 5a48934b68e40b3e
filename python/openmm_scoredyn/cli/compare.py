"""`scoredyn compare`: one trajectory against another, with error bars."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.duration import parse_duration

# On the page and in the JSON only.
LONG_GROUPS = ("Geometry", "Rotors and end-to-end distance", "Autocorrelation", "Transition paths")


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[REFERENCE] CANDIDATE",
            help=(
                "Folders of trajectories, trajectory files, dihedral series, or the name of a shipped model"
                " for its "
                "reference MD. With --langevin the candidate alone."
            ),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, the pictures and report.html.")],
    langevin: Annotated[
        Path | None,
        typer.Option(metavar="PDB", help="Run the reference side now: Langevin MD of this structure."),
    ] = None,
    system: Annotated[
        Path | None,
        typer.Option(help="System of the Langevin side, OpenMM's XML; default: implicit solvent."),
    ] = None,
    integrator: Annotated[
        str | None, typer.Option(help="LangevinMiddleIntegrator, the default, or LangevinIntegrator.")
    ] = None,
    length: Annotated[str | None, typer.Option(help="Length of the Langevin side, as 1ns.")] = None,
    wall_seconds: Annotated[float | None, typer.Option(help="Or its wall time in seconds.")] = None,
    friction: Annotated[float | None, typer.Option(help="Of the Langevin side, 1/ps; 10.")] = None,
    timestep: Annotated[str | None, typer.Option(help="Of the Langevin side; 4fs.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="K: of the Langevin side, and of files that do not say it.")
    ] = None,
    topology: Annotated[
        Path | None, typer.Option(help="PDB for files that do not hold their topology.")
    ] = None,
    spacing_ps: Annotated[
        float | None, typer.Option(help="Frame spacing, for files that do not say it.")
    ] = None,
    equilibration: Annotated[
        str | None, typer.Option(help="Beginning of every candidate trajectory to leave out, as 3ns.")
    ] = None,
    chapman_kolmogorov: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="OTHER",
            help="Trajectories of a model with another lag; repeat for several. All are compared over 10 ps.",
        ),
    ] = None,
    speed: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PS_PER_S", help="A speed to show; repeat for several.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The candidate's model: measures its speed here, and counts what its guard would refuse."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the Langevin side.")] = 1,
) -> None:
    """Compare two trajectories, whatever made them: populations, time scales, passages, paths, geometry, with
    errors.

    Example: scoredyn compare alanine-dipeptide-obc2 run.dcd --topology run.pdb --out comparison/
    """
    from rich.console import Console

    from openmm_scoredyn.cli.compare_langevin import LangevinOptions, langevin_side
    from openmm_scoredyn.cli.compare_model import (
        guard_table,
        model_speeds,
        parse_speeds,
        warn_of_training_data,
    )
    from openmm_scoredyn.cli.compare_table import comparison_table
    from openmm_scoredyn.cli.names import distinct_names
    from openmm_scoredyn.comparison import chapman_kolmogorov as test_lags
    from openmm_scoredyn.comparison import compare as run
    from openmm_scoredyn.comparison.report import summary, target_summary
    from openmm_scoredyn.data import require_apart, require_one_temperature
    from openmm_scoredyn.errors import TrajectoryError

    expected = 1 if langevin else 2
    if len(paths) != expected:
        raise TrajectoryError(
            "compare: expected"
            f" {'the candidate alone beside --langevin' if langevin else 'a reference and a candidate'},"
            f" found {len(paths)} paths; see scoredyn compare --help."
        )
    dynamics = LangevinOptions(system, integrator, length, wall_seconds, friction, timestep)
    if langevin:
        dynamics.require_one_limit()
    else:
        dynamics.refuse_any()
    others = chapman_kolmogorov or []
    sides = [Path(dynamics.name), *paths] if langevin else paths
    reference_name, candidate_name, *other_names = distinct_names([*sides, *others])
    options = {"topology": topology, "frame_spacing_ps": spacing_ps, "temperature_K": temperature}
    skipped_ps = parse_duration(equilibration) if equilibration else 0.0
    theirs, their_trajectories = read_side(paths[-1], options, skipped_ps)
    speeds = parse_speeds(speed or ())
    series = [read_side(path, options, skipped_ps)[0] for path in others]
    if model:
        speeds |= model_speeds(model, their_trajectories)
    if langevin:
        ours, our_trajectories, speeds[dynamics.name] = langevin_side(
            langevin, dynamics, theirs, temperature, seed
        )
    else:
        ours, our_trajectories = read_side(paths[0], options)
    if our_trajectories and their_trajectories:
        require_apart(our_trajectories, their_trajectories)
    require_one_temperature(ours.temperature_K, theirs.temperature_K)
    if model and our_trajectories:
        warn_of_training_data(model, our_trajectories)
    report = run(
        ours,
        theirs,
        reference_name=reference_name,
        candidate_name=candidate_name,
        reference_trajectories=our_trajectories,
        candidate_trajectories=their_trajectories,
        speeds_ps_per_s=speeds,
        seed=seed,
    )
    report = dataclasses.replace(report, guard=guard_table(paths[-1], model, their_trajectories))
    if others:
        compared = {candidate_name: theirs, **dict(zip(other_names, series, strict=True))}
        intervals = test_lags(ours, compared, reference_name=reference_name, seed=seed)
        report = dataclasses.replace(report, intervals=tuple(intervals))
    report.write(out)
    console = Console()
    shown = dict.fromkeys(row.quantity.group for row in report.rows if row.quantity.group not in LONG_GROUPS)
    console.print(comparison_table(report, tuple(shown)))
    console.print(f"{summary(report)} {target_summary(report)}", soft_wrap=True)
    console.print(f"Page with all plots: {out / 'report.html'}", soft_wrap=True)


def read_side(path: Path, options: dict, skipped_ps: float = 0.0):
    """Dihedral series of one side from `skipped_ps` on, and its trajectories (None where only the series is
    stored).
    """
    from openmm_scoredyn.comparison import DihedralSeries, is_series, load_series
    from openmm_scoredyn.data import discard, load
    from openmm_scoredyn.errors import TrajectoryError
    from openmm_scoredyn.program.model import pretrained

    if not path.exists() and str(path) in pretrained():
        path = pretrained(str(path)).with_name(f"{path}-reference.npz")
    if path.is_file() and is_series(path):
        if skipped_ps:
            raise TrajectoryError(
                f"compare: --equilibration is for trajectories; found the dihedral series {path}; leave the"
                " option out."
            )
        return load_series(path), None
    trajectories = [discard(trajectory, skipped_ps) for trajectory in load(path, **options)]
    return DihedralSeries.from_trajectories(trajectories), trajectories
