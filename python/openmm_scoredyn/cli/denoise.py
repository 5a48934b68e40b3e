"""`scoredyn denoise`: strip the thermal noise off a trajectory of crystals."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from openmm_scoredyn.cli.options import AsJson, Threads
from openmm_scoredyn.errors import DenoisingError

if TYPE_CHECKING:  # only for annotations: `scoredyn --help` must not load NumPy
    import numpy as np

    from openmm_scoredyn.crystals.model import CrystalDenoiser, DenoisedFrame
    from openmm_scoredyn.crystals.snapshots import Snapshot

SHOWN_ROWS = 40
_CAPTION = (
    "Angstrom: distance of nearest neighbours; how far atoms were moved, in the mean and at most; mean of the"
    " last iteration. Structures: number of atoms before, after."
)


@dataclass(frozen=True)
class DenoisingJob:
    """Arguments of the command, as `scoredyn denoise --help` explains them."""

    trajectory: Path
    out: Path
    model: str
    classify: str | None
    iterations: int | None
    spacing: float | None
    topology: Path | None
    every: int
    select: str | None
    no_cell: bool
    picture: Path | None
    device: str

    @property
    def picture_path(self) -> Path:
        """Where the picture goes."""
        return self.picture or self.out.with_suffix(".png")


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table: frame, what was done to it, and counts by structure or None."""

    index: int
    frame: "DenoisedFrame"
    before: dict[str, int]
    after: dict[str, int]


