"""Long runs that survive a kill: one simulation with reporters, or many replicas in one batch."""

from openmm_scoredyn.running.replicas import run_replicas
from openmm_scoredyn.running.single import run_simulation
from openmm_scoredyn.running.unguarded import unguarded

__all__ = ["run_replicas", "run_simulation", "unguarded"]
