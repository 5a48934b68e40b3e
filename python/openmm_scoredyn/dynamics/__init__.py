"""Long runs that survive a kill: one simulation with reporters, or many replicas in one batch."""

from openmm_scoredyn.dynamics.replicas import run_replicas, store_guard
from openmm_scoredyn.dynamics.single import run_simulation
from openmm_scoredyn.dynamics.unguarded import unguarded

__all__ = ["run_replicas", "run_simulation", "store_guard", "unguarded"]
