"""Trajectories: reading, windows of frames, splitting, and the stores they are written to."""

from openmm_scoredyn.data.cutting import cut, discard, divide
from openmm_scoredyn.data.loading import load
from openmm_scoredyn.data.packing import pack
from openmm_scoredyn.data.split import Split, split_by_molecule, split_by_time, split_by_trajectory
from openmm_scoredyn.data.store import archive_guard, save_archive
from openmm_scoredyn.data.trajectory import Trajectory, fingerprint, require_same_molecule
from openmm_scoredyn.data.windows import frames_per_lag, lagged_windows

__all__ = [
    "Split",
    "Trajectory",
    "archive_guard",
    "cut",
    "discard",
    "divide",
    "fingerprint",
    "frames_per_lag",
    "lagged_windows",
    "load",
    "pack",
    "require_same_molecule",
    "save_archive",
    "split_by_molecule",
    "split_by_time",
    "split_by_trajectory",
]
