"""`scoredyn compare`: one trajectory against another, with error bars."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import (
    AsJson,
    Observables,
    Selection,
    Spacing,
    Topology,
    reading,
    refuse_without_effect,
)
from openmm_scoredyn.units import parse_duration

# On the page and in the JSON only, as are all groups of more rows than these.
LONG_GROUPS = ("Geometry", "Rotors", "Autocorrelation", "Transition paths")
MOST_ROWS = 30


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[REFERENCE] CANDIDATE",
            help=(
                "Folders of trajectories, trajectory files, what `scoredyn reference` wrote, or the name of a"
                " shipped model for its reference MD. With --langevin the candidate alone."
            ),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, the pictures and report.html.")],
    observable: Observables = None,
    langevin: Annotated[
        Path | None,
        typer.Option(metavar="STRUCTURE", help="Run the reference side now: Langevin MD of this structure."),
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
        str | None, typer.Option(help="Of the Langevin side, and of files that do not say it, as 300K.")
    ] = None,
    topology: Topology = None,
    selection: Selection = None,
    spacing: Spacing = None,
    equilibration: Annotated[
        str | None, typer.Option(help="Beginning of every candidate trajectory to leave out, as 3ns.")
    ] = None,
    chapman_kolmogorov: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="OTHER",
            help=(
                "Trajectories of a model with another lag; repeat for several. All are compared over"
                " --interval."
            ),
        ),
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Time over which --chapman-kolmogorov compares them; 10ps.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Quantities of others' tables to add: mdgen; repeat for several."),
    ] = None,
    speed: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PS_PER_S", help="A speed to show; repeat for several.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The candidate's model: measures its speed here, and counts what its guard would reject."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the Langevin side.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare two trajectories of any molecule, whatever made them: populations, rates, paths, geometry, all
    with errors.

    Example: scoredyn compare alanine-dipeptide-obc2 run.dcd --topology run.pdb --spacing 1ps --out out/
    """
    from openmm_scoredyn.cli.compare_langevin import LangevinOptions, langevin_side
    from openmm_scoredyn.cli.compare_model import (
        guard_table,
        model_speeds,
        parse_speeds,
        warn_of_training_data,
    )
    from openmm_scoredyn.cli.compare_sides import Side, distinct_names, read_side
    from openmm_scoredyn.comparison import write_report
    from openmm_scoredyn.comparison.analyses import chosen_analyses

    _require_sides(paths, langevin)
    chosen_analyses(suite or ())  # an unknown suite is refused before anything is read
    dynamics = LangevinOptions(system, integrator, length, wall_seconds, friction, timestep)
    if langevin:
        dynamics.require_one_limit()
    else:
        dynamics.refuse_any()
    others = chapman_kolmogorov or []
    if not others:
        refuse_without_effect(
            "compare",
            {"interval": interval},
            "an interval is that of models of several lags",
            "leave it out, or give their trajectories with --chapman-kolmogorov",
        )
    names = distinct_names([Path(dynamics.name) if langevin else paths[0], paths[-1], *others])
    options = reading(topology, selection, spacing, temperature)
    skipped_ps = parse_duration(equilibration) if equilibration else 0.0
    candidate, *further = (read_side(path, options, skipped_ps) for path in (paths[-1], *others))
    speeds = parse_speeds(speed or ())
    if model:
        speeds |= model_speeds(model, candidate.trajectories)
    if langevin:
        trajectory, speeds[dynamics.name] = langevin_side(
            langevin, dynamics, candidate, options["temperature_K"], seed
        )
        reference = Side.of_trajectories([trajectory])
    else:
        reference = read_side(paths[0], options)
    candidate, *further = (side.in_order_of(reference) for side in (candidate, *further))
    reference.require_comparable(candidate)
    if model and reference.trajectories:
        warn_of_training_data(model, reference.trajectories)
    sides = [reference, candidate, *further]
    report = _report(
        sides,
        names,
        observable or (),
        speeds=speeds,
        suites=suite or (),
        interval_ps=parse_duration(interval) if interval else None,
        seed=seed,
    )
    report = dataclasses.replace(report, guard=guard_table(paths[-1], model, candidate.trajectories))
    write_report(report, out)
    if as_json:
        typer.echo((out / "comparison.json").read_text(), nl=False)
    else:
        _show(report, out)


def _report(
    sides: list,
    names: list[str],
    wanted: Sequence[str],
    *,
    speeds: dict[str, float],
    suites: Sequence[str],
    interval_ps: float | None,
    seed: int,
):
    """The comparison of the second side with the first, and of lag times where there are more sides."""
    from openmm_scoredyn.comparison import chapman_kolmogorov, compare

    reference_name, candidate_name, *_ = names
    observables = sides[0].observables(wanted)
    reference, candidate, *further = (side.see(observables) for side in sides)
    report = compare(
        reference,
        candidate,
        observables,
        reference_name=reference_name,
        candidate_name=candidate_name,
        speeds_ps_per_s=speeds,
        suites=suites,
        seed=seed,
    )
    if not further:
        return report
    compared = dict(zip(names[1:], (candidate, *further), strict=True))
    over = {} if interval_ps is None else {"interval_ps": interval_ps}
    intervals = chapman_kolmogorov(
        reference, compared, observables, reference_name=reference_name, seed=seed, **over
    )
    return dataclasses.replace(report, intervals=tuple(intervals))


def _show(report, out: Path) -> None:
    """The table, what it comes to, and where the page is."""
    from rich.console import Console

    from openmm_scoredyn.cli.compare_table import comparison_table
    from openmm_scoredyn.comparison.report import summary, target_summary

    console = Console()
    console.print(comparison_table(report, _shown_groups(report)))
    console.print(f"{summary(report)} {target_summary(report)}", soft_wrap=True)
    console.print(f"Page with all plots: {out / 'report.html'}", soft_wrap=True)


def _require_sides(paths: list[Path], langevin: Path | None) -> None:
    from openmm_scoredyn.errors import TrajectoryError

    if len(paths) != (1 if langevin else 2):
        raise TrajectoryError(
            "compare: expected"
            f" {'the candidate alone beside --langevin' if langevin else 'a reference and a candidate'},"
            f" found {len(paths)} paths; see scoredyn compare --help."
        )


def _shown_groups(report) -> tuple[str, ...]:
    """Groups of rows that fit a terminal."""
    groups = [row.quantity.group for row in report.rows]
    return tuple(
        group
        for group in dict.fromkeys(groups)
        if group not in LONG_GROUPS and groups.count(group) <= MOST_ROWS
    )
