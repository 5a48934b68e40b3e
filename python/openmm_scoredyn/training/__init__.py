"""Training: from trajectories to a checkpoint that can be exported."""

from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.training.checkpoint import load_checkpoint
from openmm_scoredyn.training.config import (
    DistillationConfig,
    OptimizationConfig,
    TrainingConfig,
)
from openmm_scoredyn.training.fit import train

__all__ = [
    "DistillationConfig",
    "NetworkChoice",
    "OptimizationConfig",
    "TrainingConfig",
    "load_checkpoint",
    "train",
]
