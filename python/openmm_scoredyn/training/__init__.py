"""Training: from trajectories to a checkpoint that can be exported."""

from openmm_scoredyn.training.checkpoint import load_checkpoint
from openmm_scoredyn.training.config import NetworkConfig, OptimizationConfig, TrainingConfig
from openmm_scoredyn.training.fit import train

__all__ = ["NetworkConfig", "OptimizationConfig", "TrainingConfig", "load_checkpoint", "train"]
