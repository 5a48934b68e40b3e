"""Trajectories: reading, pairing, splitting, and the reference molecular dynamics that makes them."""

from openmm_scoredyn.data.cutting import cut, discard
from openmm_scoredyn.data.loading import load
from openmm_scoredyn.data.packing import pack
from openmm_scoredyn.data.split import Split, split_by_trajectory
from openmm_scoredyn.data.store import archive_guard, save_archive
from openmm_scoredyn.data.trajectory import Trajectory, fingerprint, require_same_molecule
from openmm_scoredyn.data.windows import frames_per_lag, lagged_pairs

__all__ = [
    "Split",
    "Trajectory",
    "archive_guard",
    "cut",
    "discard",
    "fingerprint",
    "frames_per_lag",
    "lagged_pairs",
    "load",
    "pack",
    "require_same_molecule",
    "save_archive",
    "split_by_trajectory",
]
