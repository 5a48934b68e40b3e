"""Long runs that survive a kill: one simulation with reporters, or many replicas in one batch."""

from openmm_scoredyn.running.replicas import run_replicas
from openmm_scoredyn.running.single import run_simulation

__all__ = ["run_replicas", "run_simulation"]
