"""From which noise levels a network learns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_scoredyn.errors import TrainingError


@dataclass(frozen=True)
class NoiseLevels:
    """Distribution of sigma in training.

    Attributes
    ----------
    kind : {"log_normal", "log_uniform"}
        ln(sigma) normal (Karras et al. 2022) or uniform (Score Dynamics: 2023, with ln(alpha/sigma) in
        [-5.02, 4.56]).
    low, high : float
        Mean and standard deviation, or least and greatest value, of ln(sigma).
    """

    kind: str = "log_normal"
    low: float = 0.3
    high: float = 1.3

    def __post_init__(self):
        if self.kind not in ("log_normal", "log_uniform"):
            raise TrainingError(
                f"NoiseLevels: unknown kind; expected 'log_normal' or 'log_uniform', found {self.kind!r};"
                " choose one."
            )

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` noise levels, (count,)."""
        if self.kind == "log_normal":
            return torch.exp(self.low + self.high * torch.randn(count, generator=generator))
        return torch.exp(self.low + (self.high - self.low) * torch.rand(count, generator=generator))
