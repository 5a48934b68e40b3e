"""`scoredyn run`: a trajectory of a model, as an ordinary OpenMM simulation, as many replicas in one batch,
or as an ensemble of batches on a cluster.
"""

from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from openmm_scoredyn.cli.duration import format_duration, optional, steps_of
from openmm_scoredyn.cli.options import (
    AllowNativeCode,
    Coordinates,
    Parameters,
    Strip,
    StructureFile,
    SystemFile,
    Threads,
    refuse_without_effect,
)
from openmm_scoredyn.errors import OutputError
from openmm_scoredyn.units import parse_duration


def run(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Path of a score program, or name of a shipped one.")
    ],
    structure: StructureFile,
    length: Annotated[
        str, typer.Option(help="Time to simulate, earlier interrupted runs included, as 10ns.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="NAME.dcd or NAME.xtc; NAME.frames for replicas; with --cluster a folder."),
    ],
    lag_time: Annotated[
        str | None,
        typer.Option(
            "--lag-time",
            "--lag",
            help="Time of one step, where the model knows several; default: what it recommends.",
        ),
    ] = None,
    save_every: Annotated[str | None, typer.Option(help="Time between frames; default: every step.")] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Independent replicas, drawn together.")] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            help=(
                "Share the replicas out among workers: local, or local:N processes; NAME.toml for the jobs"
                " of a queueing system, or a Dask scheduler as tcp://HOST:8786."
            )
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Replicas that one task of a cluster draws together; default: 256."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=1, max=2**31 - 1, help="Another seed gives another trajectory.")
    ] = 1,
    solver: Annotated[str | None, typer.Option(help="Diffusion solver; default: the model's.")] = None,
    denoising_steps: Annotated[
        int | None, typer.Option(help="Network evaluations per step; default: the model's.")
    ] = None,
    max_resamples: Annotated[
        int | None,
        typer.Option(min=0, help="Draws of a step after the first, before the run gives up; default: 100."),
    ] = None,
    refinements: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="Refinements of a rejected draw, before another is made in its place; default: none.",
        ),
    ] = None,
    strip: Strip = False,
    repair: Annotated[bool, typer.Option(help="Add missing atoms with PDBFixer.")] = True,
    force_field: Annotated[
        list[str] | None, typer.Option(help="Force field file, to log energies; repeat for several.")
    ] = None,
    coordinates: Coordinates = None,
    parameters: Parameters = None,
    system: SystemFile = None,
    platform: Annotated[str | None, typer.Option(help="OpenMM platform; default: the fastest.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Where replicas are drawn: cpu, cuda or cuda:N; default: cpu.")
    ] = None,
    threads: Threads = 1,
    allow_native_code: AllowNativeCode = False,
) -> None:
    """Simulate with a model; an interrupted run goes on with the same command, as if it had not been
    interrupted.

    Example: scoredyn run alanine-dipeptide-obc2 ala2.pdb --length 10ns --out traj.dcd
    """
    from openmm_scoredyn.dynamics.ensemble import REPLICAS_PER_BATCH
    from openmm_scoredyn.dynamics.prepare import bound_model
    from openmm_scoredyn.export.binding import open_model
    from openmm_scoredyn.molecule.structure import read_structure

    together = replicas > 1 or out.suffix == ".frames" or cluster is not None
    _require_effect(together, platform, force_field, device)
    _require_cluster(cluster, batch, out)
    # The workers of a cluster have the devices.
    place = "cpu" if cluster else device or ("cuda" if platform == "CUDA" else "cpu")
    opened = open_model(model, allow_native_code=allow_native_code, device=place)
    molecule = read_structure(structure, coordinates=coordinates, parameters=parameters or (), system=system)
    loaded = bound_model(opened, molecule, strip=strip).to(place)
    _check_folder(out)
    lag = optional(parse_duration, lag_time) or loaded.card.lag_time_ps
    loaded.require_known(lag_time_ps=lag)
    n_steps = steps_of(length, lag)
    every = 1 if save_every is None else steps_of(save_every, lag)
    options = {
        "solver": solver,
        "denoising_steps": denoising_steps,
        "max_resamples": max_resamples,
        "refinements": refinements,
    }
    if together:
        start = _start_of(loaded, molecule, strip, repair) | options
        common = {"seed": seed, "save_every": every, "num_threads": threads, "lag_time_ps": lag, **start}
        if cluster:
            common |= {"device": device or "cpu", "replicas_per_batch": batch or REPLICAS_PER_BATCH}
            stores = _run_on_cluster(loaded, out, n_steps, replicas, cluster, common)
        else:
            stores = _run_replicas(loaded, out, n_steps, replicas, common)
        paths, refused = [out], _sum_of_guards(stores)
    else:
        paths, refused = _run_single(
            loaded,
            molecule,
            out,
            lag,
            n_steps,
            every,
            strip,
            repair,
            force_field,
            platform,
            threads,
            seed,
            options,
        )
    done = format_duration(n_steps * lag * replicas)
    Console().print(f"{done} in {', '.join(map(str, paths))}. {_guard_sentence(refused)}", soft_wrap=True)


