"""`scoredyn train-denoiser`: train a crystal denoiser on ideal lattices."""

from pathlib import Path
from typing import Annotated

import typer


def train_denoiser(
    lattices: Annotated[
        str,
        typer.Option(
            help="Names (fcc, bcc, hcp, sc, diamond, NaCl, CsCl, ZnS, quartz) and structure files, by commas."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The model; its run is kept in a folder beside it.")
    ] = Path("denoiser.pt"),
    name: Annotated[
        str | None, typer.Option(help="Name written to the card; default: that of the file.")
    ] = None,
    sigma_max: Annotated[
        float, typer.Option(help="Largest noise per coordinate, in nearest-neighbour distances.")
    ] = 0.13,
    cutoff: Annotated[
        float, typer.Option(help="Reach of a neighbour, in nearest-neighbour distances.")
    ] = 1.55,
    updates: Annotated[int, typer.Option(min=1, help="Number of optimiser updates.")] = 2000,
    surfaces: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the examples that are slabs, particles, wires or crystals with voids.",
        ),
    ] = 0.0,
    start_from: Annotated[
        Path | None, typer.Option(help="Run (folder) whose network is trained further.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and noise.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Train a crystal denoiser on ideal lattices with noise; an interrupted run goes on where it was.

    Example: scoredyn train-denoiser --lattices fcc,bcc,hcp --sigma-max 0.12
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from openmm_scoredyn.crystals.checkpoint import DenoiserTraining
    from openmm_scoredyn.crystals.export import export_denoiser
    from openmm_scoredyn.crystals.training import train_denoiser as run

    torch.set_num_threads(threads)
    config = DenoiserTraining(
        name=name or out.stem,
        lattices=tuple(part.strip() for part in lattices.split(",")),
        sigma_max=sigma_max,
        cutoff=cutoff,
        updates=updates,
        surfaces=surfaces,
        seed=seed,
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("noise left {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    folder = out.with_suffix(".run")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=updates, loss="")

        def progress(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, loss=f"{loss:.3f}")

        run(config, folder, progress=progress, save_every=min(100, updates), start_from=start_from)
    export_denoiser(folder, out)
    typer.echo(f"Trained: {out}. Next: scoredyn denoise trajectory.dump --model {out} -o clean.extxyz")
