"""Network (a): a residual perceptron on the molecule's own internal coordinates. The default for one
molecule.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.networks.molecule_frame.conformation import ConformationLatent
from openmm_scoredyn.networks.molecule_frame.lags import FEATURES as LAG_FEATURES
from openmm_scoredyn.networks.molecule_frame.lags import LagRange

# The stiff latents are nearly independent normals, of which there is little to learn: without a weight their
# noise drowns the gradient of the few soft ones. The optimum of each latent does not depend on it.
SOFT_WEIGHT = 8.0


class MoleculeFrameNetwork(nn.Module):
    """Raw output of a denoiser in the latent space of `ConformationLatent`.

    Every number the network sees is invariant under rotation and translation and changes sign where a mirror
    image would, so the model is SE(3)-symmetric and tells enantiomers apart by construction. It expects EDM
    preconditioning with sigma_data = 1 (Karras et al. 2022): latents are whitened.

    Parameters
    ----------
    conformation : ConformationLatent
    width, blocks : int
        Residual blocks of two linear layers.
    flags : int
        Numbers that follow the coordinates in the condition and are shown to the network as they are.
    """

    latent_type = "invariant"
    symmetric = True
    loss_weight: Tensor

    def __init__(self, conformation: ConformationLatent, width: int = 256, blocks: int = 4, flags: int = 0):
        super().__init__()
        self.conformation = conformation
        self.dimension = conformation.dimension
        self.measured = conformation.origin.numel()
        self.harmonics = 2 * conformation.order.numel() * len(conformation.soft_rows)
        self.features = len(conformation.feature_rows) + self.harmonics
        self.seen = self.measured + self.features + self.harmonics
        inputs = self.dimension + self.features + self.harmonics + 5 + flags
        self.inlet = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.outlet = nn.Linear(width, self.dimension)
        weight = 1 + (SOFT_WEIGHT - 1) * self._soft_latents()
        self.register_buffer("loss_weight", weight / weight.mean())
        nn.init.zeros_(self.outlet.weight)
        nn.init.zeros_(self.outlet.bias)

    @torch.jit.ignore
    def _soft_latents(self) -> Tensor:
        """1 for the latents (D,) that stand for a soft dihedral, 0 for the others."""
        conformation = self.conformation
        soft = torch.zeros(self.dimension)
        soft[conformation.whiten[conformation.soft_rows].abs().argmax(1)] = 1
        return soft

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """One tensor (B, S): coordinates of the newest frame of the history, their features and phases."""
        old = self.conformation.coordinates(history[:, -1])
        return [torch.cat([old, self.conformation.features(old), self.conformation.phases(old)], dim=1)]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, D) from scaled latents (B, D), level ln(sigma)/4 (B,) and condition (B, S)."""
        return self.predict_seen(latent, level, condition[0], None)

    @torch.jit.export
    def predict_seen(self, latent: Tensor, level: Tensor, condition: Tensor, growth: Tensor | None) -> Tensor:
        """Raw output (B, D) from scaled latents (B, D), level ln(sigma)/4 (B,) and condition
        (B, S + flags).
        """
        variance = torch.exp(8 * level)
        noised = latent * torch.sqrt(1 + variance).unsqueeze(1)
        phases = condition[:, self.measured + self.features : self.seen]
        wave = level.unsqueeze(1) * (self.conformation.order[0, :2, 0] * (0.5 * torch.pi))
        parts = [
            latent,
            condition[:, self.measured : self.measured + self.features],
            self.conformation.destination(noised, variance, phases, growth),
            level.unsqueeze(1),
            torch.sin(wave),
            torch.cos(wave),
            condition[:, self.seen :],
        ]
        hidden = self.inlet(torch.cat(parts, dim=1))
        for block in self.blocks:
            hidden = block(hidden)
        return self.outlet(self.norm(hidden))

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D) of pairs of positions (B, N, 3), nm."""
        coordinates = self.conformation.coordinates
        return self.conformation.encode(coordinates(before), coordinates(after), None)

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, D), all of which means something here."""
        return eps

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        new = self.conformation.decode(latent, condition[0][:, : self.measured], None)
        return self.conformation.coordinates.place(new, history[:, -1])


class LagRangeNetwork(MoleculeFrameNetwork):
    """The same for a range of lag times, which it is shown; changes are measured in what is usual for each.

    Parameters
    ----------
    lags : LagRange
    conformation, width, blocks : as `MoleculeFrameNetwork`
    """

    def __init__(self, lags: LagRange, conformation: ConformationLatent, width: int = 256, blocks: int = 4):
        super().__init__(conformation, width, blocks, flags=LAG_FEATURES)
        self.lags = lags

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """What the network of one lag time sees, with what it is shown of the lag time (B, S + flags); and
        how far the coordinates go in it (B, C).
        """
        old = self.conformation.coordinates(history[:, -1])
        shown = [old, self.conformation.features(old), self.conformation.phases(old)]
        shown.append(self.lags.features(lag_time_ps))
        return [torch.cat(shown, dim=1), self.lags.spread(lag_time_ps)]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, D) from scaled latents (B, D), level ln(sigma)/4 (B,) and condition."""
        return self.predict_seen(latent, level, condition[0], condition[1])

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D) of pairs of positions (B, N, 3), nm."""
        coordinates = self.conformation.coordinates
        return self.conformation.encode(coordinates(before), coordinates(after), condition[1])

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        new = self.conformation.decode(latent, condition[0][:, : self.measured], condition[1])
        return self.conformation.coordinates.place(new, history[:, -1])


class ResidualBlock(nn.Module):
    """x + W2 silu(W1 norm(x))."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, width)
        self.narrow = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Residual update of x (B, width)."""
        return x + self.narrow(functional.silu(self.widen(self.norm(x))))
