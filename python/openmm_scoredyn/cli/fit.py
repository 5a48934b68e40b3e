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
    StructureFile,
    SystemFile,
    TemperatureOfMD,
    Timestep,
)
from openmm_scoredyn.cli.structures import choose_physics, read_molecule
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.units import parse_duration, parse_temperature

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def fit(
    structure: StructureFile,
    out: Annotated[
        Path, typer.Option(help="Folder of everything; a fit that was interrupted goes on there.")
    ],
    budget: Annotated[
        str, typer.Option(help="Wall time on the cores given, as 30min, 2h or 600s.")
    ] = "30min",
    processes: Annotated[int, typer.Option(min=1, help="Trajectories of MD made at a time.")] = 1,
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
) -> None:
    """Simulate a molecule, train a model on it, run it, and judge it by MD that it never saw, in rounds.

    Example: scoredyn fit molecule.pdb --out fit/ --budget 30min --processes 2
    """
    import logging

    from rich.console import Console

    from openmm_scoredyn.fitting import FitRequest
    from openmm_scoredyn.fitting import fit as run
    from openmm_scoredyn.fitting.verdict import listed

    for name in ("lightning.pytorch", "openmm_scoredyn"):  # a line of progress a stage says enough
        logging.getLogger(name).setLevel(logging.WARNING)
    budget_s = parse_budget(budget)
    molecule = read_molecule("fit", structure, coordinates, parameters, system, strip, repair, force_field)
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
    console.print(
        f"Model: {out / structure.stem}.pt. Page: {out / 'comparison' / 'report.html'}.", soft_wrap=True
    )


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
