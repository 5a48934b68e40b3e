"""`scoredyn train`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from openmm_scoredyn.cli.config_file import ConfigFile
from openmm_scoredyn.cli.options import Selection, Spacing, Temperature, Threads, Topology, reading
from openmm_scoredyn.units import parse_durations


def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="Trajectories: folders of `scoredyn simulate`, or any file mdtraj reads."),
    ],
    out: Annotated[Path, typer.Option(help="Directory of the run; an interrupted run goes on there.")],
    name: Annotated[str, typer.Option(help="Name written to the card.")] = "model",
    topology: Topology = None,
    selection: Selection = None,
    spacing: Spacing = None,
    temperature: Temperature = None,
    network: Annotated[
        str | None,
        typer.Option(
            help=(
                "Name of the network, as in docs/concepts/networks.md; default: that of --start-from, else"
                " molecule_frame."
            )
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the network, NAME=VALUE, such as width=128 or gates=true."),
    ] = None,
    lag_time: Annotated[
        str,
        typer.Option(
            "--lag-time", "--lag", help="Physical time of one step, as 1ps, or a range of them, as 1ps:1ns."
        ),
    ] = "1ps",
    updates: Annotated[int, typer.Option(help="Number of optimiser updates.")] = 17_000,
    batch_size: Annotated[int, typer.Option(help="Pairs per update.")] = 1024,
    molecules_per_update: Annotated[
        int,
        typer.Option(
            help="Molecules whose pairs meet in an update, where there are several; more than one shows the"
            " optimiser what they share."
        ),
    ] = 1,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of Adam.")] = 1e-3,
    matrix_learning_rate: Annotated[
        float | None,
        typer.Option(help="Muon for matrices, with this peak learning rate, as 4e-3 for batches of 1,024."),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(
            help="Of matrix products in training of molecule_frame: bfloat16 is faster on processors with"
            " instructions for it."
        ),
    ] = "float32",
    split: Annotated[
        Literal["trajectory", "time", "molecule"],
        typer.Option(help="What is held out: whole trajectories, the end of each, or whole molecules."),
    ] = "trajectory",
    noise_mean: Annotated[
        float | None,
        typer.Option(help="Mean of ln(sigma) in training; default: the network's own, 0.3 for most."),
    ] = None,
    noise_spread: Annotated[
        float | None,
        typer.Option(help="Standard deviation of ln(sigma) in training; default: likewise, 1.3."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Run, checkpoint or transferable model, such as peptides-obc2, whose network is trained"
            " further; it is kept with its options."
        ),
    ] = None,
    distil_to: Annotated[
        int | None,
        typer.Option(
            help="Teach the network of --start-from to draw in this number of evaluations, not many."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and noise.")] = 1,
    threads: Threads = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the network is trained.")] = "cpu",
    log: Annotated[
        Literal["tensorboard"] | None,
        typer.Option(help="Write what is logged for TensorBoard, too, into OUT/tensorboard."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check", help="At the end, a minute of replicas against the MD that was held out."
        ),
    ] = True,
    config_file: ConfigFile = None,
):
    """Train a score model on pairs of frames one lag time apart.

    Example: scoredyn train md/ --out run/ --name my-molecule
    """
    import logging

    import torch
    from lightning.pytorch.callbacks import RichProgressBar

    from openmm_scoredyn.cli.train_check import advice, show_check
    from openmm_scoredyn.data import load
    from openmm_scoredyn.training import DistillationConfig, OptimizationConfig, TrainingConfig
    from openmm_scoredyn.training import train as run
    from openmm_scoredyn.training.checkpoint import overfitting
    from openmm_scoredyn.training.curves import tensorboard_logger, write_curves

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its advertisements
    torch.set_num_threads(threads)
    loggers = [tensorboard_logger(out)] if log else []
    choice = choose_network(network, set_ or [], start_from)
    recipe = choice.architecture.recipe
    shortest, longest = parse_durations(lag_time)
    config = TrainingConfig(
        name=name,
        network=choice,
        optimization=OptimizationConfig(
            updates=updates,
            batch_size=batch_size,
            molecules_per_update=molecules_per_update,
            learning_rate=learning_rate,
            matrix_learning_rate=matrix_learning_rate,
            seed=seed,
            precision=precision,
        ),
        prediction=recipe.prediction,
        schedule=recipe.schedule,
        noise=noise_levels(recipe.noise, noise_mean, noise_spread),
        lag_time_ps=shortest,
        longest_lag_time_ps=longest,
        split=split,
        distillation=None if distil_to is None else DistillationConfig(distil_to),
    )
    config.require_teacher(start_from)
    how = reading(topology, selection, spacing, temperature)
    if choice.architecture.transferable:  # `load` takes one molecule at a time
        trajectories = [trajectory for path in data for trajectory in load(path, **how)]
    else:
        trajectories = load(data, **how)
    for sentence in advice(trajectories, config.lag_time_ps, config.longest_lag_time_ps):
        typer.echo(sentence)
    checkpoint = run(trajectories, out, config, [RichProgressBar()], start_from, device, loggers)
    ending = "scoredyn" if choice.architecture.transferable else "pt"
    typer.echo(f"Trained: {checkpoint}. Next: scoredyn export {out} {name}.{ending}")
    if sentence := overfitting(out):
        typer.echo(sentence)
    if picture := write_curves(out):
        typer.echo(f"Losses: {picture}")
    if check:
        show_check(out, trajectories)


def choose_network(asked: str | None, options: list[str], start_from: Path | None):
    """The network to train: that of the run it begins with, else the one asked for.

    Raises
    ------
    TrainingError
        If the two contradict each other, there is no such run, network or option.
    """
    from openmm_scoredyn.errors import TrainingError
    from openmm_scoredyn.training import NetworkChoice, checkpoint

    if start_from is None:
        return NetworkChoice.parse(asked or "molecule_frame", options)
    choice = checkpoint.starting_point(start_from).choice
    if asked not in (None, choice.name):
        raise TrainingError(
            f"train: --network contradicts --start-from; expected {choice.name}, as in {start_from}, found"
            f" {asked}; leave --network out, or train from scratch without --start-from."
        )
    if options:
        raise TrainingError(
            f"train: --start-from keeps the network as it is; expected no --set, found {', '.join(options)};"
            " leave it out, or train from scratch without --start-from."
        )
    return choice


def noise_levels(own, mean: float | None, spread: float | None):
    """The noise levels of the network's recipe, or normal ones of another mean or spread.

    Raises
    ------
    TrainingError
        If the network's are not normal.
    """
    from dataclasses import replace

    from openmm_scoredyn.errors import TrainingError

    if mean is None and spread is None:
        return own
    if own.kind != "log_normal":
        raise TrainingError(
            "train: this network learns from noise levels of its own; expected neither --noise-mean nor"
            f" --noise-spread, found {mean} and {spread}; leave them out."
        )
    return replace(own, low=own.low if mean is None else mean, high=own.high if spread is None else spread)
