"""What a molecule-frame model diffuses: whitened internal coordinates of the next conformation."""

from dataclasses import fields

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.networks.molecule_frame.scales import ConformationScales, change_of

HARMONICS = 3  # a methyl rotor is threefold


class ConformationLatent(nn.Module):
    """Map between pairs of conformations and latents of zero mean and unit covariance.

    Stiff coordinates (bonds, angles, impropers) enter as deviation from their mean, for a picosecond forgets
    their vibration; soft dihedrals enter as displacement from the condition. Constrained coordinates are left
    out and return exactly.

    Parameters
    ----------
    molecule : Particles
    scales : ConformationScales, C coordinates of which D move
    """

    periodic: Tensor
    soft: Tensor
    origin: Tensor
    centre: Tensor
    whiten: Tensor
    unwhiten: Tensor
    feature_scale: Tensor
    feature_rows: Tensor
    soft_rows: Tensor
    order: Tensor
    soft_noise: Tensor

    def __init__(self, molecule: Particles, scales: ConformationScales):
        super().__init__()
        self.coordinates = InternalCoordinates(molecule)
        for field in fields(scales):
            self.register_buffer(field.name, getattr(scales, field.name))
        self.dimension = scales.whiten.shape[1]
        self.register_buffer("feature_rows", (scales.feature_scale > 0).nonzero()[:, 0])
        self.register_buffer("soft_rows", scales.soft.nonzero()[:, 0])
        self.register_buffer("order", torch.arange(1.0, HARMONICS + 1)[None, :, None])
        self.register_buffer(
            "soft_noise", torch.linalg.vector_norm(scales.unwhiten[:, self.soft_rows], dim=0)
        )

    @torch.jit.export
    def encode(self, old: Tensor, new: Tensor, growth: Tensor | None = None) -> Tensor:
        """Latents (B, D) of pairs of measured coordinates (B, C).

        `growth` (B, C), here and below: of the lag time of each pair, as `LagRange.spread`; one lag time has
        none.
        """
        change = change_of(old, new, self.origin, self.soft, self.periodic) - self.centre
        return (change if growth is None else change / growth) @ self.whiten

    @torch.jit.export
    def decode(self, latent: Tensor, old: Tensor, growth: Tensor | None) -> Tensor:
        """Measured coordinates (B, C) one lag time after `old` (B, C); inverse of `encode`."""
        change = latent @ self.unwhiten
        if growth is not None:
            change = change * growth
        return change + self.centre + torch.where(self.soft, old, self.origin)

    @torch.jit.export
    def features(self, old: Tensor) -> Tensor:
        """What the network sees of the condition (B, C): scaled stiff deviations, harmonics of the soft
        dihedrals.
        """
        stiff = old - self.origin
        stiff = (torch.where(self.periodic, wrap(stiff), stiff) * self.feature_scale).index_select(
            1, self.feature_rows
        )
        angle = old.index_select(1, self.soft_rows).unsqueeze(1) * self.order
        return torch.cat([stiff, torch.sin(angle).flatten(1), torch.cos(angle).flatten(1)], dim=1)

    @torch.jit.export
    def phases(self, old: Tensor) -> Tensor:
        """Where the harmonics of `destination` stand for a latent of zero (B, H), rad: sines, then cosines as
        sines.
        """
        angle = ((old + self.centre).index_select(1, self.soft_rows).unsqueeze(1) * self.order).flatten(1)
        return torch.cat([angle, angle + torch.pi / 2], dim=1)

    @torch.jit.export
    def destination(self, latent: Tensor, variance: Tensor, phases: Tensor, growth: Tensor | None) -> Tensor:
        """Harmonics (B, H) of the soft dihedrals that a noised latent (B, D) leads to, from `phases` (B, H),
        at noise levels whose squares are `variance` (B,).

        Each is damped to what the noise leaves of it on average, exp(-(k s)^2 / 2) for harmonic k and spread
        s.
        """
        # Constants, which freezing computes once.
        turns = (self.unwhiten[:, self.soft_rows][:, None] * self.order).flatten(1)
        rates = (-0.5 * (self.order * self.soft_noise) ** 2).flatten(1)
        if growth is None:
            turned = torch.addmm(phases, latent, torch.cat([turns, turns], dim=1))
            return torch.sin(turned) * torch.exp(variance.unsqueeze(1) * torch.cat([rates, rates], dim=1))
        grown = growth.index_select(1, self.soft_rows).repeat(1, self.order.shape[1])
        turn, damping = (latent @ turns) * grown, rates * grown * grown * variance.unsqueeze(1)
        turned = phases + torch.cat([turn, turn], dim=1)
        return torch.sin(turned) * torch.exp(torch.cat([damping, damping], dim=1))
