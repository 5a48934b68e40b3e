"""`scoredyn simulate`: reference molecular dynamics, the data a model learns from and is measured against."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from openmm_scoredyn.cli.duration import format_duration, parse_duration, parse_temperature
from openmm_scoredyn.cli.options import (
    Coordinates,
    Parameters,
    StructureFile,
    SystemFile,
    refuse_without_effect,
)
from openmm_scoredyn.cli.throughput import Throughput

_FRAMES_PER_CHUNK_IN_WATER = 200
_LENGTH, _SEGMENTS = "20ns", 200


def simulate(
    structure: StructureFile,
    out: Annotated[
        Path,
        typer.Option(help="Folder of the trajectories; a simulation goes on there, or is made longer."),
    ],
    length: Annotated[
        str | None, typer.Option(help="Length of a trajectory, or of a segment when steered; 20ns.")
    ] = None,
    trajectories: Annotated[int, typer.Option(help="Number of independent trajectories.")] = 2,
    steered: Annotated[
        bool,
        typer.Option("--steered", help="Begin every segment at phi and psi drawn uniformly, then let go."),
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
    strip: Annotated[bool, typer.Option("--strip", help="Remove water, other solvent and ions.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Add missing atoms and hydrogens with PDBFixer.")
    ] = False,
    force_field: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "Force field file of OpenMM or a path, that of the solvent included; repeat for several."
                " Default: "
                "amber99sbildn.xml and the file of the solvent."
            )
        ),
    ] = None,
    solvent: Annotated[
        str | None,
        typer.Option(
            help=(
                "tip3p for a box of water; vacuum; implicit (OBC), (HCT), (OBC1), (OBC2), (GBn) or (GBn2)."
                " With --force-field "
                "also another text that begins with implicit or vacuum, for the record. Default: implicit"
                " (OBC), or that of the structure's own System."
            )
        ),
    ] = None,
    temperature: Annotated[str, typer.Option(help="Of the dynamics.")] = "300K",
    friction: Annotated[float | None, typer.Option(help="1/ps; 10, in water 1.")] = None,
    timestep: Annotated[str, typer.Option(help="Time step of the dynamics.")] = "4fs",
    seed: Annotated[
        int | None,
        typer.Option(
            help="Trajectory i depends on it and i only; default: the folder's, a new one for a new folder."
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Trajectories made at a time.")] = 1,
    platform: Annotated[
        str | None, typer.Option(help="Of OpenMM; Reference, in water CPU with one thread a process.")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Of the molecule in one box of water; for a GPU.")] = 1,
    bias: Annotated[
        Path | None, typer.Option(help="Shoot with this bias.json of another folder instead of finding one.")
    ] = None,
    box: Annotated[
        Path | None, typer.Option(help="Begin in this box/box.npz of another folder instead of setting one.")
    ] = None,
) -> None:
    """Run molecular dynamics of a molecule in implicit solvent or in water, restartable at any time.

    Example: scoredyn simulate ala2.pdb --out md/ --solvent tip3p --length 20ns --trajectories 2 --processes 2
    """
    from openmm_scoredyn.cli.progress import time_progress
    from openmm_scoredyn.reference.plan import SimulationPlan, new_seed
    from openmm_scoredyn.reference.preparation import stored_seed
    from openmm_scoredyn.reference.simulate import simulate as run

    _refuse_without_effect(steered, shooting, length, segments)
    spacing_ps = parse_duration(spacing)
    length_ps = parse_duration(_LENGTH if length is None else length)
    given = {"force_field": tuple(force_field or ()), "friction_per_ps": friction, "platform": platform}
    molecule = read_molecule(structure, coordinates, parameters, system, strip, repair)
    physics = choose_physics(
        molecule,
        solvent,
        temperature_K=parse_temperature(temperature),
        timestep_fs=parse_duration(timestep) * 1000,
        **{name: value for name, value in given.items() if value},
    )
    plan = SimulationPlan(
        n_trajectories=trajectories,
        n_segments=(_SEGMENTS if segments is None else segments) if steered or shooting else 1,
        # Both ends of a segment are frames.
        frames_per_segment=2 if shooting else round(length_ps / spacing_ps) + 1,
        steering=parse_steering(steered, shooting, start),
        shot_torsion=along,
        equilibration_ps=parse_duration(equilibration or ("200ps" if physics.in_water else "1ns")),
        frame_spacing_ps=spacing_ps,
        # Minutes of work: in water a frame takes a hundred times as long.
        frames_per_chunk=_FRAMES_PER_CHUNK_IN_WATER if physics.in_water else 1000,
        seed=stored_seed(out) or new_seed() if seed is None else seed,
        copies=copies,
        physics=physics,
    )
    speed = Throughput()
    with time_progress("Simulating") as progress:

        def report(done: float, whole: float) -> None:
            speed.update(done)
            progress(done, whole)

        paths = run(molecule, plan, out, processes=processes, bias=bias, box=box, progress=report)
    made = len(paths) * copies
    total = made * plan.simulated_ps(plan.frames_per_trajectory)
    Console().print(
        f"{made} trajectories, {format_duration(total)} in all, seed {plan.seed}, in {out}{speed.text()}.",
        soft_wrap=True,
    )


def read_molecule(path: Path, coordinates, parameters, system, strip: bool, repair: bool):
    """The Structure to simulate."""
    from dataclasses import replace

    from openmm_scoredyn.molecule.repair import repair_structure
    from openmm_scoredyn.molecule.structure import read_structure, strip_solvent

    found = read_structure(path, coordinates=coordinates, parameters=parameters or (), system=system)
    if found.holds_parameters:
        refuse_without_effect(
            "simulate",
            {"strip": strip or None, "repair": repair or None},
            "the files of the structure hold the parameters of all its atoms",
            "leave them out, or give the structure as PDB",
        )
    for change, wanted in ((strip_solvent, strip), (repair_structure, repair)):
        if wanted:
            topology, positions = change(found.topology, found.positions)
            found = replace(found, topology=topology, positions=positions)
    return found


def choose_physics(structure, solvent: str | None, **given):
    """The Physics of a structure: that of its own parameters where its files hold them."""
    from openmm_scoredyn.reference.physics import Physics
    from openmm_scoredyn.reference.start import physics_of

    if not structure.holds_parameters:
        return Physics.in_solvent("implicit (OBC)" if solvent is None else solvent, **given)
    refuse_without_effect(
        "simulate",
        {"force-field": list(given.pop("force_field", ()))},
        "the files of the structure hold a force field",
        "leave it out, or give the structure as PDB",
    )
    return physics_of(structure, solvent, **given)


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
            "leave it out, or give --steered or --shooting",
        )


def parse_steering(steered: bool, shooting: bool, start: str | None) -> str | tuple[float, float]:
    """`SimulationPlan.steering`; (phi, psi) in degrees from a text such as "60,-90"."""
    if steered + shooting + (start is not None) > 1:
        raise typer.BadParameter("--steered, --shooting and --start exclude each other; give one of them")
    if start is None:
        return "uniform" if steered else "shooting" if shooting else "none"
    try:
        phi, psi = (float(angle) for angle in start.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected phi,psi in degrees, as 60,-90; found {start!r}") from None
    return phi, psi
