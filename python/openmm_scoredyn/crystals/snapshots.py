"""Frames of trajectories: read with ASE, mdtraj or OVITO, written as extended xyz."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from openmm_scoredyn.data.frame_sizes import require_whole
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
# Columns of ASE's that are positions and elements, or stand for others.
_OWN_ARRAYS = ("numbers", "positions")
# Kinds of a frame's info that are written out again.
_WRITABLE = (bool, int, float, str, np.integer, np.floating)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One frame as it was read.

    Attributes
    ----------
    positions : (N, 3) float64, Angstrom
    cell : (3, 3) float64, Angstrom, rows are the vectors; zeros where there is none
    periodic : (3,) bool
    elements : tuple of str, (N,); "X" where the file does not say
    columns : other columns of the file by name, arrays (N,) or (N, k): ids, types, velocities, ...
    info : what the file says of the frame: time step, origin of the box, ...
    """

    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    elements: tuple[str, ...]
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict = field(default_factory=dict)

    def moved_to(self, positions: np.ndarray, cell: np.ndarray, periodic, **info) -> "Snapshot":
        """The same atoms elsewhere, with further `info`."""
        return replace(self, positions=positions, cell=cell, periodic=periodic, info=self.info | info)


def read_snapshots(path: str | Path, topology: str | Path | None = None) -> Iterator[Snapshot]:
    """Frames of a file, one after the other.

    Parameters
    ----------
    path : any file that ASE, mdtraj or OVITO reads
    topology : for trajectories that do not hold their atoms (dcd, xtc and their like)

    Raises
    ------
    TrajectoryError
        If the file cannot be read, is cut or holds no frame.
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
    from openmm_scoredyn.crystals.lammps import is_dump, read_dump

    if is_dump(path):
        yield from _not_empty(read_dump(path), path)
        return
    by_mdtraj = path.suffix.lower() in MDTRAJ_FORMATS
    if not by_mdtraj:
        require_whole(path)
    readers = [_with_mdtraj] if by_mdtraj else [_with_ase, _with_ovito]
    reasons = []
    for reader in readers:
        frames = reader(path, topology)
        try:
            first = next(frames, None)
        except TrajectoryError:
            raise
        except Exception as error:  # noqa: BLE001 - every format of every reader has errors of its own
            reasons.append(f"{reader.__name__[6:]}: {_reason(error)}")
            continue
        if first is None:
            reasons.append(f"{reader.__name__[6:]}: no frame")
            continue
        yield first
        try:
            yield from frames
        except Exception as error:
            raise TrajectoryError(
                f"read_snapshots: {path} is damaged; expected another frame, found {_reason(error)};"
                " check the file."
            ) from error
        return
    raise TrajectoryError(
        f"read_snapshots: cannot read {path}; expected a file that ASE, mdtraj or OVITO reads, found"
        f" ({'; '.join(reasons)}); check the file and its name."
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _not_empty(frames: Iterator[Snapshot], path: Path) -> Iterator[Snapshot]:
    first = next(frames, None)
    if first is None:
        raise TrajectoryError(
            f"read_snapshots: {path} holds no frame; expected one or more, found none; check the file."
        )
    yield first
    yield from frames


def write_snapshot(file: BinaryIO, snapshot: Snapshot, structures=None) -> None:
    """Append one frame as extended xyz, lengths in Angstrom, with all its columns and info.

    Parameters
    ----------
    structures : sequence of str, (N,), optional; written as the column `structure`
    """
    columns = {name: values for name, values in snapshot.columns.items() if name != "structure"}
    if structures is not None:
        columns["structure"] = np.asarray(structures, dtype=str)
    kinds = {"i": "I", "u": "I", "f": "R", "b": "L", "U": "S"}
    described, texts = "species:S:1:pos:R:3", []
    for name, values in columns.items():
        table = values.reshape(len(values), -1)
        if table.dtype.kind not in kinds:
            continue
        described += f":{name}:{kinds[table.dtype.kind]}:{table.shape[1]}"
        texts.append([" ".join(map(_text, row)) for row in table.tolist()])
    head = [f"Properties={described}", f'pbc="{" ".join("FT"[int(flag)] for flag in snapshot.periodic)}"']
    if snapshot.cell.any():
        head.insert(0, f'Lattice="{" ".join(f"{value:.8f}" for value in snapshot.cell.flatten())}"')
    head += [f"{key}={_quoted(_text(value))}" for key, value in snapshot.info.items()]
    lines = [str(len(snapshot.elements)), " ".join(head)]
    lines += [
        " ".join((element, f"{x:.6f} {y:.6f} {z:.6f}", *others))
        for element, (x, y, z), *others in zip(snapshot.elements, snapshot.positions.tolist(), *texts)
    ]
    file.write(("\n".join(lines) + "\n").encode())


def _text(value) -> str:
    if isinstance(value, bool):
        return "FT"[value]
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[\s=,]", text) or not text else text


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
    for atoms in iread(str(path), index=":"):
        if len(atoms) == 0:  # ASE makes a frame of what follows the last of a PDB file
            continue
        info = {
            key: " ".join(map(_text, value.tolist())) if isinstance(value, np.ndarray) else value
            for key, value in atoms.info.items()
            if isinstance(value, _WRITABLE) or (isinstance(value, np.ndarray) and value.ndim == 1)
        }
        yield Snapshot(
            np.array(atoms.positions, dtype=float),
            np.array(atoms.cell[:], dtype=float),
            np.array(atoms.pbc, dtype=bool),
            tuple(atoms.symbols),
            {name: values for name, values in atoms.arrays.items() if name not in _OWN_ARRAYS},
            info,
        )


def _with_mdtraj(path: Path, topology) -> Iterator[Snapshot]:
    try:
        import mdtraj
    except ImportError:
        raise MissingDependencyError("not installed (pip install 'openmm-scoredyn[analysis]')") from None
    known = {} if topology is None else {"top": mdtraj.load_topology(str(topology))}
    require_whole(path, known["top"].n_atoms if known else None)
    for piece in mdtraj.iterload(str(path), chunk=10, **known):
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
    for index in range(pipeline.num_frames):
        data = pipeline.compute(index)
        yield Snapshot(
            np.array(data.particles["Position"], dtype=float),
            np.zeros((3, 3)) if data.cell is None else np.array(data.cell[:, :3]).T,
            np.zeros(3, dtype=bool) if data.cell is None else np.array(data.cell.pbc),
            ovito_elements(data),
        )
