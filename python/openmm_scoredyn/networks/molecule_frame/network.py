"""Network (a): a residual perceptron on the molecule's own internal coordinates. The default for one
molecule.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.networks.molecule_frame.conformation import ConformationLatent

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

    def __init__(self, conformation: ConformationLatent, width: int = 256, blocks: int = 4, flags: int = 0):
        super().__init__()
        self.conformation = conformation
        self.dimension = conformation.dimension
        self.measured = conformation.origin.numel()
        self.padding = -self.dimension % 3
        self.harmonics = 2 * conformation.order.numel() * len(conformation.soft_rows)
        self.features = len(conformation.feature_rows) + self.harmonics
        self.seen = self.measured + self.features + self.harmonics
        inputs = self.dimension + self.features + self.harmonics + 5 + flags
        self.inlet = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.outlet = nn.Linear(width, self.dimension)
        weight = 1 + (SOFT_WEIGHT - 1) * functional.pad(self._soft_latents(), [0, self.padding]).unflatten(
            0, [-1, 3]
        )
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

    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Raw output (B, M, 3) for scaled latents (B, M, 3), level ln(sigma)/4 (B,), history
        (B, H, N, 3) nm.
        """
        return self.predict(latent, level, self.condition(history, box))

    @torch.jit.export
    def condition(self, history: Tensor, box: Tensor) -> Tensor:
        """What a step needs of the history (B, S): coordinates of its newest frame, their features and
        phases.
        """
        old = self.conformation.coordinates(history[:, -1])
        return torch.cat([old, self.conformation.features(old), self.conformation.phases(old)], dim=1)

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Raw output (B, M, 3) from scaled latents (B, M, 3), level ln(sigma)/4 (B,) and condition (B, S)."""
        raw = self.predict_flat(latent.flatten(1)[:, : self.dimension], level, condition)
        return functional.pad(raw, [0, self.padding]).unflatten(1, [-1, 3])

    @torch.jit.export
    def predict_flat(self, flat: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Raw output (B, D) from scaled latents (B, D), level ln(sigma)/4 (B,) and condition
        (B, S + flags).
        """
        variance = torch.exp(8 * level)
        noised = flat * torch.sqrt(1 + variance).unsqueeze(1)
        phases = condition[:, self.measured + self.features : self.seen]
        wave = level.unsqueeze(1) * (self.conformation.order[0, :2, 0] * (0.5 * torch.pi))
        parts = [
            flat,
            condition[:, self.measured : self.measured + self.features],
            self.conformation.destination(noised, variance, phases),
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
    def latent(self, before: Tensor, after: Tensor) -> Tensor:
        """Latents (B, M, 3) of pairs of positions (B, N, 3), nm."""
        coordinates = self.conformation.coordinates
        flat = self.conformation.encode(coordinates(before), coordinates(after))
        return functional.pad(flat, [0, self.padding]).unflatten(1, [-1, 3])

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: Tensor) -> Tensor:
        """Noise (B, M, 3) without its padding."""
        flat = eps.flatten(1)[:, : self.dimension]
        return functional.pad(flat, [0, self.padding]).unflatten(1, [-1, 3])

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.advance_conditioned(latent, self.conformation.coordinates(history[:, -1]), history, box)

    @torch.jit.export
    def advance_conditioned(self, latent: Tensor, condition: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """`advance`, from what `condition` returned (B, C + ...)."""
        flat = latent.flatten(1)[:, : self.dimension]
        new = self.conformation.decode(flat, condition[:, : self.measured])
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
