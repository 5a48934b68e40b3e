"""Trajectory files of `scoredyn simulate`, packed ones, and the picometre files of older data: npz, read
without pickle.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.data.data_card import require_listed
from openmm_scoredyn.data.packed import from_packed
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.particles import Particles


def save_archive(path, positions_nm: np.ndarray, metadata: dict, weights: np.ndarray | None = None) -> None:
    """Write frames and their description, atomically.

    Parameters
    ----------
    path : file to write, NAME.npz
    positions_nm : (S, T, N, 3) float32, nm, whole molecules; S segments, each unbroken in time
    metadata : JSON-ready
        `frame_spacing_ps`, `temperature_K`, `molecule` (`Particles.to_dict`), `steered`, `consecutive`, and
        `box_nm` of a periodic system (`Trajectory.box`) are read back; whatever else it holds is kept.
    weights : (S, 2) float32 or None, see `Trajectory.weights`
    """
    arrays = {
        "positions_nm": np.asarray(positions_nm, dtype=np.float32),
        "metadata": np.array(json.dumps(metadata, sort_keys=True)),
    }
    if weights is not None:
        arrays["weights"] = weights
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def load_archive(path: Path, molecule: Particles | None, temperature_K: float | None) -> list[Trajectory]:
    """Read an npz file of any kind; see `openmm_scoredyn.data.load`."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    arrays = _read_arrays(path, content)
    if "positions_nm" in arrays and "metadata" in arrays:
        return [_from_own(path, arrays, digest)]
    if "segment_lengths" in arrays and "metadata" in arrays:
        require_listed(path, digest)
        return [from_packed(path, arrays)]
    if "positions_pm" in arrays and "lag_time_ps" in arrays:
        return _from_picometres(path, arrays, digest, molecule, temperature_K)
    raise TrajectoryError(
        f"Trajectory: {path} holds {sorted(arrays)}; expected positions_nm and metadata (scoredyn simulate), "
        "segment_lengths and metadata (scoredyn pack), or positions_pm and lag_time_ps; load another file."
    )


class Description(NamedTuple):
    """What a file of `scoredyn simulate` or `scoredyn pack` says of itself.

    Attributes
    ----------
    metadata : empty for other files
    keeps_centroids : whether it is a packed one whose frames stay where they were, as of beads
    """

    metadata: dict
    keeps_centroids: bool


def read_description(path: Path) -> Description:
    """Read what a file says of itself, and none of its frames."""
    if path.suffix.lower() != ".npz":
        return Description({}, False)
    with _opened(path, path) as archive:
        text = str(archive["metadata"]) if "metadata" in archive.files else "{}"
        keeps_centroids = "centroids_nm" in archive.files
    try:
        return Description(json.loads(text), keeps_centroids)
    except ValueError as error:
        raise _damaged(path, error) from None


def _read_arrays(path: Path, content: bytes) -> dict[str, np.ndarray]:
    with _opened(path, BytesIO(content)) as archive:
        return {name: archive[name] for name in archive.files}


@contextmanager
def _opened(path: Path, source: Path | BytesIO) -> Iterator[NpzFile]:
    """The arrays of a file, each read when it is asked for."""
    try:
        with np.load(source, allow_pickle=False) as archive:
            yield archive
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise TrajectoryError(
            f"Trajectory: {path} is not a readable npz file ({error}); it may be truncated: make or copy it"
            " again."
        ) from None


def _damaged(path: Path, error: Exception) -> TrajectoryError:
    return TrajectoryError(
        f"Trajectory: the description in {path} cannot be read ({error!r}); expected the metadata that "
        "`scoredyn simulate` writes; make the file again."
    )


def _from_own(path: Path, arrays: dict, digest: str) -> Trajectory:
    try:
        metadata = json.loads(str(arrays["metadata"]))
        spacing, temperature, steered, consecutive, described = (
            metadata[key]
            for key in ("frame_spacing_ps", "temperature_K", "steered", "consecutive", "molecule")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None
    positions = arrays["positions_nm"]
    # Segments that go on where the one before ended are one segment: pairs may then bridge the joint.
    segments = (positions.reshape(-1, *positions.shape[2:]),) if consecutive else tuple(positions)
    return Trajectory(
        segments=segments,
        frame_spacing_ps=spacing,
        temperature_K=temperature,
        molecule=Particles.from_dict(described),
        steered=steered,
        consecutive=consecutive,
        weights=arrays.get("weights"),
        shot_torsion=metadata.get("shot_torsion", ""),
        source_sha256=digest,
        force_field=metadata.get("force_field", ""),
        solvent=metadata.get("solvent", ""),
        box=metadata.get("box_nm"),
    )


def _from_picometres(path, arrays, digest, molecule, temperature_K) -> list[Trajectory]:
    """Steered and unsteered segments as two trajectories.

    An unsteered segment goes on where the one before it ended. The step across the joint begins in the
    earlier one and belongs to it.
    """
    if molecule is None:
        raise TrajectoryError(
            f"Trajectory: {path} does not say of which molecule it is; give the topology file it was made"
            " with."
        )
    positions = arrays["positions_pm"].astype(np.float32) / 1000
    flags = np.broadcast_to(arrays.get("steered", np.array(False)), len(positions))
    stretches: list[tuple[bool, list[np.ndarray]]] = []
    for frames, steered in zip(positions, flags):
        if stretches and not steered:
            before, parts = stretches[-1]
            parts.append(frames[:1] if before else frames)
        if steered or not stretches or stretches[-1][0]:
            stretches.append((bool(steered), [frames]))
    return [
        Trajectory(
            segments=tuple(np.concatenate(parts) for flag, parts in stretches if flag == steered),
            frame_spacing_ps=float(arrays["lag_time_ps"]),
            temperature_K=temperature_K,
            molecule=molecule,
            steered=bool(steered),
            consecutive=False,
            # Both parts come from one file; a digest names a trajectory, so the flag is part of it.
            source_sha256=hashlib.sha256(f"{digest} steered={bool(steered)}".encode()).hexdigest(),
        )
        for steered in np.unique(flags)
    ]
