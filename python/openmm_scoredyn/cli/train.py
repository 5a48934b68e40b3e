"""`scoredyn train`."""

from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import Threads

_SHAPES = {"message_passing": (200, 5), "equivariant": (64, 3)}  # width and blocks


def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="Trajectories: folders of `scoredyn simulate`, or any file mdtraj reads."),
    ],
    out: Annotated[Path, typer.Option(help="Directory of the run; an interrupted run goes on there.")],
    name: Annotated[str, typer.Option(help="Name written to the card.")] = "model",
    topology: Annotated[
        Path | None, typer.Option(help="PDB file, for trajectories that do not hold their topology.")
    ] = None,
    spacing_ps: Annotated[
        float | None, typer.Option(help="Frame spacing, for files that do not say it.")
    ] = None,
    temperature_k: Annotated[
        float | None, typer.Option(help="Temperature, for files that do not say it.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help=(
                "molecule_frame, equivariant or message_passing; default: that of --start-from, else"
                " molecule_frame."
            )
        ),
    ] = None,
    width: Annotated[int | None, typer.Option(help="Width of the network.")] = None,
    blocks: Annotated[int | None, typer.Option(help="Number of blocks.")] = None,
    lag_time_ps: Annotated[float, typer.Option(help="Physical time of one step.")] = 1.0,
    updates: Annotated[int, typer.Option(help="Number of optimiser updates.")] = 17_000,
    batch_size: Annotated[int, typer.Option(help="Pairs per update.")] = 1024,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of Adam.")] = 1e-3,
    noise_mean: Annotated[
        float, typer.Option(help="Mean of ln(sigma) in training (not message_passing).")
    ] = 0.3,
    noise_spread: Annotated[float, typer.Option(help="Standard deviation of ln(sigma) in training.")] = 1.3,
    start_from: Annotated[
        Path | None,
        typer.Option(help="Run or checkpoint whose network is trained further; its kind and shape are kept."),
    ] = None,
    distil_to: Annotated[
        int | None,
        typer.Option(
            help="Teach the network of --start-from to draw in so many evaluations what it draws in many."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and noise.")] = 1,
    threads: Threads = 1,
):
    """Train a score model on pairs of frames one lag time apart.

    Example: scoredyn train md/ --out run/ --name my-molecule
    """
    import logging

    import torch
    from lightning.pytorch.callbacks import RichProgressBar

    from openmm_scoredyn.data import load
    from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
    from openmm_scoredyn.errors import TrainingError
    from openmm_scoredyn.training import DistillationConfig, NetworkConfig, OptimizationConfig, TrainingConfig
    from openmm_scoredyn.training import train as run

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its advertisements
    torch.set_num_threads(threads)
    kind = kind_of_network(network, start_from)
    if start_from and (width or blocks):
        raise TrainingError(
            "train: --start-from keeps the shape of the network; expected neither --width nor --blocks,"
            f" found width {width}, blocks {blocks}; leave them out, or train anew without --start-from."
        )
    published = kind == "message_passing"
    default_width, default_blocks = _SHAPES.get(kind, (256, 4))
    config = TrainingConfig(
        name=name,
        network=NetworkConfig(kind, width or default_width, blocks or default_blocks),
        optimization=OptimizationConfig(
            updates=updates, batch_size=batch_size, learning_rate=learning_rate, seed=seed
        ),
        prediction="noise" if published else "edm",
        schedule="vp_linear" if published else "edm",
        noise=(
            NoiseLevels("log_uniform", -4.56, 5.02)
            if published
            else NoiseLevels("log_normal", noise_mean, noise_spread)
        ),
        lag_time_ps=lag_time_ps,
        distillation=None if distil_to is None else DistillationConfig(distil_to),
    )
    config.require_teacher(start_from)
    trajectories = load(data, topology=topology, frame_spacing_ps=spacing_ps, temperature_K=temperature_k)
    checkpoint = run(trajectories, out, config, [RichProgressBar()], start_from)
    typer.echo(f"Trained: {checkpoint}. Next: scoredyn export {out} {name}.pt")


def kind_of_network(asked: str | None, start_from: Path | None) -> str:
    """The kind of network to train: that of the run it begins with, else the one asked for.

    Raises
    ------
    TrainingError
        If the two contradict each other, or there is no such run.
    """
    from openmm_scoredyn.errors import TrainingError
    from openmm_scoredyn.training import checkpoint

    if start_from is None:
        return asked or "molecule_frame"
    kind = checkpoint.load_config(start_from).network.kind
    # A molecule_frame network becomes a gated one where the data hold shot paths.
    if asked not in (None, kind, kind.removeprefix("gated_")):
        raise TrainingError(
            f"train: --network contradicts --start-from; expected {kind}, as in {start_from}, found {asked}; "
            "leave --network out, or train anew without --start-from."
        )
    return kind
