"""The work of `scoredyn denoise`: read, denoise, classify, write, and the picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from openmm_scoredyn.cli.denoise_table import Row
from openmm_scoredyn.errors import DenoisingError


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


def run_job(job: DenoisingJob) -> list[Row]:
    """Denoise all frames; the file of frames appears when the last one is done, and not at all
    if one fails.
    """
    from openmm_scoredyn.crystals.classify import check_method
    from openmm_scoredyn.crystals.loading import load_denoiser
    from openmm_scoredyn.data.atomic import write_atomically

    if job.classify is not None:
        check_method(job.classify)
    model = load_denoiser(job.model).to(job.device)
    rows, pictures = [], []

    def work(file) -> None:
        for row, picture in _frames(job, model, file):
            rows.append(row)
            pictures[:] = [picture]

    write_atomically(job.out, work)
    if pictures:
        content = pictures[0]()
        write_atomically(job.picture_path, lambda file: file.write(content))
    return rows


def _frames(job: DenoisingJob, model, file) -> Iterator:
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


def _one(job: DenoisingJob, model, file, index: int, snapshot):
    from openmm_scoredyn.crystals.classify import classify_both, count, names_of
    from openmm_scoredyn.crystals.snapshots import ANGSTROM_PER_NM, Snapshot, write_snapshot

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
    found, names, counts = (None, None), None, (None, None)
    if job.classify:
        found = classify_both(snapshot.positions, positions, cell, periodic, job.classify, spacing)
        names, counts = names_of(found[1]), map(count, found)
    write_snapshot(
        file,
        Snapshot(positions, cell, periodic, snapshot.elements),
        names,
        f"frame={index} spacing={spacing:.5f}",
    )
    scale = ANGSTROM_PER_NM
    moved, last = scale * clean.moved_nm, scale * clean.last_move_nm
    row = Row(index, len(positions), spacing, moved, last, clean.iterations, *counts)

    def draw() -> bytes:
        from openmm_scoredyn.crystals.picture import before_and_after

        return before_and_after(snapshot.positions, positions, cell, spacing, found)

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


def _selection(text: str, n_atoms: int) -> np.ndarray:
    chosen = []
    try:
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            chosen += range(int(first), int(last or first) + 1)
    except ValueError:
        raise DenoisingError(
            "denoise: cannot read the selection; expected ranges of 0-based indices as 0-99,200, found"
            f" {text!r}; correct it."
        ) from None
    if not chosen or max(chosen) >= n_atoms:
        raise DenoisingError(
            f"denoise: the selection does not fit; expected indices from 0 to {n_atoms - 1}, found {text!r};"
            " correct it."
        )
    return np.array(chosen)
