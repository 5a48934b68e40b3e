"""`scoredyn reference`: MD as a small file that `scoredyn compare` takes for its reference side."""

from pathlib import Path
from typing import Annotated

import typer

from openmm_scoredyn.cli.options import Observables, Selection, Spacing, Temperature, Topology, reading


def reference(
    paths: Annotated[list[Path], typer.Argument(metavar="MD...", help="Folders of trajectories, or files.")],
    out: Annotated[Path, typer.Option(help="NAME: writes NAME.npz and NAME.json.")],
    observable: Observables = None,
    topology: Topology = None,
    selection: Selection = None,
    spacing: Spacing = None,
    temperature: Temperature = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Keep of MD what a comparison needs: torsions of every frame, statistics of everything else, all with
    errors.

    Example: scoredyn reference md/reference --out alanine-dipeptide-obc2-reference
    """
    import json

    from rich.console import Console

    from openmm_scoredyn.comparison import statistics_table, with_statistics
    from openmm_scoredyn.data import load
    from openmm_scoredyn.data.atomic import write_text_atomically
    from openmm_scoredyn.observables import Observations, observables_for, save_observations
    from openmm_scoredyn.observables.series import unsteered

    trajectories = load(
        paths,
        **reading(topology, selection, spacing, temperature),
    )
    first = unsteered(trajectories)[0]
    observables = observables_for(first.molecule, first.box is not None, observable or ())
    seen = Observations.from_trajectories(trajectories, observables)
    table = statistics_table(seen, observables, seed)
    files = [out.with_name(f"{out.name}{ending}") for ending in (".npz", ".json")]
    kept = [one.name for one in observables if one.keeps_frames]
    save_observations(files[0], with_statistics(seen, observables, seed), kept)
    write_text_atomically(files[1], json.dumps(table, indent=1, allow_nan=False) + "\n")
    length = f"{seen.length_ns:.1f} ns of {len(seen.lengths)} trajectories"
    Console().print(f"{length} in {files[0]} and {files[1]}.", soft_wrap=True)
