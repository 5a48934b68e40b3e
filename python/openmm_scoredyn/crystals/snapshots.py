"""Frames of trajectories: read with ASE, mdtraj or OVITO, written as extended xyz."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError, TrajectoryError

ANGSTROM_PER_NM = 10.0
# Trajectories of molecular dynamics programs that mdtraj reads and ASE does not.
MDTRAJ_FORMATS = (
    ".dcd",
    ".xtc",
    ".trr",
    ".nc",
    ".netcdf",
    ".ncdf",
    ".h5",
    ".hdf5",
    ".mdcrd",
    ".binpos",
    ".lh5",
    ".gro",
)
# ASE guesses formats by name and content; these it reads better when told.
_ASE_FORMATS = {".dump": "lammps-dump-text", ".lammpstrj": "lammps-dump-text"}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One frame as it was read.

    Attributes
    ----------
    positions : (N, 3) float64, Angstrom
    cell : (3, 3) float64, Angstrom, rows are the vectors; zeros where there is none
    periodic : (3,) bool
    elements : tuple of str, (N,); "X" where the file does not say
    """

    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    elements: tuple[str, ...]


def read_snapshots(path: str | Path, topology: str | Path | None = None) -> Iterator[Snapshot]:
    """Frames of a file, one after the other.

    Parameters
    ----------
    path : any file that ASE, mdtraj or OVITO reads
    topology : for trajectories that do not hold their atoms (dcd, xtc and their like)

    Raises
    ------
    TrajectoryError
        If the file cannot be read or holds no frame.
    MissingDependencyError
        If none of the packages that could read it is installed.
    """
    path = Path(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise TrajectoryError(
            f"read_snapshots: cannot read {path}; {error.strerror}; check the path."
        ) from None
    suffix = path.suffix.lower()
    readers = [_with_mdtraj] if suffix in MDTRAJ_FORMATS else [_with_ase, _with_ovito]
    reasons = []
    for reader in readers:
        frames = reader(path, topology)
        try:
            first = next(frames, None)
        except Exception as error:  # noqa: BLE001 - every format of every reader has errors of its own
            reasons.append(
                f"{reader.__name__[6:]}: {' '.join(str(error).split())[:120] or type(error).__name__}"
            )
            continue
        if first is None:
            reasons.append(f"{reader.__name__[6:]}: no frame")
            continue
        yield first
        try:
            yield from frames
        except Exception as error:
            raise TrajectoryError(
                f"read_snapshots: {path} is damaged; expected another frame, found"
                f" {' '.join(str(error).split())[:160]}; check the file."
            ) from error
        return
    raise TrajectoryError(
        f"read_snapshots: cannot read {path}; expected a file that ASE, mdtraj or OVITO reads, found"
        f" ({'; '.join(reasons)}); check the file and its name."
    )


def write_snapshot(file: BinaryIO, snapshot: Snapshot, structures=None, comment: str = "") -> None:
    """Append one frame as extended xyz, lengths in Angstrom.

    Parameters
    ----------
    structures : sequence of str, (N,), optional; written as the column `structure`
    comment : further key=value pairs
    """
    columns = "species:S:1:pos:R:3" + (":structure:S:1" if structures is not None else "")
    head = [f"Properties={columns}", f'pbc="{" ".join("FT"[int(flag)] for flag in snapshot.periodic)}"']
    if snapshot.cell.any():
        head.insert(0, f'Lattice="{" ".join(f"{value:.8f}" for value in snapshot.cell.flatten())}"')
    lines = [str(len(snapshot.elements)), " ".join([*head, comment]).strip()]
    tail = [""] * len(snapshot.elements) if structures is None else [f" {name}" for name in structures]
    lines += [
        f"{element} {x:.6f} {y:.6f} {z:.6f}{name}"
        for element, (x, y, z), name in zip(snapshot.elements, snapshot.positions.tolist(), tail)
    ]
    file.write(("\n".join(lines) + "\n").encode())


def ovito_elements(data) -> tuple[str, ...]:
    """Names of the particles' types (N,) in an OVITO DataCollection, "X" where there is none."""
    types = data.particles.get("Particle Type")
    if types is None:
        return ("X",) * data.particles.count
    names = {kind.id: kind.name or "X" for kind in types.types}
    return tuple(names.get(int(number), "X") for number in types)


def _with_ase(path: Path, topology) -> Iterator[Snapshot]:
    try:
        from ase.io import iread
    except ImportError:
        raise MissingDependencyError("not installed (pip install 'openmm-scoredyn[denoise]')") from None
    for atoms in iread(str(path), index=":", format=_ASE_FORMATS.get(path.suffix.lower())):
        yield Snapshot(
            np.array(atoms.positions, dtype=float),
            np.array(atoms.cell[:], dtype=float),
            np.array(atoms.pbc, dtype=bool),
            tuple(atoms.symbols),
        )


def _with_mdtraj(path: Path, topology) -> Iterator[Snapshot]:
    try:
        import mdtraj
    except ImportError:
        raise MissingDependencyError("not installed (pip install 'openmm-scoredyn[analysis]')") from None
    for piece in mdtraj.iterload(str(path), chunk=10, **({} if topology is None else {"top": str(topology)})):
        elements = tuple(atom.element.symbol if atom.element else "X" for atom in piece.topology.atoms)
        for index in range(piece.n_frames):
            boxes = piece.unitcell_vectors
            cell = np.zeros((3, 3)) if boxes is None else ANGSTROM_PER_NM * boxes[index].astype(float)
            yield Snapshot(
                ANGSTROM_PER_NM * piece.xyz[index].astype(float),
                cell,
                np.full(3, bool(cell.any())),
                elements,
            )


def _with_ovito(path: Path, topology) -> Iterator[Snapshot]:
    try:
        from ovito.io import import_file
    except ImportError:
        raise MissingDependencyError("not installed (pip install 'openmm-scoredyn[ovito]')") from None
    pipeline = import_file(str(path))
    for index in range(pipeline.source.num_frames):
        data = pipeline.compute(index)
        yield Snapshot(
            np.array(data.particles["Position"], dtype=float),
            np.zeros((3, 3)) if data.cell is None else np.array(data.cell[:, :3]).T,
            np.zeros(3, dtype=bool) if data.cell is None else np.array(data.cell.pbc),
            ovito_elements(data),
        )
