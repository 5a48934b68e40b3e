"""`scoredyn coarsen`: trajectories of beads from trajectories of atoms."""

from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.config_file import ConfigFile
from openmm_scoredyn.cli.options import Selection, Spacing, Temperature, Topology, reading


def coarsen(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="TRAJECTORY",
            help="Of atoms: any file mdtraj reads, or a file or store of `scoredyn`.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="NAME.npz; NAME.cif gets the first frame, for `scoredyn run`.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help=(
                "What becomes a bead. residue: every residue; 3: every 3 consecutive atoms of a molecule with"
                " their hydrogens; PEO=3 or LI=residue: likewise for residues of that name, repeat for each;"
                " NAME.ndx: every group of an index file of GROMACS. Default: residue."
            ),
        ),
    ] = None,
    topology: Topology = None,
    selection: Selection = None,
    spacing: Spacing = None,
    temperature: Temperature = None,
    config_file: ConfigFile = None,
) -> None:
    """Map a trajectory of atoms to beads, packed for `scoredyn train` and `scoredyn compare`.

    Example: scoredyn coarsen traj.xtc --topology fine.pdb --mapping 2 --temperature 300K --out beads.npz
    """
    from collections import Counter

    from rich.console import Console

    from openmm_scoredyn.cli.duration import format_duration
    from openmm_scoredyn.coarse import coarsen as run

    rule = parse_mapping(mapping or ["residue"])
    found, trajectory = run(source, out, rule, **reading(topology, selection, spacing, temperature))
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(trajectory.molecule.types).items())
    Console().print(
        f"{format_duration(trajectory.length_ps)}, {trajectory.n_frames} frames of {len(found)} beads"
        f" ({kinds}) in {out}; the first one in {out.with_suffix('.cif')}.",
        soft_wrap=True,
    )


def parse_mapping(rules: list[str]):
    """What `Mapping.from_topology` takes, from what is typed."""
    if len(rules) == 1 and "=" not in rules[0]:
        return _plain(rules[0])
    named: dict[str, str | int] = {}
    for rule in rules:
        name, equals, value = rule.partition("=")
        if not (name and equals and value) or name in named:
            raise typer.BadParameter(
                f"expected one rule, or one NAME=RULE for each residue name, found {' and '.join(rules)}",
                param_hint="--mapping",
            )
        named[name] = _plain(value)
    return named


def _plain(rule: str) -> str | int:
    return int(rule) if rule.isascii() and rule.isdecimal() else rule
