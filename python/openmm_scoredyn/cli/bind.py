"""`scoredyn bind`."""

from pathlib import Path
from typing import Annotated

import typer


def bind(
    model: Annotated[str, typer.Argument(help="A transferable model, NAME.scoredyn.")],
    structure: Annotated[Path, typer.Argument(help="PDB or mmCIF file of the molecule alone.")],
    out: Annotated[Path, typer.Option(help="Score program to write, NAME.pt.")],
    system: Annotated[
        Path | None,
        typer.Option(help="XML file of an OpenMM System of the molecule, made with the model's force field."),
    ] = None,
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
    topology, positions = read_structure(structure)
    program = bound(opened, topology, None if system is None else read_system(system), positions=positions)
    write_atomically(out, lambda file: file.write(program.source))
    binding = program.card.provenance.training_data["binding"]
    typer.echo(f"Wrote {out}: {binding['particles']} particles; extrapolation: {binding['extrapolation']}.")


def read_system(path: Path):
    """An `openmm.System` from XML.

    Raises
    ------
    MoleculeError
        If the file cannot be read, or holds something else.
    """
    import openmm

    from openmm_scoredyn.errors import MoleculeError

    try:
        system = openmm.XmlSerializer.deserialize(path.read_text())
    except (OSError, UnicodeDecodeError, ValueError, openmm.OpenMMException) as error:
        raise MoleculeError(
            f"bind: cannot read a System from {path} ({error}); expected what"
            " openmm.XmlSerializer.serialize(system) gives; write the file again."
        ) from None
    if not isinstance(system, openmm.System):
        raise MoleculeError(
            f"bind: {path} holds a {type(system).__name__}; expected a System; give the file of one."
        )
    return system
