"""From a trajectory of atoms to a packed one of beads, and the structure that its dynamics start from."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from openmm_scoredyn.coarse.mapping import Mapping
from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.data.frame_stream import FrameStream, digest_of
from openmm_scoredyn.data.geometry_checks import check_geometry
from openmm_scoredyn.data.loading import expand, load, open_stream
from openmm_scoredyn.data.packed import save_packed
from openmm_scoredyn.data.time_stamps import spacing_and_segments
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import OutputError, TrajectoryError
from openmm_scoredyn.molecule.geometry import minimum_image
from openmm_scoredyn.molecule.structure import Structure, structure_text
from openmm_scoredyn.version import __version__

STRUCTURE_ENDING = ".cif"  # PDB has room for four letters of a name


def coarsen(source, out, by="residue", **reading) -> tuple[Mapping, Trajectory]:
    """Map a trajectory of atoms to beads, and write it packed, with a structure beside it.

    Parameters
    ----------
    source : path of a trajectory, as `data.load` takes it; what mdtraj reads is read a piece at a time
    out : NAME.npz, which `data.load` reads; NAME.cif gets the first frame, to start dynamics from
    by : what becomes a bead, as of `Mapping.from_topology`; index files count the atoms that are kept
    reading : topology, frame_spacing_ps, temperature_K and selection of `data.load`

    Returns
    -------
    Mapping, and the Trajectory of the beads

    Raises
    ------
    MoleculeError
        As `Mapping.from_topology` and `Mapping.positions`.
    TrajectoryError
        As `data.load`; if the source holds several trajectories, or does not say its temperature.
    OutputError
        If `out` is no NAME.npz in a folder that is there, or what is read would be written over.

    Notes
    -----
    Molecules are made whole where the source has a box. The box is kept where there are several molecules,
    whose centres are then put into it; a single one is taken out of its box, and follows its nearest images
    from frame to frame, so that it diffuses: it must not move by half a box between two frames.
    """
    source, out = Path(source), Path(out)
    _require_outputs(source, out, reading.get("topology"))
    mapping, trajectory = _mapped(source, by, reading)
    beads = mapping.topology
    if trajectory.box is not None:
        beads.setPeriodicBoxVectors(trajectory.boxes([0])[0].astype(float))
    structure = Structure(beads, trajectory.frames([0])[0].astype(float))
    described = {"groups": [list(group) for group in mapping.groups], "package_version": __version__}
    save_packed(out, trajectory, described, keep_centroids=True)
    write_text_atomically(_structure_path(out), structure_text(structure, _structure_path(out).name))
    return mapping, trajectory


def _structure_path(out: Path) -> Path:
    return out.with_suffix(STRUCTURE_ENDING)


def _require_outputs(source: Path, out: Path, topology) -> None:
    """Refuse names and folders that cannot be written, and those of what is read."""
    if out.suffix != ".npz":
        raise OutputError(f"coarsen: expected a name NAME.npz to write, found {out}; rename it.")
    if not out.parent.is_dir():
        raise OutputError(f"coarsen: the folder {out.parent} does not exist; create it or choose another.")
    read = [source, *([Path(topology)] if isinstance(topology, (str, Path)) else [])]
    for path in (out, _structure_path(out)):
        if path.resolve() in [one.resolve() for one in read]:
            raise OutputError(
                f"coarsen: {path} is read and would be written over; expected another name; choose one."
            )


def _mapped(source: Path, by, reading: dict) -> tuple[Mapping, Trajectory]:
    paths = expand(source)
    if len(paths) > 1:
        raise TrajectoryError(
            f"coarsen: expected one trajectory, found {len(paths)} in {source}; coarsen each by itself."
        )
    path = paths[0]
    if not (path.is_dir() or path.suffix.lower() == ".npz"):
        stream = open_stream(path, **reading)
        mapping = Mapping.from_topology(stream.molecule, by)
        _require_temperature(path, stream.temperature_K)
        return mapping, _of_stream(stream, mapping)
    found = load(path, **reading)
    if len(found) > 1:
        raise TrajectoryError(
            f"coarsen: expected one trajectory, found steered and unsteered ones in {path}; make two files"
            " of them."
        )
    mapping = Mapping.from_topology(found[0].molecule, by)
    _require_temperature(path, found[0].temperature_K)
    check_geometry(found)
    coarse = mapping.trajectory(found[0])
    return mapping, replace(coarse, source_sha256=_digest(found[0].source_sha256, mapping))


def _require_temperature(path: Path, temperature_K: float | None) -> None:
    if temperature_K is None:
        raise TrajectoryError(
            f"coarsen: {path} does not say its temperature; expected it in K; give it (--temperature)."
        )


class _Read(NamedTuple):
    """What is kept of all F frames of a file: beads (F, M, 3), marks (F, 2), boxes (F, 3, 3) and time stamps
    (F,), where there are such.
    """

    positions: np.ndarray
    marks: np.ndarray
    boxes: np.ndarray | None
    times_ps: np.ndarray | None


def _read(stream: FrameStream, mapping: Mapping) -> _Read:
    beads: list[np.ndarray] = []
    marks: list[np.ndarray] = []
    boxes: list[np.ndarray | None] = []
    times_ps: list[np.ndarray | None] = []
    read = 0
    for piece in stream.pieces():
        beads.append(mapping.positions(piece.positions))
        _check_piece(stream, piece.positions, read)
        marks.append(_marks(piece.positions))
        boxes.append(piece.boxes)
        times_ps.append(piece.times_ps)
        read += len(piece.positions)
    if not read:
        raise TrajectoryError(
            f"Trajectory: {stream.path} is too short; expected at least 2 frames, found 0; make a longer one."
        )
    return _Read(np.concatenate(beads), np.concatenate(marks), _joined(boxes), _joined(times_ps))


def _joined(parts: list[np.ndarray | None]) -> np.ndarray | None:
    """All parts end to end; None where one is missing."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None


