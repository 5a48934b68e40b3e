"""Long runs that survive a kill: one simulation with reporters, many replicas in one batch, or an ensemble of
batches on a cluster.
"""

from openmm_scoredyn.dynamics.cluster import open_cluster
from openmm_scoredyn.dynamics.ensemble import run_ensemble
from openmm_scoredyn.dynamics.replicas import run_replicas, store_guard
from openmm_scoredyn.dynamics.single import run_simulation

__all__ = ["open_cluster", "run_ensemble", "run_replicas", "run_simulation", "store_guard"]
