"""`scoredyn fit`: from a structure to a model and a verdict, in one command."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

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
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.units import parse_duration, parse_temperature

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def fit(
    context: typer.Context,
    structures: StructureFiles,
    out: Annotated[
        Path,
        typer.Option(
            help=(
                "Folder of everything; a fit that was interrupted goes on there. Of several structures, or"
                " with --cluster, each has a folder of its name in it."
            )
        ),
    ],
    budget: Annotated[
        str, typer.Option(help="Wall time on the cores given, as 30min, 2h or 600s.")
    ] = "30min",
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Cores: all make MD, then half train a network while the others make the MD that judges.",
        ),
    ] = 1,
    lag_time: Annotated[str, typer.Option(help="Physical time of one step of the model.")] = "1ps",
    coordinates: Coordinates = None,
    parameters: Parameters = None,
    system: SystemFile = None,
    strip: Strip = False,
    repair: Repair = False,
    force_field: ForceField = None,
    solvent: Solvent = None,
    temperature: TemperatureOfMD = "300K",
    timestep: Timestep = "4fs",
    seed: Annotated[int, typer.Option(min=1, help="Of everything.")] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Workers that fit a structure each, as of scoredyn run: local, local:N, NAME.toml."
        ),
    ] = None,
) -> None:
    """Simulate a molecule, train a model on it, run it, and judge it by MD that it never saw, in rounds.

    Example: scoredyn fit molecule.pdb --out fit/ --budget 30min --processes 2
    """
    budget_s = parse_budget(budget)
    if len(structures) > 1 or cluster is not None:
        refuse_without_effect(
            "fit",
            {"coordinates": coordinates, "parameters": parameters or [], "system": system},
            "these belong to one structure",
            "fit such molecules one by one",
        )
        return _fit_each(structures, out, typed(context, ("out", "cluster")), cluster)
    (structure,) = structures
    molecule = read_molecule("fit", structure, coordinates, parameters, system, strip, repair, force_field)
    from openmm_scoredyn.fitting import FitRequest

    request = FitRequest(
        budget_s=budget_s,
        processes=processes,
        lag_time_ps=parse_duration(lag_time),
        physics=choose_physics(
            "fit",
            molecule,
            solvent,
            force_field,
            temperature_K=parse_temperature(temperature),
            timestep_fs=parse_duration(timestep) * 1000,
        ),
        seed=seed,
    )
    _fit_one(molecule, structure.stem, out, request)


def _fit_one(molecule, name: str, out: Path, request) -> None:
    """Fit, and print the verdict."""
    import logging

    from rich.console import Console

    from openmm_scoredyn.fitting import fit as run
    from openmm_scoredyn.fitting.verdict import listed

    for logger in ("lightning.pytorch", "openmm_scoredyn"):  # a line of progress a stage says enough
        logging.getLogger(logger).setLevel(logging.WARNING)
    verdict = run(molecule, out, request, _stage)
    console = Console()
    for sentence in verdict.rounds:
        console.print(sentence, soft_wrap=True, markup=False)
    console.print(verdict.sentence(), soft_wrap=True)
    if verdict.undecided:
        console.print(f"Too short to judge: {listed(verdict.undecided)}.", soft_wrap=True, markup=False)
    for sentence in (*verdict.advice, *verdict.cost):
        console.print(sentence, soft_wrap=True, markup=False)
    console.print(f"All names: {out / 'verdict.json'}.", soft_wrap=True)
    console.print(f"Model: {out / name}.pt. Page: {out / 'comparison' / 'report.html'}.", soft_wrap=True)


def _fit_each(structures: list[Path], out: Path, options: list[str], cluster: str | None) -> None:
    """Fit several, and print a line of each as it ends."""
    from openmm_scoredyn.each import Ended
    from openmm_scoredyn.fitting import fit_each

    with workers(cluster) as executor:
        ended = (
            Ended(name, verdict.sentence() if verdict else failure, failed=verdict is None)
            for name, verdict, failure in fit_each(structures, out, options, executor)
        )
        say_each(ended, out)


def parse_budget(text: str) -> float:
    """Seconds in a text such as "30min".

    Raises
    ------
    SamplingError
        If it is not a positive number with a unit.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|min|h)\s*", text)
    if not match:
        raise SamplingError(
            f"fit: the budget is not readable; expected a number with a unit (s, min, h), found {text!r};"
            " write for instance 30min."
        )
    return float(match[1]) * _SECONDS[match[2]]


@contextmanager
def _stage(name: str) -> Iterator:
    """One line of progress."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<26}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
        bar.update(task, total=1, completed=1)
