"""`scoredyn bind`."""

from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import Coordinates, Parameters, StructureFile, SystemFile


def bind(
    model: Annotated[str, typer.Argument(help="A transferable model, NAME.scoredyn.")],
    structure: StructureFile,
    out: Annotated[Path, typer.Option(help="Score program to write, NAME.pt.")],
    coordinates: Coordinates = None,
    parameters: Parameters = None,
    system: SystemFile = None,
) -> None:
    """Make a score program for one molecule from a model that knows many.

    Example: scoredyn bind alkanes.scoredyn butane.pdb --system butane.xml --out butane.pt
    """
    from openmm_scoredyn.data.atomic import write_atomically
    from openmm_scoredyn.errors import ProgramError
    from openmm_scoredyn.export import bind as bound
    from openmm_scoredyn.export.binding import open_model
    from openmm_scoredyn.molecule.structure import read_structure
    from openmm_scoredyn.program.transferable import TransferableModel

    opened = open_model(model)
    if not isinstance(opened, TransferableModel):
        raise ProgramError(
            f"bind: {model} is a score program already; expected a transferable model (.scoredyn); run it"
            " as it is."
        )
    molecule = read_structure(structure, coordinates=coordinates, parameters=parameters or (), system=system)
    program = bound(opened, molecule.topology, molecule.own_system(), positions=molecule.positions)
    write_atomically(out, lambda file: file.write(program.source))
    binding = program.card.provenance.training_data["binding"]
    typer.echo(f"Wrote {out}: {binding['particles']} particles; extrapolation: {binding['extrapolation']}.")
