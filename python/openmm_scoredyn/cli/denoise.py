"""`scoredyn denoise`: strip the thermal noise off a trajectory of crystals."""

from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import Threads


def denoise(
    trajectory: Annotated[Path, typer.Argument(help="Any file that ASE, mdtraj or OVITO reads.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Denoised frames, extended xyz.")],
    model: Annotated[
        str, typer.Option(help="Path of a crystal denoiser, or name of a shipped one.")
    ] = "metals",
    classify: Annotated[
        str | None,
        typer.Option(help="cna (adaptive), cna-fixed or ptm: structures before and after, by OVITO."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="So many; default: until atoms settle.")] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Nearest-neighbour distance, Angstrom; default: measured.")
    ] = None,
    topology: Annotated[
        Path | None, typer.Option(help="PDB file, for trajectories that do not hold their atoms.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th frame.")] = 1,
    select: Annotated[
        str | None, typer.Option(metavar="RANGES", help="Move these atoms only, 0-based, as 0-99,200.")
    ] = None,
    no_cell: Annotated[
        bool, typer.Option("--no-cell", help="The atoms are a cluster: ignore the cell, if there is one.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture of the last frame before and after; default: beside the frames."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu or cuda.")] = "cpu",
    threads: Threads = 1,
) -> None:
    """Strip thermal noise from crystals, so that order and defects become visible.

    Example: scoredyn denoise traj.dump -o clean.extxyz --classify cna
    """
    import torch
    from rich.console import Console

    from openmm_scoredyn.cli.denoise_run import DenoisingJob, run_job
    from openmm_scoredyn.cli.denoise_table import show_table

    torch.set_num_threads(threads)
    job = DenoisingJob(
        trajectory,
        out,
        model,
        classify,
        iterations,
        spacing,
        topology,
        every,
        select,
        no_cell,
        picture,
        device,
    )
    show_table(run_job(job), f"{trajectory.name} denoised by {model}")
    Console().print(f"Frames: {out}; picture: {job.picture_path}", soft_wrap=True)
