"""A trajectory: frames of the same particles at one spacing and temperature, in segments that are each
unbroken in time.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles

# Frames looked at together where a whole segment may not fit into memory.
BLOCK_FRAMES = 4096


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Frames of the same particles, equally spaced in time within each segment.

    Attributes
    ----------
    segments : tuple of (T, N, 3) float32 arrays, nm, whole molecules; T >= 2 may differ between segments
        An array, or a `frame_store.StoredFrames`, which is read where it is used.
    frame_spacing_ps : float, > 0
    temperature_K : float or None, where the source does not say
    molecule : Particles of N atoms or beads
    steered : bool, True where the segments began at states that were steered to (good for transitions, not
    populations)
    consecutive : bool, True where each segment goes on in time, one spacing later, where the one before it
    ended
    source_sha256 : str, hex digest that names the source; equal sources have equal digests
    weights : (S, 2) float32, > 0, or None
        Where each of the S segments is a path of two frames from a biased ensemble: how much it counts, read
        forwards and backwards. Weighted by it, the paths that begin at x are draws of the transition density.
    shot_torsion : str, the torsion whose barriers such paths were shot from, "phi" or "psi"; empty without
    weights
    force_field, solvent : str, as the source describes them, empty where it does not
    box : (3, 3) or (F, 3, 3) float32, nm, or None
        Box vectors as rows, constant or of each of the F frames of all segments end to end; None where the
        system is not periodic.
    source : str, the file, for messages; empty where there is none

    Raises
    ------
    TrajectoryError
        If a segment has another shape, fewer than two frames or a position that is not finite, if the
        spacing or the temperature is not positive, or if a box is of another shape or has no volume.
    """

    segments: tuple[np.ndarray, ...]
    frame_spacing_ps: float
    temperature_K: float | None
    molecule: Particles
    steered: bool
    consecutive: bool
    source_sha256: str
    weights: np.ndarray | None = None
    shot_torsion: str = ""
    force_field: str = ""
    solvent: str = ""
    box: np.ndarray | None = None
    source: str = ""

    def __post_init__(self):
        object.__setattr__(self, "segments", tuple(map(_plain, self.segments)))
        for name in ("frame_spacing_ps", "temperature_K"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise TrajectoryError(
                    f"Trajectory: {name} must be positive; found {value}; give the true value."
                )
        if self.frame_spacing_ps is None:
            raise TrajectoryError("Trajectory: the frame spacing is unknown; give frame_spacing_ps.")
        if not self.segments:
            raise TrajectoryError(
                "Trajectory: no segments; expected at least one of two frames; check the source."
            )
        where = f" of {self.source}" if self.source else ""
        for index, segment in enumerate(self.segments):
            _check_segment(f"segment {index}{where}", segment, len(self.molecule))
        if self.weights is not None:
            _check_weights(self.weights, self.segments)
            # Files from before there was a choice do not say it.
            object.__setattr__(self, "shot_torsion", self.shot_torsion or "phi")
        if self.box is not None:
            object.__setattr__(self, "box", np.ascontiguousarray(self.box, dtype=np.float32))
            _check_box(self.box, self.n_frames)

    @property
    def positions(self) -> np.ndarray:
        """All frames one after the other, (sum of T, N, 3) float32, nm, as `lagged_windows` counts."""
        parts = [np.asarray(segment) for segment in self.segments]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @property
    def n_frames(self) -> int:
        """Number of frames of all segments."""
        return sum(len(segment) for segment in self.segments)

    @property
    def length_ps(self) -> float:
        """Physical time within the segments, ps: an unbroken segment of T frames lasts T - 1 spacings."""
        return (self.n_frames - len(self.segments)) * self.frame_spacing_ps

    def frames(self, indices: ArrayLike) -> np.ndarray:
        """The frames of indices, as `lagged_windows` gives them, without reading the others.

        Parameters
        ----------
        indices : int array of any shape, into the frames of all segments end to end

        Returns
        -------
        (*indices.shape, N, 3) float32, nm
        """
        indices = np.asarray(indices)
        flat = indices.ravel()
        starts = np.cumsum([0, *map(len, self.segments)])
        owner = np.searchsorted(starts, flat, side="right") - 1
        found = np.empty((len(flat), len(self.molecule), 3), np.float32)
        for number in np.unique(owner):
            chosen = owner == number
            found[chosen] = self.segments[number][flat[chosen] - starts[number]]
        return found.reshape(*indices.shape, *found.shape[1:])

    def boxes(self, indices: ArrayLike) -> np.ndarray:
        """Box vectors of the frames of indices of any shape, (*indices.shape, 3, 3) float32, nm; zeros
        where the system is not periodic.
        """
        indices = np.asarray(indices)
        if self.box is not None and self.box.ndim == 3:
            return self.box[indices]
        box = np.zeros((3, 3), np.float32) if self.box is None else self.box
        return np.broadcast_to(box, (*indices.shape, 3, 3))


def _plain(segment):
    """A segment as float32; one that reads itself piece by piece is left alone."""
    if isinstance(segment, np.ndarray) or not hasattr(segment, "shape"):
        return np.ascontiguousarray(segment, dtype=np.float32)
    return segment


def _check_segment(name: str, segment, n_atoms: int) -> None:
    if len(segment.shape) != 3 or segment.shape[1:] != (n_atoms, 3):
        raise TrajectoryError(
            f"Trajectory: {name} has shape {segment.shape}; expected (frames, {n_atoms}, 3) for a"
            f" molecule of {n_atoms} atoms; load it with the topology it was made with."
        )
    if len(segment) < 2:
        raise TrajectoryError(
            f"Trajectory: {name} is too short; expected at least 2 frames, found {len(segment)}; "
            "leave it out or make a longer one."
        )
    # A store looks at its chunks once, together with their checksums.
    finite = np.isfinite(segment) if isinstance(segment, np.ndarray) else np.array(True)
    if not finite.all():
        frame, atom, _ = np.argwhere(~finite)[0]
        raise TrajectoryError(
            f"Trajectory: {name}, frame {frame}, atom {atom} has a position that is not finite;"
            " expected numbers in nm; repair or cut the source there."
        )


def _check_weights(weights: np.ndarray, segments) -> None:
    if weights.shape != (len(segments), 2) or any(len(segment) != 2 for segment in segments):
        raise TrajectoryError(
            f"Trajectory: weights of shape {weights.shape}; expected ({len(segments)}, 2), for segments of"
            " two frames; make the file again."
        )
    if not (np.isfinite(weights).all() and (weights > 0).all()):
        raise TrajectoryError(
            "Trajectory: expected weights that are positive and finite, found others; make the file again."
        )


def _check_box(box: np.ndarray, n_frames: int) -> None:
    if box.shape not in ((3, 3), (n_frames, 3, 3)):
        raise TrajectoryError(
            f"Trajectory: box vectors of shape {box.shape}; expected (3, 3) or ({n_frames}, 3, 3), one for"
            " each frame; give the box of the source."
        )
    if not (np.isfinite(box).all() and (np.abs(np.linalg.det(box)) > 0).all()):
        raise TrajectoryError(
            "Trajectory: expected box vectors that are finite and span a volume, found others; give the true"
            " box, or none where the system is not periodic."
        )


def fingerprint(trajectories) -> str:
    """SHA-256, hex, of a set of trajectories: the same for the same sources in any order."""
    digests = sorted(trajectory.source_sha256 for trajectory in trajectories)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def require_same_molecule(trajectories) -> Particles:
    """The one molecule of all trajectories.

    Raises
    ------
    MoleculeError
        If one differs in its number of atoms, or in element, atom or residue name of any; masses may differ,
        as they do not change what the atoms are.
    """
    first = trajectories[0].molecule
    for index, trajectory in enumerate(trajectories[1:], start=1):
        difference = first_difference(first, trajectory.molecule)
        if difference:
            raise MoleculeError(
                f"Trajectory: number {index} is of another molecule than number 0; {difference}; "
                "load trajectories of one molecule, atoms in one order."
            )
    return first


def first_difference(expected: Particles, found: Particles) -> str | None:
    """The first atom in which two molecules differ, as a phrase `expected ..., found ...`; None if there is
    none.
    """
    if len(expected) != len(found):
        return f"expected {len(expected)} atoms, found {len(found)}"
    for atom in range(len(expected)):
        ours, theirs = (
            f"{m.types[atom]} {m.residue_names[atom]}:{m.atom_names[atom]} of residue"
            f" {m.residue_indices[atom]}"
            for m in (expected, found)
        )
        if ours != theirs:
            return f"atom {atom}: expected {ours}, found {theirs}"
    return None
