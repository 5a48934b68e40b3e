"""A network for beads that do not see each other: three directions alike, a linear map for each type."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from openmm_scoredyn.networks.protocol import Architecture, Recipe, load_weights, only


@dataclass(frozen=True)
class FreeBeadsConfig:
    """As of every network that knows a history and a box."""

    width: int = 16
    history_length: int = 3
    periodic: bool = True


class FreeBeadsNetwork(nn.Module):
    """Output: the noised displacement and those of the history, each times a function of type and noise
    level. The best denoiser of a Gaussian process of free beads is of this form.
    """

    latent_type = "vector"
    symmetric = True
    loss_weight = 1.0

    def __init__(self, config: FreeBeadsConfig, particles):
        super().__init__()
        types = sorted(set(particles.types))
        one_hot = torch.eye(len(types))[[types.index(kind) for kind in particles.types]]
        self.register_buffer("types", one_hot)
        self.register_buffer("spread", torch.ones(len(particles), 1))  # of displacements, nm
        self.factors = nn.Sequential(
            nn.Linear(len(types) + 1, config.width),
            nn.SiLU(),
            nn.Linear(config.width, config.width),
            nn.SiLU(),
            nn.Linear(config.width, config.history_length),
        )

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """Displacements before, (B, H - 1, N, 3), of unit variance."""
        return [(history[:, 1:] - history[:, :-1]) / self.spread]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, 3 N)."""
        types = self.types.expand(level.shape[0], -1, -1)
        levels = level[:, None, None].expand(-1, types.shape[1], 1)
        factors = self.factors(torch.cat([types, levels], dim=2))
        seen = torch.cat([latent.unflatten(1, [-1, 3])[:, None], condition[0]], dim=1)
        return torch.einsum("bnk,bknx->bnx", factors, seen).flatten(1)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """The newest frame, moved."""
        return history[:, -1] + latent.unflatten(1, [-1, 3]) * self.spread

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Displacements of unit variance."""
        return ((after - before) / self.spread).flatten(1)

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise as it is: every latent means something."""
        return eps


class FreeBeads(Architecture):
    """Entry of the registry."""

    config = FreeBeadsConfig
    recipe = Recipe()

    def fit(self, config, examples):
        """A fresh network that knows how far each bead moves."""
        known = only(examples, "free_beads")
        network = FreeBeadsNetwork(config, known.particles)
        network.spread.copy_((known.after - known.before).square().mean(dim=(0, 2))[:, None].sqrt())
        return network

    def restore(self, config, particles, weights):
        """The network of a state dict."""
        return load_weights(FreeBeadsNetwork(config, particles), weights)


ARCHITECTURE = FreeBeads()
