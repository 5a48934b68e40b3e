"""`scoredyn build`."""

from pathlib import Path
from typing import Annotated

import typer


def build(
    out: Annotated[Path, typer.Option("--out", "-o", help="PDB or mmCIF file to write, or SDF of SMILES.")],
    sequence: Annotated[
        str | None,
        typer.Argument(metavar="[SEQUENCE]", help="Residues joined by hyphens, capped or not."),
    ] = None,
    smiles: Annotated[str | None, typer.Option(help="SMILES of a molecule, instead of a sequence.")] = None,
    name: Annotated[str, typer.Option(help="Name of the residue that SMILES becomes.")] = "MOL",
    seed: Annotated[int, typer.Option(min=0, help="Of the conformation of SMILES.")] = 1,
) -> None:
    """Write the structure of a peptide, or of a molecule given as SMILES, with all hydrogens.

    Example: scoredyn build ACE-ALA-VAL-NME --out x.pdb
    """
    from openmm_scoredyn.data.atomic import write_text_atomically
    from openmm_scoredyn.molecule.building import build as run
    from openmm_scoredyn.molecule.structure import structure_text

    structure = run(sequence, smiles=smiles, name=name, seed=seed)
    text = structure_text(structure, out.name)
    write_text_atomically(out, text)
    typer.echo(f"{structure.topology.getNumAtoms()} atoms in {out}.")
