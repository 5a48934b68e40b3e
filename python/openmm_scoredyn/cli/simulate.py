"""`scoredyn simulate`: reference molecular dynamics, the data a model learns from and is measured against."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from openmm_scoredyn.cli.config_file import ConfigFile
from openmm_scoredyn.cli.duration import format_duration
from openmm_scoredyn.cli.options import (
    Coordinates,
    ForceField,
    Parameters,
    Repair,
    Solvent,
    Strip,
    StructureFiles,
    SystemFile,
    TemperatureOfMD,
    Timestep,
    refuse_without_effect,
)
from openmm_scoredyn.cli.several import say_each, typed, workers
from openmm_scoredyn.cli.structures import choose_physics, read_molecule
from openmm_scoredyn.cli.throughput import Throughput
from openmm_scoredyn.units import parse_duration, parse_temperature

_FRAMES_PER_CHUNK_IN_WATER = 200
_LENGTH, _SEGMENTS = "20ns", 200


def simulate(
    context: typer.Context,
    structures: StructureFiles,
    out: Annotated[
        Path,
        typer.Option(
            help=(
                "Folder of the trajectories; a simulation goes on there, or is made longer. Of several"
                " structures, each has a folder of its name in it."
            )
        ),
    ],
    length: Annotated[
        str | None, typer.Option(help="Length of a trajectory, or of a segment when steered; 20ns.")
    ] = None,
    trajectories: Annotated[int, typer.Option(help="Number of independent trajectories.")] = 2,
    steered: Annotated[
        bool,
        typer.Option("--steered", help="Begin every segment at phi and psi drawn uniformly, then let go."),
    ] = False,
    rotamers: Annotated[
        bool,
        typer.Option(
            "--rotamers",
            help="Likewise with every rotatable torsion, side chains and molecules without phi included.",
        ),
    ] = False,
    shooting: Annotated[
        bool,
        typer.Option(
            "--shooting",
            help=(
                "Paths of one spacing, shot both ways from near the barriers of a torsion, so that rare hops"
                " are frequent."
            ),
        ),
    ] = False,
    along: Annotated[
        str, typer.Option(help="Torsion whose barriers paths are shot from: phi or psi.")
    ] = "phi",
    segments: Annotated[
        int | None, typer.Option(help="Steered segments, or paths that are shot, of each trajectory; 200.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin every trajectory at this phi,psi in degrees, as 60,-90.")
    ] = None,
    spacing: Annotated[str, typer.Option(help="Time between frames.")] = "1ps",
    equilibration: Annotated[
        str | None, typer.Option(help="Time before the first frame; 1ns, in water 200ps.")
    ] = None,
    coordinates: Coordinates = None,
    parameters: Parameters = None,
    system: SystemFile = None,
    strip: Strip = False,
    repair: Repair = False,
    force_field: ForceField = None,
    solvent: Solvent = None,
    temperature: TemperatureOfMD = "300K",
    friction: Annotated[float | None, typer.Option(help="1/ps; 10, in water 1.")] = None,
    timestep: Timestep = "4fs",
    seed: Annotated[
        int | None,
        typer.Option(
            help="Trajectory i depends on it and i only; default: the folder's, a new one for a new folder."
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Trajectories made at a time.")] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Workers that make the trajectories, or of several structures one each, as of scoredyn run:"
            " local, local:N, NAME.toml."
        ),
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help="Of OpenMM; Reference, in water CPU with one thread a process.")
    ] = None,
    copies: Annotated[
        int,
        typer.Option(
            min=1,
            help=(
                "Of the molecule, each a trajectory of its own: in one box of water, for a GPU; in vacuum or"
                " implicit solvent side by side, 16 of which take about as long as one."
            ),
        ),
    ] = 1,
    bias: Annotated[
        Path | None, typer.Option(help="Shoot with this bias.json of another folder instead of finding one.")
    ] = None,
    box: Annotated[
        Path | None, typer.Option(help="Begin in this box/box.npz of another folder instead of setting one.")
    ] = None,
    config_file: ConfigFile = None,
) -> None:
    """Run molecular dynamics of a molecule in implicit solvent or in water, restartable at any time.

    Example: scoredyn simulate ala2.pdb --out md/ --solvent tip3p --length 20ns --trajectories 2 --processes 2
    """
    from openmm_scoredyn.cli.progress import time_progress
    from openmm_scoredyn.reference.plan import SimulationPlan, new_seed
    from openmm_scoredyn.reference.preparation import stored_seed
    from openmm_scoredyn.reference.simulate import simulate as run

    if len(structures) > 1:
        refuse_without_effect(
            "simulate",
            {
                "coordinates": coordinates,
                "parameters": parameters or [],
                "system": system,
                "bias": bias,
                "box": box,
            },
            "these belong to one structure",
            "simulate such molecules one by one",
        )
        return _simulate_each(structures, out, typed(context, ("out", "cluster", "config_file")), cluster)
    (structure,) = structures
    if cluster is not None and processes > 1:
        refuse_without_effect(
            "simulate",
            {"processes": processes},
            "the cluster says how many trajectories are made at a time",
            "leave it out",
        )
    _refuse_without_effect(steered or rotamers, shooting, length, segments)
    spacing_ps = parse_duration(spacing)
    length_ps = parse_duration(_LENGTH if length is None else length)
    molecule = read_molecule(
        "simulate", structure, coordinates, parameters, system, strip, repair, force_field
    )
    physics = choose_physics(
        "simulate",
        molecule,
        solvent,
        force_field,
        temperature_K=parse_temperature(temperature),
        timestep_fs=parse_duration(timestep) * 1000,
        friction_per_ps=friction,
        platform=platform,
    )
    plan = SimulationPlan(
        n_trajectories=trajectories,
        n_segments=(_SEGMENTS if segments is None else segments) if steered or rotamers or shooting else 1,
        # Both ends of a segment are frames.
        frames_per_segment=2 if shooting else round(length_ps / spacing_ps) + 1,
        steering=parse_steering(steered, rotamers, shooting, start),
        shot_torsion=along,
        equilibration_ps=parse_duration(equilibration or ("200ps" if physics.in_water else "1ns")),
        frame_spacing_ps=spacing_ps,
        # Minutes of work: in water a frame takes a hundred times as long.
        frames_per_chunk=_FRAMES_PER_CHUNK_IN_WATER if physics.in_water else 1000,
        seed=stored_seed(out) or new_seed() if seed is None else seed,
        copies=copies,
        physics=physics,
    )
    if copies == 1 and not shooting and stored_seed(out) is None:
        _say_how_many(molecule, physics)
    speed = Throughput()
    with time_progress("Simulating") as progress:

        def report(done: float, whole: float) -> None:
            speed.update(done)
            progress(done, whole)

        with _executor(cluster) as executor:
            paths = run(
                molecule,
                plan,
                out,
                processes=processes,
                executor=executor,
                bias=bias,
                box=box,
                progress=report,
            )
    made = len(paths) * copies
    total = made * plan.simulated_ps(plan.frames_per_trajectory)
    Console().print(
        f"{made} trajectories, {format_duration(total)} in all, seed {plan.seed}, in {out}{speed.text()}.",
        soft_wrap=True,
    )


def _simulate_each(structures: list[Path], out: Path, options: list[str], cluster: str | None) -> None:
    """Simulate several, and print a line of each as it ends."""
    from openmm_scoredyn.each import run_each

    with workers(cluster) as executor:
        say_each(run_each("simulate", structures, out, options, executor), out)


def _say_how_many(molecule, physics) -> None:
    """One sentence where copies would take no longer; of a molecule that cannot be simulated, `simulate`
    says why.
    """
    from openmm_scoredyn.errors import MoleculeError
    from openmm_scoredyn.reference.lanes_engine import copies_side_by_side
    from openmm_scoredyn.reference.start import make_start

    try:
        number = copies_side_by_side(make_start(molecule, physics), physics)
    except MoleculeError:
        return
    if number > 1:
        Console().print(
            f"--copies {number} would make {number} of each trajectory in about the same time.",
            soft_wrap=True,
        )


def _executor(cluster: str | None):
    if cluster is None:
        return nullcontext()
    from openmm_scoredyn.dynamics import open_cluster

    return open_cluster(cluster)


def _refuse_without_effect(steered: bool, shooting: bool, length: str | None, segments: int | None) -> None:
    if shooting:
        refuse_without_effect(
            "simulate",
            {"length": length},
            "a path that is shot lasts from one frame to the next",
            "set --spacing instead",
        )
    elif not steered:
        refuse_without_effect(
            "simulate",
            {"segments": segments},
            "a free trajectory has no segments",
            "leave it out, or give --steered, --rotamers or --shooting",
        )


def parse_steering(
    steered: bool, rotamers: bool, shooting: bool, start: str | None
) -> str | tuple[float, float]:
    """`SimulationPlan.steering`; (phi, psi) in degrees from a text such as "60,-90"."""
    if steered + rotamers + shooting + (start is not None) > 1:
        raise typer.BadParameter(
            "--steered, --rotamers, --shooting and --start exclude each other; give one of them"
        )
    if start is None:
        chosen = {"uniform": steered, "rotamers": rotamers, "shooting": shooting}
        return next((name for name, given in chosen.items() if given), "none")
    try:
        phi, psi = (float(angle) for angle in start.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected phi,psi in degrees, as 60,-90; found {start!r}") from None
    return phi, psi
