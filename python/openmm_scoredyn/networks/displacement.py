"""What an equivariant model diffuses: the displacement of the atoms over a lag time, without rigid motion,
whitened.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.small_matrices import inverse_3x3

MIN_SPREAD_NM = 5e-4  # a distance that a constraint holds is told from its mean to this


@dataclass(frozen=True)
class DisplacementScales:
    """Numbers fitted to N atoms.

    Attributes
    ----------
    spread : (N, N), nm; white latents times this are displacements
    distance, distance_spread : (N, N), nm, mean and standard deviation of the distance between two atoms
    """

    spread: Tensor
    distance: Tensor
    distance_spread: Tensor


def fit_displacement(molecule: Particles, before: Tensor, after: Tensor) -> DisplacementScales:
    """Fit on pairs one lag time apart, (P, N, 3) nm each, of the training part only.

    Raises
    ------
    TrainingError
        If there are fewer pairs than atoms.

    Notes
    -----
    The covariance of the displacements of two atoms is averaged over the three directions, as only that
    commutes with rotations. Whitening is symmetric on the correlation matrix (ZCA-cor), so each latent stays
    close to one atom. Atoms that move together thus get small relative noise, which stiff bonds need.
    """
    if len(before) < len(molecule):
        raise TrainingError(
            f"fit_displacement: too few pairs; expected at least {len(molecule)}, found {len(before)}; give"
            " longer trajectories."
        )
    before, after = before.double(), after.double()
    moved = superposed(after, before, mass_fractions(molecule).double()) - before
    covariance = torch.einsum("pia,pja->ij", moved, moved) / (3 * len(moved))
    deviation = covariance.diagonal().sqrt()
    values, vectors = torch.linalg.eigh(covariance / (deviation[:, None] * deviation))
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    lengths = torch.cdist(after, after)
    numbers = (deviation[:, None] * root, lengths.mean(0), lengths.std(0).clamp(min=MIN_SPREAD_NM))
    return DisplacementScales(*(number.float() for number in numbers))


class DisplacementLatent(nn.Module):
    """Map between latents (B, N, 3) of unit variance and displacements that neither move nor turn the
    molecule.

    Whole-body motion is left out: the next frame is first superposed on the one before, mass-weighted. What
    remains obeys sum m y = 0 and sum m x cross y = 0 (Eckart), six linear conditions on the latents given x.
    `internal` projects on them, orthogonally in latent space, so that noise stays white.
    """

    spread: Tensor
    gather: Tensor
    still: Tensor
    mass: Tensor
    axes: Tensor

    def __init__(self, molecule: Particles, scales: DisplacementScales):
        super().__init__()
        self.register_buffer("spread", scales.spread)
        gather = torch.linalg.pinv(scales.spread.double(), rtol=1e-5)
        self.register_buffer("gather", gather.float())
        self.register_buffer("still", (torch.eye(len(molecule)) - gather @ scales.spread.double()).float())
        self.register_buffer("mass", mass_fractions(molecule))
        self.register_buffer("axes", torch.eye(3))

    @torch.jit.export
    def centred(self, positions: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, about their centre of mass."""
        return positions - (positions * self.mass).sum(1, keepdim=True)

    @torch.jit.export
    def internal(self, latent: Tensor, positions: Tensor) -> Tensor:
        """The part of latents (B, N, 3) that neither moves nor turns `positions` (B, N, 3), which are
        centred, nm.
        """
        arms = torch.linalg.cross(self.axes[None, None], positions[:, :, None], dim=-1) * self.mass[..., None]
        turns = torch.matmul(self.spread.T, arms.flatten(2)).unflatten(2, [3, 3]).transpose(1, 2).flatten(2)
        overlap = torch.matmul(turns, turns.transpose(1, 2))
        # A molecule on a line has no turn about it; without the term that turn would divide by zero.
        overlap = overlap + 1e-7 * overlap.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * self.axes
        latent = latent - torch.matmul(self.still, latent)
        angles = torch.matmul(inverse_3x3(overlap), torch.matmul(turns, latent.flatten(1)[..., None]))
        return latent - torch.matmul(turns.transpose(1, 2), angles).view_as(latent)

    @torch.jit.export
    def displacement(self, latent: Tensor) -> Tensor:
        """Displacements (B, N, 3), nm, of latents (B, N, 3)."""
        return torch.matmul(self.spread, latent)

    @torch.jit.ignore
    def encode(self, before: Tensor, after: Tensor) -> Tensor:
        """Latents (B, N, 3) of pairs of positions (B, N, 3), nm."""
        mass = self.mass.double()
        moved = superposed(after.double(), before.double(), mass) - before.double()
        return torch.matmul(self.gather.double(), moved).to(before.dtype)


def superposed(positions: Tensor, onto: Tensor, mass: Tensor) -> Tensor:
    """Positions (B, N, 3) moved and turned on `onto` (B, N, 3), least squares weighted by mass (N, 1) (Kabsch
    1976).
    """
    centre = (onto * mass).sum(1, keepdim=True)
    arms, targets = positions - (positions * mass).sum(1, keepdim=True), onto - centre
    left, _, right = torch.linalg.svd((arms * mass).transpose(1, 2) @ targets)
    proper = torch.ones(len(positions), 3, dtype=positions.dtype, device=positions.device)
    proper[:, 2] = torch.linalg.det(left @ right)
    return arms @ (left * proper[:, None]) @ right + centre


def mass_fractions(molecule: Particles) -> Tensor:
    """Mass of each atom over that of the molecule, (N, 1)."""
    masses = torch.tensor(molecule.masses_amu, dtype=torch.float32)
    return (masses / masses.sum())[:, None]