def denoise(
    trajectory: Annotated[Path, typer.Argument(help="Any file that ASE, mdtraj or OVITO reads.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Denoised frames, extended xyz.")],
    model: Annotated[
        str, typer.Option(help="Path of a crystal denoiser, or name of a shipped one.")
    ] = "metals",
    classify: Annotated[
        str | None,
        typer.Option(help="cna (adaptive), cna-fixed or ptm: structures before and after, by OVITO."),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Exactly this number; default: until atoms settle.")
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Nearest-neighbour distance, Angstrom; default: measured.")
    ] = None,
    topology: Annotated[
        Path | None, typer.Option(help="PDB file, for trajectories that do not hold their atoms.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th frame.")] = 1,
    select: Annotated[
        str | None, typer.Option(metavar="RANGES", help="Move these atoms only, 0-based, as 0-99,200.")
    ] = None,
    no_cell: Annotated[
        bool, typer.Option("--no-cell", help="The atoms are a cluster: ignore the cell, if there is one.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture of the last frame before and after; default: beside the frames."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu or cuda.")] = "cpu",
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Strip thermal noise from crystals, so that order and defects become visible.

    Example: scoredyn denoise traj.dump -o clean.extxyz --classify cna
    """
    import torch
    from rich.console import Console

    torch.set_num_threads(threads)
    job = DenoisingJob(
        trajectory,
        out,
        model,
        classify,
        iterations,
        spacing,
        topology,
        every,
        select,
        no_cell,
        picture,
        device,
    )
    rows = run_job(job)
    if as_json:
        typer.echo(rows_json(rows))
        return
    show_table(rows, f"{trajectory.name} denoised by {model}")
    Console().print(f"Frames: {out}; picture: {job.picture_path}", soft_wrap=True)


def run_job(job: DenoisingJob) -> list[Row]:
    """Denoise all frames; the file of frames appears when the last one is done, and not at all
    if one fails.
    """
    from openmm_scoredyn.crystals.classify import check_method
    from openmm_scoredyn.crystals.model import load_denoiser
    from openmm_scoredyn.data.atomic import write_atomically

    if job.classify is not None:
        check_method(job.classify)
    model = load_denoiser(job.model).to(job.device)
    rows: list[Row] = []
    pictures: list[Callable[[], bytes]] = []

    def work(file: BinaryIO) -> None:
        for row, picture in _frames(job, model, file):
            rows.append(row)
            pictures[:] = [picture]

    write_atomically(job.out, work)
    if pictures:
        content = pictures[0]()
        write_atomically(job.picture_path, lambda file: file.write(content))
    return rows


def _frames(
    job: DenoisingJob, model: "CrystalDenoiser", file: BinaryIO
) -> Iterator[tuple[Row, Callable[[], bytes]]]:
    """Rows, each with a function that draws the picture of its frame."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from openmm_scoredyn.crystals.snapshots import read_snapshots

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("denoising", total=_number_of_frames(job))
        snapshots = enumerate(read_snapshots(job.trajectory, job.topology))
        for index, snapshot in islice(snapshots, 0, None, job.every):
            try:
                yield _one(job, model, file, index, snapshot)
            except DenoisingError as error:
                raise DenoisingError(f"frame {index}: {error}") from None
            bar.advance(task)


def _one(
    job: DenoisingJob, model: "CrystalDenoiser", file: BinaryIO, index: int, snapshot: "Snapshot"
) -> tuple[Row, Callable[[], bytes]]:
    import numpy as np

    from openmm_scoredyn.crystals.classify import classify_both, count, names_of
    from openmm_scoredyn.crystals.snapshots import ANGSTROM_PER_NM, write_snapshot

    periodic = np.zeros(3, dtype=bool) if job.no_cell else snapshot.periodic
    if not periodic.any() and not job.no_cell:
        raise DenoisingError(
            "denoise: the frame has no cell; expected periodic box vectors, found none; if it is a cluster,"
            " say --no-cell."
        )
    clean = model.denoise_frame(
        snapshot.positions / ANGSTROM_PER_NM,
        snapshot.cell / ANGSTROM_PER_NM,
        job.iterations,
        elements=snapshot.elements,
        spacing_nm=None if job.spacing is None else job.spacing / ANGSTROM_PER_NM,
        selection=None if job.select is None else _selection(job.select, len(snapshot.elements)),
        periodic=periodic,
    )
    positions, spacing = ANGSTROM_PER_NM * clean.positions, ANGSTROM_PER_NM * clean.spacing_nm
    cell = snapshot.cell if periodic.any() else np.zeros((3, 3))
    found = None
    if job.classify:
        found = classify_both(snapshot.positions, positions, cell, periodic, job.classify, spacing)
    written = snapshot.moved_to(positions, cell, periodic, frame=index, spacing=f"{spacing:.5f}")
    write_snapshot(file, written, None if found is None else names_of(found[1]))
    before, after = ({}, {}) if found is None else map(count, found)
    row = Row(index, clean, before, after)

    def draw() -> bytes:
        from openmm_scoredyn.crystals.picture import before_and_after

        return before_and_after(snapshot.positions, positions, cell, spacing, found or (None, None))

    return row, draw


def _number_of_frames(job: DenoisingJob) -> int | None:
    """Of formats where counting is cheap; None leaves the bar without an end."""
    if job.trajectory.suffix.lower() not in (".extxyz", ".xyz", ".dump", ".lammpstrj"):
        return None
    marks = (b"Lattice=", b"ITEM: TIMESTEP")
    try:
        with job.trajectory.open("rb") as file:
            frames = sum(any(mark in line for mark in marks) for line in file)
    except OSError:  # `read_snapshots` says it better
        return None
    return -(-frames // job.every) or None


def _selection(text: str, n_atoms: int) -> "np.ndarray":
    import numpy as np

    chosen: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise DenoisingError(
                "denoise: cannot read the selection; expected ranges of 0-based indices as 0-99,200, found"
                f" {text!r}; correct it."
            )
        if not int(first) <= int(last or first) < n_atoms:
            raise DenoisingError(
                f"denoise: the selection does not fit; expected rising indices from 0 to {n_atoms - 1}, found"
                f" {text!r}; correct it."
            )
        chosen += range(int(first), int(last or first) + 1)
    return np.array(chosen)


def rows_json(rows: list[Row]) -> str:
    """What `show_table` shows, of all frames."""
    return json.dumps(
        [
            {
                "frame": row.index,
                "atoms": len(row.frame.positions),
                "spacing_nm": float(row.frame.spacing_nm),
                "moved_nm": float(row.frame.moved_nm),
                "furthest_nm": float(row.frame.furthest_nm),
                "last_move_nm": float(row.frame.last_move_nm),
                "iterations": int(row.frame.iterations),
                "before": row.before,
                "after": row.after,
                "beyond_heat": bool(row.frame.beyond_heat),
            }
            for row in rows
        ],
        indent=1,
    )


def show_table(rows: list[Row], title: str) -> None:
    """One line per frame, as far as they can be read, and the frames that moved further than heat can."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from openmm_scoredyn.crystals.classify import STRUCTURES
    from openmm_scoredyn.crystals.snapshots import ANGSTROM_PER_NM

    console = Console()
    names = [name for name in STRUCTURES if any(name in row.before or name in row.after for row in rows)]
    table = Table(title=title, caption=_CAPTION, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    headings = ("frame", "atoms", "spacing", "moved", "furthest", "last", "iterations")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows[:SHOWN_ROWS]:
        frame = row.frame
        mean, most = ANGSTROM_PER_NM * frame.moved_nm, ANGSTROM_PER_NM * frame.furthest_nm
        table.add_row(
            str(row.index),
            str(len(frame.positions)),
            f"{ANGSTROM_PER_NM * frame.spacing_nm:.3f}",
            f"{mean:.3f}",
            f"{most:.3f}",
            f"{ANGSTROM_PER_NM * frame.last_move_nm:.4f}",
            str(frame.iterations),
            *(f"{row.before.get(name, 0)}, {row.after.get(name, 0)}" for name in names),
        )
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"and {len(rows) - SHOWN_ROWS} frames more")
    far = [str(row.index) for row in rows if row.frame.beyond_heat]
    if far:
        shown = ", ".join(far[:SHOWN_ROWS]) + (", ..." if len(far) > SHOWN_ROWS else "")
        console.print(
            f"Moved further than heat moves the atoms of a crystal: {len(far)} of {len(rows)} frames"
            f" ({shown}). They are molten, or of a lattice that the model does not know; do not trust what"
            " was made of them.",
            soft_wrap=True,
        )
