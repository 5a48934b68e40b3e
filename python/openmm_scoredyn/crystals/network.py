"""The denoising network: where an atom of a crystal belongs, seen from its neighbours."""

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

    centres: Tensor
    shells: Tensor

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


class MessageLayer(nn.Module):
    """One exchange of scalars and vectors between neighbours, then one of each atom with itself."""

    def __init__(self, width: int, vector_width: int, edge_width: int):
        super().__init__()
        self.sizes = [width, vector_width, vector_width, vector_width]
        self.vector_width = vector_width
        self.sender = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, sum(self.sizes)))
        self.filter = nn.Linear(edge_width, sum(self.sizes))
        self.mix = nn.Linear(vector_width, 2 * vector_width, bias=False)
        self.update = nn.Sequential(
            nn.Linear(width + 3 * vector_width, width), nn.SiLU(), nn.Linear(width, width + vector_width)
        )

    def send(self, scalars: Tensor) -> Tensor:
        """What every atom offers its neighbours, (N, F + 3V)."""
        return self.sender(scalars)

    def forward(
        self,
        offered: Tensor,
        vectors: Tensor,
        edges: Tensor,
        units: Tensor,
        envelope: Tensor,
        neighbours: Tensor,
        own_scalars: Tensor,
        own_vectors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """New scalars (n, F) and vectors (n, 3, V) of n atoms.

        Parameters
        ----------
        offered, vectors : (N, F + 3V), (N, 3V) of all atoms
        edges, units, envelope, neighbours : (n, K, E), (n, K, 3), (n, K), (n, K) of the n atoms
        own_scalars, own_vectors : (n, F), (n, 3, V) of the n atoms
        """
        n, k = neighbours.shape
        flat = neighbours.reshape(-1)
        weights = self.filter(edges) * envelope.unsqueeze(-1)
        received = offered.index_select(0, flat).view(n, k, -1) * weights
        scalar, along, carried, seen = received.split(self.sizes, dim=-1)
        theirs = vectors.index_select(0, flat).view(n, k, 3, self.vector_width)
        own_vectors = (
            own_vectors + torch.bmm(units.transpose(1, 2), along) + (theirs * carried.unsqueeze(2)).sum(1)
        )
        projected = ((theirs * units.unsqueeze(-1)).sum(2) * seen).sum(1)
        left, right = self.mix(own_vectors).split(self.vector_width, dim=-1)
        norms = (right.square().sum(1) + 1e-6).sqrt()
        products = (left * right).sum(1)
        own_scalars = own_scalars + scalar.sum(1)
        change = self.update(torch.cat([own_scalars, projected, norms, products], dim=-1))
        own_scalars = own_scalars + change[:, : -self.vector_width]
        return own_scalars, own_vectors + change[:, -self.vector_width :].unsqueeze(1) * left


class LatticeDenoiser(nn.Module):
    """Displacement of every atom from the lattice site it belongs to, in units of the nearest-neighbour
    distance.

    E(3)-equivariant: what leaves the network is a sum of vectors to neighbours, weighted by functions of
    distances and angles. Lengths are in units of the nearest-neighbour distance.

    Parameters
    ----------
    species : int, number of chemical species told apart; 1 if all atoms count as alike
    cutoff : float
    width, vector_width, edge_width, layers : int, shape of the network
    radial, angular : int, radial functions, and Legendre polynomials of the angles between neighbours
    """

    def __init__(
        self,
        species: int = 1,
        cutoff: float = 1.55,
        width: int = 32,
        vector_width: int = 16,
        edge_width: int = 48,
        layers: int = 3,
        radial: int = 8,
        angular: int = 8,
    ):
        super().__init__()
        self.vector_width = vector_width
        self.species = species
        self.cutoff = float(cutoff)
        self.features = EdgeFeatures(species, cutoff, radial, angular)
        self.edge = nn.Sequential(
            nn.Linear(self.features.size, edge_width), nn.SiLU(), nn.Linear(edge_width, edge_width), nn.SiLU()
        )
        self.site = nn.Linear(edge_width, width)
        self.kind = nn.Embedding(species, width)
        self.layers = nn.ModuleList([MessageLayer(width, vector_width, edge_width) for _ in range(layers)])
        self.gate = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, vector_width))
        self.out = nn.Linear(vector_width, 1, bias=False)
        # Largest number of atoms worked on at once: what lies in the cache is fast, and memory stays bounded.
        self.block = 512
        # Up to this number of atoms the view of every block is kept from layer to layer; beyond, that would
        # fill the memory.
        self.kept_atoms = 400_000

    def forward(self, separations: Tensor, neighbours: Tensor, present: Tensor, kinds: Tensor) -> Tensor:
        """Displacements (N, 3) to be subtracted from the positions.

        Parameters
        ----------
        separations : (N, K, 3), vectors from an atom to its neighbours
        neighbours : (N, K) int64, indices of the neighbours; any valid index where there is none
        present : (N, K), 1 where there is a neighbour, else 0
        kinds : (N,) int64, species of the atoms
        """
        n = separations.shape[0]
        block = n if self.training else self.block
        starts = list(range(0, n, max(block, 1)))
        kept: list[tuple[Tensor, Tensor, Tensor]] = []
        keep = n <= self.kept_atoms
        scalars = self.kind(kinds)
        first: list[Tensor] = []
        for start in starts:
            view = self.look(start, start + block, separations, neighbours, present, kinds)
            if keep:
                kept.append(view)
            first.append(self.site(0.25 * (view[0] * view[2].unsqueeze(-1)).sum(1)))
        scalars = scalars + torch.cat(first)
        vectors = torch.zeros(n, 3, self.vector_width, dtype=separations.dtype, device=separations.device)
        for layer in self.layers:
            offered = layer.send(scalars)  # type: ignore[operator]
            new_scalars: list[Tensor] = []
            new_vectors: list[Tensor] = []
            for index, start in enumerate(starts):
                stop = start + block
                if keep:
                    edges, units, envelope = kept[index]
                else:
                    edges, units, envelope = self.look(start, stop, separations, neighbours, present, kinds)
                s, v = layer(
                    offered,
                    vectors.flatten(1),
                    edges,
                    units,
                    0.25 * envelope,
                    neighbours[start:stop],
                    scalars[start:stop],
                    vectors[start:stop],
                )
                new_scalars.append(s)
                new_vectors.append(v)
            scalars, vectors = torch.cat(new_scalars), torch.cat(new_vectors)
        return self.out(vectors * self.gate(scalars).unsqueeze(1)).squeeze(-1)

    def look(
        self, start: int, stop: int, separations: Tensor, neighbours: Tensor, present: Tensor, kinds: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embedded edges (n, K, E), unit vectors (n, K, 3) and envelope (n, K) of the atoms from start to
        stop.
        """
        raw, units, envelope = self.features(
            separations[start:stop], present[start:stop], kinds[start:stop], kinds[neighbours[start:stop]]
        )
        return self.edge(raw), units, envelope
