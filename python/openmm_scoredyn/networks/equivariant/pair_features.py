"""What an equivariant network sees of pairs of atoms, as one matrix that all its messages are
multiplied by.
"""

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.displacement import DisplacementScales

SHELLS_NM = (0.1, 0.8)  # centres of the first and the last radial function
RADIAL = 8
CLASSES = 4  # one, two, three bonds apart, and further
SATURATION = 3.0  # standard deviations beyond which a deviation counts less and less
_GAIN = 0.4  # of the order of 1 / sqrt(functions seen at once), so that messages are of ordinary size


class PairFeatures(nn.Module):
    """Functions of the distance of two atoms, and of them times the direction, before and after the noised
    step.

    Distances enter in two ways: through Gaussians, and, apart for atoms one, two, three and more bonds apart,
    as deviation from their mean in units of what spread and noise make of it; stiff geometry is a matter of
    per cents of a bond.
    """

    classes: Tensor
    distance: Tensor
    distance_spread: Tensor
    noise: Tensor
    centres: Tensor

    def __init__(self, molecule: Particles, scales: DisplacementScales):
        super().__init__()
        self.size = 2 * (2 * CLASSES + RADIAL)
        classes = torch.nn.functional.one_hot(bond_classes(molecule), CLASSES + 1)[..., 1:].float()
        centres = torch.linspace(SHELLS_NM[0], SHELLS_NM[1], RADIAL)
        relative = scales.spread[:, None] - scales.spread[None]
        self.register_buffer("classes", classes[None, :, :, None])
        self.register_buffer("distance", scales.distance)
        self.register_buffer("distance_spread", scales.distance_spread)
        self.register_buffer("noise", torch.linalg.vector_norm(relative, dim=-1))
        self.register_buffer("centres", centres)
        self.width = float(centres[1] - centres[0])
        self.saturation, self.gain = SATURATION, _GAIN

    def forward(self, before: Tensor, after: Tensor, blur: Tensor) -> Tensor:
        """Matrix (B, 4 N, N F) from atoms j and functions to atoms i: each function, and its three components
        along i to j.

        Parameters
        ----------
        before, after : (B, N, 3), nm
        blur : (B,), noise of the latents that `after` was made of
        """
        batch, atoms = before.shape[0], before.shape[1]
        both = torch.stack([before, after], dim=2)
        arm = both[:, None] - both[:, :, None]
        length = torch.sqrt(arm.square().sum(-1) + 1e-10)
        blurred = torch.hypot(self.distance_spread, self.noise * blur[:, None, None])
        spread = torch.stack([self.distance_spread.expand_as(blurred), blurred], dim=3)
        off = (length - self.distance[..., None]) / spread
        off = off / torch.sqrt(1 + (off / self.saturation) ** 2)
        near = torch.exp(-(((length[..., None] - self.centres) / self.width) ** 2))
        classes = self.classes.expand(batch, -1, -1, 2, -1)
        functions = torch.cat(
            [classes, classes * off[..., None], near * classes.sum(-1, keepdim=True)], dim=-1
        )
        direction = torch.cat([torch.ones_like(length)[..., None], arm / length[..., None]], dim=-1)
        direction = self.gain * direction.permute(0, 1, 4, 2, 3)
        return (direction[..., None] * functions[:, :, None]).reshape(batch, 4 * atoms, atoms * self.size)


def bond_classes(molecule: Particles) -> Tensor:
    """Number of bonds between two atoms (N, N), 1 to CLASSES (that many or more, or no way at all), 0 on the
    diagonal.
    """
    atoms = len(molecule)
    bonded = torch.zeros(atoms, atoms)
    for i, j in molecule.bonds:
        bonded[i, j] = bonded[j, i] = 1
    found = torch.full((atoms, atoms), CLASSES)
    reached = torch.eye(atoms)
    for bonds in range(CLASSES):
        found = torch.where((reached > 0) & (found == CLASSES), bonds, found)
        reached = reached @ bonded
    return found
