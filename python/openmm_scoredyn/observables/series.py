"""What observables see in every frame of one side, and the file that keeps it: small enough to ship."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import CHUNK_FRAMES, Observable, Sample

RADIANS_PER_COUNT = 1e-4
FORMAT_VERSION = "2.0"
_PREFIX = "values/"


@dataclass(frozen=True, eq=False)
class Observations:
    """Numbers of every frame of unbroken, unsteered trajectories of one set of particles.

    Attributes
    ----------
    values : by the name of an observable, (frames, F) float32; trajectories one after the other
    lengths : frames of each unbroken trajectory
    frame_spacing_ps : float
    temperature_K : float or None where unknown
    particles : Particles
    periodic : bool
    conditions : force field, solvent and sources, as their files say them
    statistics : by the name of an observable whose numbers are not kept, what it was fitted to and its
        estimates by quantity, JSON-ready
    """

    values: dict[str, np.ndarray]
    lengths: tuple[int, ...]
    frame_spacing_ps: float
    temperature_K: float | None
    particles: Particles
    periodic: bool = False
    conditions: dict = field(default_factory=dict)
    statistics: dict = field(default_factory=dict)

    def __post_init__(self):
        if not self.lengths or min(self.lengths) < 2 or not self.frame_spacing_ps > 0:
            raise TrajectoryError(
                "Observations: expected trajectories of at least 2 frames and a positive spacing, found"
                f" lengths {sorted(self.lengths)[:3]} and {self.frame_spacing_ps} ps; leave the short ones"
                " out."
            )
        for name, values in self.values.items():
            values = np.asarray(values, dtype=np.float32)
            self.values[name] = values
            if values.ndim != 2 or len(values) != sum(self.lengths) or not np.isfinite(values).all():
                raise TrajectoryError(
                    f"Observations: the numbers of {name} do not fit; expected finite ones of shape"
                    f" ({sum(self.lengths)}, F), found shape {values.shape}; leave it out."
                )

    @property
    def num_frames(self) -> int:
        return sum(self.lengths)

    @property
    def length_ns(self) -> float:
        """Physical time within the trajectories, ns."""
        return (self.num_frames - len(self.lengths)) * self.frame_spacing_ps / 1000.0

    def sample(self, name: str) -> Sample:
        """The numbers of one observable."""
        return Sample(self.values[name], self.lengths, self.frame_spacing_ps)

    def every(self, stride: int) -> "Observations":
        """Every `stride`-th frame of each trajectory."""
        if stride == 1:
            return self
        starts = np.cumsum([0, *self.lengths])
        kept = np.concatenate([np.arange(a, b, stride) for a, b in pairwise(starts)])
        return replace(
            self,
            values={name: values[kept] for name, values in self.values.items()},
            lengths=tuple(-(-length // stride) for length in self.lengths),
            frame_spacing_ps=self.frame_spacing_ps * stride,
        )

    @classmethod
    def from_trajectories(
        cls, trajectories: Sequence[Trajectory], observables: Sequence[Observable]
    ) -> "Observations":
        """What the observables see in all unsteered trajectories.

        Raises
        ------
        TrajectoryError
            If all are steered, or spacings or temperatures differ.
        MoleculeError
            If they are of different particles.
        """
        free = unsteered(trajectories)
        first = free[0]
        for other in free[1:]:
            _require_equal("frame spacings (ps)", first.frame_spacing_ps, other.frame_spacing_ps)
            _require_equal("temperatures (K)", first.temperature_K, other.temperature_K)
            require_same_particles(first.molecule, other.molecule)
        parts: dict[str, list[np.ndarray]] = {observable.name: [] for observable in observables}
        for positions, boxes in _chunks(free):
            for observable in observables:
                parts[observable.name].append(observable.features(positions, boxes).astype(np.float32))
        return cls(
            values={name: np.concatenate(found) for name, found in parts.items()},
            lengths=tuple(len(segment) for trajectory in free for segment in trajectory.segments),
            frame_spacing_ps=first.frame_spacing_ps,
            temperature_K=first.temperature_K,
            particles=first.molecule,
            periodic=first.box is not None,
            conditions={
                "force_field": first.force_field,
                "solvent": first.solvent,
                "source_sha256": [trajectory.source_sha256 for trajectory in free],
            },
        )


def unsteered(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The free trajectories; raises `TrajectoryError` where there is none."""
    free = [trajectory for trajectory in trajectories if not trajectory.steered]
    if not free:
        raise TrajectoryError(
            "Observations: every trajectory is steered; expected free ones, whose populations mean something;"
            " give unsteered trajectories."
        )
    return free


