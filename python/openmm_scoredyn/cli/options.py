"""Options that several commands share, and the refusal of those that would have no effect: whoever gives one
expects it to.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from openmm_scoredyn.cli.duration import optional
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.units import parse_duration, parse_temperature

Observables = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help=(
            "Instead of all that the particles have: peptide, torsions, geometry, rotors, tumbling, size,"
            " hydrogen_bonds, rdf, msd, dihedral:A-B-C-D or distance:A-B; repeat for several."
        ),
    ),
]
AllowNativeCode = Annotated[
    bool,
    typer.Option("--allow-native-code", help="Run the code that a .pt2 holds; only from a source you trust."),
]
# More threads than that end the process, which OpenMP does without a word; the core has the same limit.
Threads = Annotated[int, typer.Option(min=1, max=256, help="CPU threads.")]

# What belongs to a structure whose own file does not hold everything (`molecule.structure.read_structure`).
_STRUCTURES = "PDB, mmCIF, Amber prmtop, GROMACS top, CHARMM psf, SDF or MOL2; atoms in any order."
StructureFile = Annotated[Path, typer.Argument(metavar="STRUCTURE", help=_STRUCTURES)]
StructureFiles = Annotated[list[Path], typer.Argument(metavar="STRUCTURE", help=_STRUCTURES)]
Coordinates = Annotated[
    Path | None,
    typer.Option(help="Positions for a prmtop, top or psf; default: the file of the same name beside it."),
]
Parameters = Annotated[
    list[Path] | None,
    typer.Option(
        help="Parameter files of CHARMM, or the folder of what a GROMACS top includes; repeat for several."
    ),
]
SystemFile = Annotated[
    Path | None, typer.Option(help="XML file of an OpenMM System of the structure, atoms in the same order.")
]

Strip = Annotated[bool, typer.Option("--strip", help="Remove water, other solvent and ions.")]
Repair = Annotated[bool, typer.Option("--repair", help="Add missing atoms and hydrogens with PDBFixer.")]

# The molecular dynamics that a command runs (`reference.physics.Physics`).
ForceField = Annotated[
    list[str] | None,
    typer.Option(
        help=(
            "Force field file of OpenMM or a path, that of the solvent included; repeat for several; or one"
            " of OpenFF, as openff-2.3.0.offxml, for an SDF or MOL2 file in vacuum. Default:"
            " amber99sbildn.xml and the file of the solvent."
        )
    ),
]
Solvent = Annotated[
    str | None,
    typer.Option(
        help=(
            "tip3p for a box of water; vacuum; implicit (OBC), (HCT), (OBC1), (OBC2), (GBn) or (GBn2). With"
            " --force-field also another text that begins with implicit or vacuum, for the record. Default:"
            " implicit (OBC), or that of the structure's own System."
        )
    ),
]
TemperatureOfMD = Annotated[str, typer.Option("--temperature", help="Of the dynamics.")]
Timestep = Annotated[str, typer.Option(help="Time step of the dynamics.")]

# What trajectory files may not say themselves (`data.load`).
Topology = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Structure file of any format, or a `scoredyn` trajectory of the same particles, for trajectories"
            " that do not hold their topology."
        )
    ),
]
Spacing = Annotated[str | None, typer.Option(help="Time between frames, as 1ps, for files without it.")]
Temperature = Annotated[str | None, typer.Option(help="As 300K, for files that do not say it.")]
Selection = Annotated[
    str | None,
    typer.Option(help="Atoms to keep of files that mdtraj reads, in its language, as 'protein'."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def reading(
    topology: Path | None, selection: str | None, spacing: str | None, temperature: str | None
) -> dict[str, Any]:
    """What these options say of how trajectories are read: arguments of `data.load`."""
    return {
        "topology": topology,
        "selection": selection,
        "frame_spacing_ps": optional(parse_duration, spacing),
        "temperature_K": optional(parse_temperature, temperature),
    }


def refuse_without_effect(command: str, options: dict[str, object], why: str, advice: str) -> None:
    """Refuse a command if any of the options is given that has no effect there.

    Parameters
    ----------
    options : value by name, such as {"length": "10ns"}; None or an empty list where the option was not given
    why, advice : parts of the sentence

    Raises
    ------
    SamplingError
        If any was given.
    """
    values = {f"--{name}": value if isinstance(value, list) else [value] for name, value in options.items()}
    given = [f"{name} {value}" for name, several in values.items() for value in several if value is not None]
    if given:
        raise SamplingError(
            f"{command}: {why}; expected none of {', '.join(values)}, found {', '.join(given)}; {advice}."
        )