def _of_stream(stream: FrameStream, mapping: Mapping) -> Trajectory:
    """The beads of all frames of a file."""
    read = _read(stream, mapping)
    spacing, segments = spacing_and_segments(stream.path, read.times_ps, read.marks, stream.frame_spacing_ps)
    alone, box = len(mapping.fine.parts) == 1, None
    if read.boxes is not None:
        place = _followed if alone else _inside
        for frames in segments:
            read.positions[frames] = place(mapping, read.positions[frames], read.boxes[frames])
        box = None if alone else _constant(read.boxes[np.concatenate(segments)])
    return Trajectory(
        segments=tuple(read.positions[frames] for frames in segments),
        frame_spacing_ps=spacing,
        temperature_K=stream.temperature_K,
        molecule=mapping.particles,
        steered=False,
        consecutive=len(segments) == 1,
        source_sha256=_digest(digest_of(stream.path), mapping),
        box=box,
        source=str(stream.path),
    )


def _check_piece(stream: FrameStream, positions: np.ndarray, first: int) -> None:
    """Bonds of atoms against their elements, in every frame, as before training."""
    frames = positions if len(positions) > 1 else np.repeat(positions, 2, axis=0)
    where = f"{stream.path}{f', counted from frame {first},' if first else ''}"
    check_geometry(
        [Trajectory((frames,), 1.0, None, stream.molecule, False, True, source_sha256="", source=where)]
    )


def _marks(positions: np.ndarray) -> np.ndarray:
    """(T, 2) uint64 that tell frames (T, N, 3) apart without keeping them."""
    digests = [hashlib.blake2b(frame.tobytes(), digest_size=16).digest() for frame in positions]
    return np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2)


def _centres(masses: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Centres of mass (T, 3) of particles (T, K, 3)."""
    return np.einsum("k,tkx->tx", masses / masses.sum(), positions)


def _followed(mapping: Mapping, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """One molecule (T, M, 3) without jumps by a box (T, 3, 3) from frame to frame."""
    centre = _centres(np.array(mapping.particles.masses_amu), positions)
    moves = minimum_image(np.diff(centre, axis=0)[:, None], boxes[1:])[:, 0]
    path = centre[0] + np.concatenate([np.zeros((1, 3)), np.cumsum(moves, axis=0)])
    return positions + (path - centre)[:, None]


def _inside(mapping: Mapping, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Molecules (T, M, 3) at the image whose centre of mass is in the box (T, 3, 3)."""
    beads, moved = mapping.particles, positions.copy()
    masses, boxes = np.array(beads.masses_amu), boxes.astype(np.float64)
    inverse = np.linalg.inv(boxes)
    for part in beads.parts:
        fraction = np.einsum("tx,txy->ty", _centres(masses[part], positions[:, part]), inverse)
        moved[:, part] -= np.einsum("tx,txy->ty", np.floor(fraction), boxes)[:, None]
    return moved


def _constant(boxes: np.ndarray) -> np.ndarray:
    """Boxes (T, 3, 3), or the one (3, 3) that all are."""
    return boxes[0] if (boxes == boxes[0]).all() else boxes


def _digest(fine_sha256: str, mapping: Mapping) -> str:
    """That of the beads of a source: of the source and of the groups."""
    return hashlib.sha256(json.dumps([fine_sha256, mapping.groups]).encode()).hexdigest()
