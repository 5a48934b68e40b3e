"""Long runs that survive a kill: one simulation with reporters, or many replicas in one batch."""

from openmm_scoredyn.dynamics.replicas import run_replicas, store_guard
from openmm_scoredyn.dynamics.single import run_simulation

__all__ = ["run_replicas", "run_simulation", "store_guard"]
