"""Dihedral series: phi and psi of trajectories, small enough to ship, and all that most comparisons need."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.geometry import phi_psi

RADIANS_PER_COUNT = 1e-4
FORMAT_VERSION = "1.0"


@dataclass(frozen=True, eq=False)
class DihedralSeries:
    """phi and psi of unbroken, unsteered trajectories of one molecule under one set of conditions.

    Attributes
    ----------
    angles : tuple of (T, 2) float32 arrays, phi and psi, rad; one array per unbroken trajectory
    frame_spacing_ps : float
    temperature_K : float or None where unknown
    metadata : JSON-ready, free: molecule, force field, solvent, sources, `geometry` statistics
    """

    angles: tuple[np.ndarray, ...]
    frame_spacing_ps: float
    temperature_K: float | None = None
    metadata: dict = field(default_factory=dict)

    def __post_init__(self):
        angles = tuple(np.asarray(angle, dtype=np.float32) for angle in self.angles)
        object.__setattr__(self, "angles", angles)
        for index, angle in enumerate(angles):
            if angle.ndim != 2 or angle.shape[1] != 2 or len(angle) < 2 or not np.isfinite(angle).all():
                raise TrajectoryError(
                    f"DihedralSeries: trajectory {index} does not fit; expected finite angles of shape"
                    f" (frames, 2) with at least 2 frames, found shape {angle.shape}; leave it out."
                )
        if not angles or not self.frame_spacing_ps > 0:
            raise TrajectoryError(
                "DihedralSeries: expected at least one trajectory and a positive spacing, found"
                f" {len(angles)} and {self.frame_spacing_ps} ps; check the source."
            )

    @property
    def num_frames(self) -> int:
        return sum(len(angle) for angle in self.angles)

    @property
    def length_ns(self) -> float:
        """Physical time within the trajectories, ns."""
        return (self.num_frames - len(self.angles)) * self.frame_spacing_ps / 1000.0

    def every(self, stride: int) -> "DihedralSeries":
        """Every `stride`-th frame."""
        if stride == 1:
            return self
        return replace(
            self,
            angles=tuple(a[::stride] for a in self.angles),
            frame_spacing_ps=self.frame_spacing_ps * stride,
        )

    @classmethod
    def from_trajectories(cls, trajectories: Sequence[Trajectory]) -> "DihedralSeries":
        """phi and psi of all unsteered trajectories.

        Raises
        ------
        TrajectoryError
            If all are steered, or spacings or temperatures differ.
        """
        free = [trajectory for trajectory in trajectories if not trajectory.steered]
        if not free:
            raise TrajectoryError(
                "DihedralSeries: every trajectory is steered; expected free ones, whose populations mean"
                " something; give unsteered trajectories."
            )
        first = free[0]
        for other in free[1:]:
            _require_equal("frame spacings (ps)", first.frame_spacing_ps, other.frame_spacing_ps)
            _require_equal("temperatures (K)", first.temperature_K, other.temperature_K)
        return cls(
            angles=tuple(phi_psi(segment, t.molecule) for t in free for segment in t.segments),
            frame_spacing_ps=first.frame_spacing_ps,
            temperature_K=first.temperature_K,
            metadata={
                "molecule": first.molecule.to_dict(),
                "force_field": first.force_field,
                "solvent": first.solvent,
                "source_sha256": [trajectory.source_sha256 for trajectory in free],
            },
        )

    @classmethod
    def merged(cls, series: Sequence["DihedralSeries"]) -> "DihedralSeries":
        """All trajectories of several series of one spacing and temperature; metadata of the first."""
        for other in series[1:]:
            _require_equal("frame spacings (ps)", series[0].frame_spacing_ps, other.frame_spacing_ps)
            _require_equal("temperatures (K)", series[0].temperature_K, other.temperature_K)
        return replace(series[0], angles=tuple(angle for one in series for angle in one.angles))


def _require_equal(what: str, first, other) -> None:
    if first != other:
        raise TrajectoryError(
            f"DihedralSeries: {what} differ; expected one for all, found {first} and {other}; compare them"
            " one by one."
        )


def save_series(path: str | Path, series: DihedralSeries) -> None:
    """Write a series as compressed int16 multiples of 1e-4 rad, atomically; raises `OutputError`."""
    counts = np.round(np.concatenate(series.angles).astype(np.float64) / RADIANS_PER_COUNT).astype(np.int16)
    description = {
        "format_version": FORMAT_VERSION,
        "frame_spacing_ps": series.frame_spacing_ps,
        "temperature_K": series.temperature_K,
        "metadata": series.metadata,
    }
    content = io.BytesIO()
    np.savez_compressed(
        content,
        dihedrals=counts,
        lengths=np.array([len(angle) for angle in series.angles], dtype=np.int64),
        description=np.array(json.dumps(description, sort_keys=True)),
    )
    write_atomically(path, lambda file: file.write(content.getvalue()))


def is_series(path: str | Path) -> bool:
    """Whether a file is a dihedral series (and not positions)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return "dihedrals" in getattr(archive, "files", ())
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def load_series(path: str | Path) -> DihedralSeries:
    """Read what `save_series` wrote.

    Raises
    ------
    TrajectoryError
        If the file cannot be read, is truncated, or of another major format version.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            counts, lengths = archive["dihedrals"], archive["lengths"]
            description = json.loads(str(archive["description"]))
        version = description["format_version"]
        if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise TrajectoryError(
                f"DihedralSeries: {path} has format version {version}; expected {FORMAT_VERSION}; update the"
                " package."
            )
        angles = np.split(counts.astype(np.float32) * np.float32(RADIANS_PER_COUNT), np.cumsum(lengths)[:-1])
        return DihedralSeries(
            tuple(angles),
            description["frame_spacing_ps"],
            description["temperature_K"],
            description["metadata"],
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrajectoryError(
            f"DihedralSeries: cannot read {path} ({error}); expected a file written by save_series; make it"
            " again."
        ) from None