def require_same_particles(first: Particles, other: Particles) -> None:
    """Raise `MoleculeError` unless the types of both are the same, in order."""
    if list(first.types) != list(other.types):
        raise MoleculeError(
            f"compare: the two sides are of different particles; expected {len(first)} of types"
            f" {' '.join(first.types[:40])}, found {len(other)} of {' '.join(other.types[:40])}; compare"
            " trajectories of the same particles in the same order."
        )


def _require_equal(what: str, first, other) -> None:
    if first != other:
        raise TrajectoryError(
            f"Observations: {what} differ; expected one for all, found {first} and {other}; compare them"
            " one by one."
        )


def _chunks(trajectories: Sequence[Trajectory]):
    """Positions and boxes of pieces that fit into memory with all that is made of them."""
    for trajectory in trajectories:
        first = 0
        for segment in trajectory.segments:
            for start in range(0, len(segment), CHUNK_FRAMES):
                positions = np.asarray(segment[start : start + CHUNK_FRAMES])
                frames = first + start + np.arange(len(positions))
                yield positions, trajectory.boxes(frames)
            first += len(segment)


def save_observations(path: str | Path, observations: Observations, keep: Sequence[str]) -> None:
    """Write the numbers of the observables to keep, angles, as compressed int16 multiples of 1e-4 rad, with
    the statistics of all others; atomically; raises `OutputError`.
    """
    description = {
        "format_version": FORMAT_VERSION,
        "frame_spacing_ps": observations.frame_spacing_ps,
        "temperature_K": observations.temperature_K,
        "particles": observations.particles.to_dict(),
        "periodic": observations.periodic,
        "conditions": observations.conditions,
        "statistics": observations.statistics,
    }
    counts = {
        f"{_PREFIX}{name}": np.round(observations.values[name].astype(np.float64) / RADIANS_PER_COUNT)
        for name in keep
    }
    content = io.BytesIO()
    np.savez_compressed(
        content,
        allow_pickle=False,
        lengths=np.array(observations.lengths, dtype=np.int64),
        description=np.array(json.dumps(description, sort_keys=True)),
        **{name: values.astype(np.int16) for name, values in counts.items()},
    )

    def write(file: BinaryIO) -> None:
        file.write(content.getvalue())

    write_atomically(path, write)


def is_observations(path: str | Path) -> bool:
    """Whether a file was written by `save_observations` (and holds no positions)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            files = getattr(archive, "files", ())
            return "description" in files and "lengths" in files and "positions" not in files
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def load_observations(path: str | Path) -> Observations:
    """Read what `save_observations` wrote.

    Raises
    ------
    TrajectoryError
        If the file cannot be read, is truncated, or of another major format version.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            description = json.loads(str(archive["description"]))
            version = str(description["format_version"])
            if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
                raise TrajectoryError(
                    f"Observations: {path} has format version {version}; expected {FORMAT_VERSION}; make it"
                    " again with `scoredyn reference`."
                )
            values = {
                name.removeprefix(_PREFIX): archive[name].astype(np.float32) * np.float32(RADIANS_PER_COUNT)
                for name in archive.files
                if name.startswith(_PREFIX)
            }
            lengths = tuple(map(int, archive["lengths"]))
        return Observations(
            values,
            lengths,
            description["frame_spacing_ps"],
            description["temperature_K"],
            Particles.from_dict(description["particles"]),
            description["periodic"],
            description["conditions"],
            description["statistics"],
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrajectoryError(
            f"Observations: cannot read {path} ({error}); expected a file written by `scoredyn reference`;"
            " make it again."
        ) from None
