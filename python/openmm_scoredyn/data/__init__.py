"""Trajectories: reading, windows of frames, splitting, and the stores they are written to."""

from openmm_scoredyn.data.cutting import beginning, cut, discard, divide, reordered
from openmm_scoredyn.data.loading import load
from openmm_scoredyn.data.mdtraj_bridge import iterate_mdtraj
from openmm_scoredyn.data.packing import pack
from openmm_scoredyn.data.same_data import (
    check_training_data,
    opening_digest,
    require_apart,
    require_one_temperature,
    shared_openings,
)
from openmm_scoredyn.data.split import Split, split_by_molecule, split_by_time, split_by_trajectory
from openmm_scoredyn.data.store import save_archive
from openmm_scoredyn.data.trajectory import (
    Trajectory,
    fingerprint,
    first_difference,
    require_same_molecule,
)
from openmm_scoredyn.data.windows import fewest_frames, frames_per_lag, lagged_windows, windows_of_all_lags

__all__ = [
    "Split",
    "Trajectory",
    "beginning",
    "check_training_data",
    "cut",
    "discard",
    "divide",
    "fewest_frames",
    "fingerprint",
    "first_difference",
    "frames_per_lag",
    "iterate_mdtraj",
    "lagged_windows",
    "load",
    "opening_digest",
    "pack",
    "reordered",
    "require_apart",
    "require_one_temperature",
    "require_same_molecule",
    "save_archive",
    "shared_openings",
    "split_by_molecule",
    "split_by_time",
    "split_by_trajectory",
    "windows_of_all_lags",
]