def _require_effect(
    together: bool, platform: str | None, force_field: list[str] | None, device: str | None
) -> None:
    """Refuse options of a single simulation for replicas, and the reverse."""
    if together:
        refuse_without_effect(
            "run",
            {"platform": platform, "force-field": force_field},
            "replicas are drawn in one batch, without an OpenMM context",
            "leave them out, or run one replica into NAME.dcd or NAME.xtc",
        )
    else:
        refuse_without_effect(
            "run",
            {"device": device},
            "one replica is a simulation of OpenMM, whose platform says where it runs",
            "say --platform CUDA, or give --replicas",
        )


def _require_cluster(cluster: str | None, batch: int | None, out: Path) -> None:
    """Refuse a file for what needs a folder, and the reverse."""
    if cluster is None:
        refuse_without_effect(
            "run", {"batch": batch}, "only a cluster draws batches", "leave it out, or give --cluster"
        )
    elif out.suffix in (".dcd", ".xtc", ".frames"):
        raise OutputError(
            f"run: a cluster writes a folder of stores, one a batch; expected a folder, found {out.name};"
            " rename it, or leave out --cluster."
        )


def _guard_sentence(refused: dict[str, int]) -> str:
    """How many draws the guard rejected, by cause; of a run that went on, since it went on."""
    from openmm_scoredyn.program.native import scoredyn

    causes = [f"{cause.replace('_', ' ')} {refused[cause]}" for cause in scoredyn.CAUSES]
    return f"Draws rejected by the guard: {', '.join(causes)}."


def _check_folder(out: Path) -> None:
    """A long preparation should not end in a path that was never there."""
    if not out.parent.is_dir():
        raise OutputError(f"run: the folder {out.parent} does not exist; create it or choose another.")


def _start_of(model, structure, strip: bool, repair: bool) -> dict:
    """First frame `positions` (N, 3) and `box` (3, 3) or None, nm, of all replicas."""
    import numpy as np
    from openmm import unit

    from openmm_scoredyn.dynamics.prepare import fit_structure

    topology, positions = fit_structure(structure, model.card, strip=strip, repair=repair)
    box = topology.getPeriodicBoxVectors()
    return {
        "positions": np.float32(positions),
        "box": None if box is None else box.value_in_unit(unit.nanometer),
    }


@contextmanager
def _progress_of_all(description: str, scale_ps: float):
    """A bar with the time of all replicas together, for reports of steps of `scale_ps` each."""
    from openmm_scoredyn.cli.progress import time_progress

    with time_progress(description) as progress:
        yield lambda done, total: progress(done * scale_ps, total * scale_ps)


def _run_replicas(model, out, n_steps, replicas, options) -> list[Path]:
    import numpy as np

    from openmm_scoredyn.dynamics import run_replicas

    first = options.pop("positions")
    start = np.broadcast_to(first, (replicas, *first.shape))
    with _progress_of_all(f"{replicas} replicas", options["lag_time_ps"] * replicas) as progress:
        return [run_replicas(model, start, out, n_steps, progress=progress, **options)]


def _run_on_cluster(model, out, n_steps, replicas, cluster, options) -> list[Path]:
    from openmm_scoredyn.dynamics import open_cluster, run_ensemble

    with (
        open_cluster(cluster, options["num_threads"]) as executor,
        _progress_of_all(f"{replicas} replicas", options["lag_time_ps"]) as progress,
    ):
        return run_ensemble(
            model,
            folder=out,
            n_steps=n_steps,
            n_replicas=replicas,
            executor=executor,
            progress=progress,
            **options,
        )


def _sum_of_guards(stores: list[Path]) -> dict[str, int]:
    """`store_guard` of all stores together."""
    from openmm_scoredyn.dynamics import store_guard

    counts = [store_guard(store) or {} for store in stores]
    return {name: sum(own[name] for own in counts) for name in counts[0]}


def _run_single(
    model, structure, out, lag, n_steps, every, strip, repair, force_field, platform, threads, seed, options
):
    import openmm

    from openmm_scoredyn.cli.progress import time_progress
    from openmm_scoredyn.dynamics import run_simulation
    from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator
    from openmm_scoredyn.dynamics.prepare import prepare

    integrator = ScoreDynamicsIntegrator(model, stepSize=lag)
    integrator.setRandomNumberSeed(seed)
    integrator.setNumThreads(threads)
    integrator.setSamplingOptions(**options)
    simulation = prepare(
        structure,
        model,
        strip=strip,
        repair=repair,
        force_field=force_field,
        integrator=integrator,
        platform=platform,
        seed=seed,
    )  # fmt: skip
    identity = integrator.getSamplingOptions() | {
        "seed": seed,
        "model_sha256": model.sha256,
        "structure_sha256": structure.sha256,
        "force_field": force_field or [],
        "platform": simulation.context.getPlatform().getName(),
        "openmm_version": openmm.Platform.getOpenMMVersion(),
    }
    with time_progress("Running") as progress:
        files = run_simulation(
            simulation,
            out,
            n_steps,
            save_every=every,
            identity=identity,
            progress=lambda done, total: progress(done * lag, total * lag),
        )
    return [files.trajectory, files.log, files.topology], integrator.getRejectedDrawsByCause()
