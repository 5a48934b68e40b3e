"""`scoredyn pack`: trajectories in little space, with a card that says what they are."""

import json
from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import Selection, Spacing, Temperature, Topology, reading


def pack(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Folders and files of `scoredyn simulate`, packed ones, or any trajectory mdtraj reads."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of packed trajectories; what is there stays.")],
    name: Annotated[
        str | None,
        typer.Option(help="Files are called NAME_0000.npz, ...; default: the folder each lies in."),
    ] = None,
    topology: Topology = None,
    selection: Selection = None,
    spacing: Spacing = None,
    temperature: Temperature = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Program and version, for files that do not say it, as 'GROMACS 2022.5'."),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            help="More for the card, as solvent=tip3p, hydrogen_mass_amu=3, seed=1; repeat for several."
        ),
    ] = None,
) -> None:
    """Pack solute trajectories into whole picometres, compressed; further ones are added to the same folder.

    Example: scoredyn pack md/ --out data/water
    """
    from rich.console import Console

    from openmm_scoredyn.data import pack as run
    from openmm_scoredyn.data.data_card import read_card, totals

    described = dict(map(parse_record, record or ()))
    if engine is not None:
        described["engine"] = engine
    written = run(
        sources,
        out,
        name=name,
        record=described,
        **reading(topology, selection, spacing, temperature),
    )
    sums = totals(read_card(out))
    amounts = ", ".join(f"{of_kind['ns']:.4g} ns {kind}" for kind, of_kind in sums.items())
    megabytes = sum(of_kind["bytes"] for of_kind in sums.values()) / 1e6
    Console().print(
        f"{len(written)} trajectories packed; {out} now holds {amounts}, {megabytes:.1f} MB.", soft_wrap=True
    )


def parse_record(text: str) -> tuple[str, object]:
    """Name and value of a text such as seed=1; numbers become numbers."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(f"expected NAME=VALUE, as seed=1; found {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
