"""Packed trajectories: whole picometres, differences from frame to frame, compressed; a third of the size of
float32.
"""

import json
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

FORMAT_VERSION = "1.0"
_LARGEST_NM = 32.0  # of int16


def to_picometres(positions_nm: np.ndarray) -> np.ndarray:
    """Positions (T, N, 3), nm, in whole picometres, int16, with the centroid of every frame at the origin.

    What was packed before stays as it is: its centroids are within half a picometre of the origin, and
    rounding undoes the shift.

    Raises
    ------
    TrajectoryError
        If an atom is too far from the centroid: the molecule is not whole.
    """
    picometres = centred_picometres(positions_nm)
    farthest = np.abs(picometres).max() / 1000
    if farthest > _LARGEST_NM:
        raise TrajectoryError(
            f"pack: an atom is {farthest:.3g} nm from the centroid; expected at most {_LARGEST_NM:g} nm, so"
            " the molecule is not whole; make it whole first."
        )
    return picometres.astype(np.int16)


def centred_picometres(positions_nm: np.ndarray) -> np.ndarray:
    """Positions (T, N, 3), nm, in whole picometres, float64, the centroid of every frame at the origin."""
    picometres = np.asarray(positions_nm, dtype=np.float64) * 1000
    return np.round(picometres - picometres.mean(axis=1, keepdims=True))


def encode(frames: np.ndarray, lengths) -> tuple[np.ndarray, np.ndarray]:
    """Low and high bytes (F, 3 N) uint8 of the differences of frames (F, N, 3) int16, segments of `lengths`
    end to end.

    A segment's first frame stands for itself. Signs go to the lowest bit, so that high bytes are nearly
    always zero; apart from the noisy low bytes they take next to no space.
    """
    flat = frames.reshape(len(frames), -1)
    steps = flat.copy()
    steps[1:] -= flat[:-1]  # wraps around, and back when summed
    starts = np.cumsum([0, *lengths[:-1]])
    steps[starts] = flat[starts]
    signs_low = ((steps << 1) ^ (steps >> 15)).view(np.uint16)
    return (signs_low & 255).astype(np.uint8), (signs_low >> 8).astype(np.uint8)


def decode(low: np.ndarray, high: np.ndarray, lengths) -> np.ndarray:
    """Inverse of `encode`, (F, N, 3) int16."""
    signs_low = low.astype(np.uint16) | (high.astype(np.uint16) << 8)
    steps = ((signs_low >> 1) ^ (-(signs_low & 1).astype(np.int16)).view(np.uint16)).view(np.int16)
    ends = np.cumsum(lengths)
    parts = [
        np.cumsum(steps[end - length : end], axis=0, dtype=np.int16) for end, length in zip(ends, lengths)
    ]
    return np.concatenate(parts).reshape(len(steps), -1, 3)


def save_packed(path: Path, trajectory: Trajectory, metadata: dict, *, keep_centroids: bool = False) -> None:
    """Write a trajectory as a packed file, atomically; what it needs to be read is added to the metadata.

    With `keep_centroids` every frame stays where it is, to half a picometre; without, its centroid is moved
    to the origin, as it means nothing for a molecule taken out of its solvent.
    """
    lengths = np.array([len(segment) for segment in trajectory.segments])
    positions = trajectory.positions
    picometres = to_picometres(positions)
    low, high = encode(picometres, lengths)
    described = metadata | {
        "packed_format": FORMAT_VERSION,
        "frame_spacing_ps": trajectory.frame_spacing_ps,
        "temperature_K": trajectory.temperature_K,
        "molecule": trajectory.molecule.to_dict(),
        "steered": trajectory.steered,
        "consecutive": trajectory.consecutive,
        "source_sha256": trajectory.source_sha256,
        "force_field": trajectory.force_field,
        "solvent": trajectory.solvent,
    }
    if trajectory.weights is not None:
        described["shot_torsion"] = trajectory.shot_torsion
    arrays = {
        "low": low,
        "high": high,
        "segment_lengths": lengths,
        "metadata": np.array(json.dumps(described, sort_keys=True)),
    }
    if trajectory.weights is not None:
        arrays["weights"] = trajectory.weights
    if keep_centroids:
        # of what rounding leaves, so that packing again moves nothing
        moved = np.mean(picometres, axis=1, dtype=np.float64) / 1000
        arrays["centroids_nm"] = positions.mean(axis=1, dtype=np.float64) - moved
    if trajectory.box is not None:
        arrays["box"] = trajectory.box
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def from_packed(path: Path, arrays: dict[str, np.ndarray]) -> Trajectory:
    """The trajectory of the arrays of a packed file; it has the digest of what was packed.

    Raises
    ------
    TrajectoryError
        If the description is damaged, or the format is of a later version.
    """
    try:
        metadata = json.loads(str(arrays["metadata"]))
        version = str(metadata["packed_format"])
        if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise TrajectoryError(
                f"Trajectory: {path} is of packed format {version}; expected {FORMAT_VERSION}; update"
                " openmm-scoredyn."
            )
        lengths = arrays["segment_lengths"]
        frames = decode(arrays["low"], arrays["high"], lengths)
        fields = {
            name: metadata[name]
            for name in ("frame_spacing_ps", "temperature_K", "steered", "consecutive", "source_sha256")
        }
        molecule = Particles.from_dict(metadata["molecule"])
        positions = frames.astype(np.float32) / 1000
        if "centroids_nm" in arrays:
            positions = (frames / 1000 + arrays["centroids_nm"][:, None]).astype(np.float32)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise TrajectoryError(
            f"Trajectory: the packed file {path} cannot be read ({error!r}); expected what `scoredyn pack`"
            " writes; pack it again."
        ) from None
    return Trajectory(
        segments=tuple(np.split(positions, np.cumsum(lengths)[:-1])),
        molecule=molecule,
        weights=arrays.get("weights"),
        box=arrays.get("box"),
        shot_torsion=metadata.get("shot_torsion", ""),
        force_field=metadata["force_field"],
        solvent=metadata["solvent"],
        **fields,
    )
