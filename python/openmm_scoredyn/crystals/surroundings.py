"""What an atom sees of its neighbours: distances, and the angles under which they stand to each other."""

import math

import torch
from torch import Tensor, nn

# Shells by which neighbours are weighted when their angles are counted, in nearest-neighbour distances.
SHELLS = (0.95, 1.15, 1.42)
SHELL_WIDTH = 0.17
# Sums over a dozen neighbours, brought to the order of one.
ANGLE_SCALE = 0.25


class EdgeFeatures(nn.Module):
    """Invariants of a pair of neighbours: its length, and how the other neighbours stand around its
    direction.

    For the neighbour j of atom i, sum_k g(r_ik) P_l(cos jik) with Legendre polynomials P_l and shells g. At a
    perfect site of a cubic lattice every vector and every quadrupole vanishes; the order that tells fcc, hcp
    and bcc apart stands in l = 3 to 8, which these sums give without spherical harmonics.

    Parameters
    ----------
    species, cutoff, radial, angular : as `LatticeDenoiser`
    """

    def __init__(self, species: int, cutoff: float, radial: int, angular: int):
        super().__init__()
        self.species = species
        self.cutoff = float(cutoff)
        self.angular = angular
        self.size = radial + species * len(SHELLS) * angular + (2 * species if species > 1 else 0)
        centres = torch.linspace(0.6, cutoff, radial)
        self.register_buffer("centres", centres)
        self.width = float(centres[1] - centres[0])
        self.shell_width, self.angle_scale = SHELL_WIDTH, ANGLE_SCALE
        self.register_buffer("shells", torch.tensor(SHELLS))

    def forward(
        self, separations: Tensor, present: Tensor, kinds: Tensor, their_kinds: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features (n, K, size), unit vectors (n, K, 3), and the envelope (n, K) that vanishes at the cutoff.

        Parameters
        ----------
        separations, present : (n, K, 3), (n, K)
        kinds, their_kinds : (n,), (n, K) int64
        """
        lengths = (separations.square().sum(-1) + 1e-12).sqrt()
        units = separations / lengths.unsqueeze(-1)
        reach = (lengths / self.cutoff).clamp(max=1.0)
        envelope = 0.5 * (torch.cos(math.pi * reach) + 1.0) * present
        # Flat over most of the range: half the weight of a neighbour is not lost on the way.
        envelope = 1.0 - (1.0 - envelope).pow(4)
        radial = torch.exp(-(((lengths.unsqueeze(-1) - self.centres) / self.width) ** 2))
        shells = torch.exp(-(((lengths.unsqueeze(-1) - self.shells) / self.shell_width) ** 2))
        shells = shells * envelope.unsqueeze(-1)
        parts = [radial]
        if self.species > 1:
            theirs = nn.functional.one_hot(their_kinds, self.species).to(shells.dtype)
            own = nn.functional.one_hot(kinds, self.species).to(shells.dtype)
            parts.append(theirs)
            parts.append(own.unsqueeze(1).expand_as(theirs))
            shells = (shells.unsqueeze(-1) * theirs.unsqueeze(-2)).flatten(2)
        cosines = torch.bmm(units, units.transpose(1, 2))
        # Bonnet's recursion: (l + 1) P_(l+1) = (2 l + 1) x P_l - l P_(l-1)
        before, polynomial = torch.ones_like(cosines), cosines
        for order in range(1, self.angular + 1):
            parts.append(self.angle_scale * torch.bmm(polynomial, shells))
            following = ((2 * order + 1) * cosines * polynomial - order * before) / (order + 1)
            before, polynomial = polynomial, following
        return torch.cat(parts, dim=-1), units, envelope
