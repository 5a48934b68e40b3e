"""`scoredyn reference`: MD as a small file that `scoredyn compare` takes for its reference side."""

from pathlib import Path
from typing import Annotated

import typer


def reference(
    paths: Annotated[list[Path], typer.Argument(metavar="MD...", help="Folders of trajectories, or files.")],
    out: Annotated[Path, typer.Option(help="NAME: writes NAME.npz and NAME.json.")],
    topology: Annotated[
        Path | None, typer.Option(help="PDB for files that do not hold their topology.")
    ] = None,
    spacing_ps: Annotated[
        float | None, typer.Option(help="Frame spacing, for files that do not say it.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="K, for files that do not say it.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Keep of MD what a comparison needs: phi and psi of every frame, statistics of everything else, all with
    errors.

    Example: scoredyn reference md/reference --out alanine-dipeptide-obc2-reference
    """
    import json

    from rich.console import Console

    from openmm_scoredyn.comparison import DihedralSeries, save_series, statistics, with_geometry
    from openmm_scoredyn.data import load
    from openmm_scoredyn.data.atomic import write_text_atomically

    trajectories = load(paths, topology=topology, frame_spacing_ps=spacing_ps, temperature_K=temperature)
    series = with_geometry(DihedralSeries.from_trajectories(trajectories), trajectories, seed)
    table = statistics(series, seed)
    files = [out.with_name(f"{out.name}{ending}") for ending in (".npz", ".json")]
    save_series(files[0], series)
    write_text_atomically(files[1], json.dumps(table, indent=1, allow_nan=False) + "\n")
    length = f"{series.length_ns:.1f} ns of {len(series.angles)} trajectories"
    Console().print(f"{length} in {files[0]} and {files[1]}.", soft_wrap=True)
