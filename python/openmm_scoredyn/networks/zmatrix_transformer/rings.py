"""Bonds that close rings, which the tree of internal coordinates leaves out, as numbers that a network can
see.
"""

from typing import Final

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix
from openmm_scoredyn.networks.zmatrix_transformer.groups import Groups

CLOSURES = 2  # closing bonds that a group sees, of the rings its centre is in
GAP_FEATURES = 3 * CLOSURES
# How far noise of one takes the ends of a closing bond apart, and how far they swing by themselves.
NOISE_NM, SWING_NM = 0.02, 0.003


def closing_bonds(particles: Particles) -> list[tuple[tuple[int, int], frozenset[int]]]:
    """Bonds beside the tree, each with the particles of the ring that it closes, the smallest ring first."""
    parent = {row[0]: row[1] for row in build_zmatrix(particles).rows}

    def way(atom: int) -> list[int]:
        found = [atom]
        while found[-1] in parent:
            found.append(parent[found[-1]])
        return found

    closing = []
    for i, j in particles.bonds:
        if parent.get(i) != j and parent.get(j) != i:
            one, other = way(i), way(j)
            top = next(atom for atom in one if atom in other)
            ring = {*one[: one.index(top) + 1], *other[: other.index(top)]}
            closing.append(((i, j), frozenset(ring)))
    return sorted(closing, key=lambda entry: (len(entry[1]), entry[0]))


class RingGaps(nn.Module):
    """How much the bonds that close rings differ from those of an earlier frame, seen from each group.

    Coordinates of a ring depend on each other through the bond that closes it, which is a small difference of
    long ways around. In the frame of a group it is three numbers, on which what the group has to mend depends
    linearly.

    Parameters
    ----------
    particles : Particles of N
    coordinates : InternalCoordinates of the same
    groups : Groups, G
    """

    first: Tensor
    second: Tensor
    seen: Tensor
    shown: Tensor
    at: Tensor
    towards: Tensor
    beside: Tensor
    features: Final[int]  # TorchScript sees attributes alone
    groups: Final[int]
    rings: Final[int]

    def __init__(self, particles: Particles, coordinates: InternalCoordinates, groups: Groups):
        super().__init__()
        closing, count = closing_bonds(particles), len(groups.centres)
        self.features = GAP_FEATURES
        self.groups, self.rings = count, len(closing)
        seen, shown = torch.zeros(count, CLOSURES, dtype=torch.long), torch.zeros(count, CLOSURES)
        frames = {atom: (atom, up, beyond) for atom, up, beyond in coordinates.rows[:3].T.tolist()}
        root, first, second = coordinates.rows[[1, 0, 2], 0].tolist()
        at = []
        for group, centre in enumerate(groups.centres.tolist()):
            own = [ring for ring, (_, members) in enumerate(closing) if centre in members][:CLOSURES]
            seen[group, : len(own)], shown[group, : len(own)] = torch.tensor(own, dtype=torch.long), 1.0
            at.append(frames.get(centre, (root, first, second)))
        ends = torch.tensor([bond for bond, _ in closing], dtype=torch.long).reshape(-1, 2)
        buffers = {
            "first": ends[:, 0].contiguous(),
            "second": ends[:, 1].contiguous(),
            "seen": seen.flatten(),
            "shown": shown.flatten().unsqueeze(1),
        }
        buffers |= dict(zip(("at", "towards", "beside"), torch.tensor(at).T.contiguous()))
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """The closing bonds in the frames of the groups (B, G, GAP_FEATURES), nm, at positions (B, N, 3),
        nm.
        """
        if self.rings == 0:
            return positions.new_zeros(len(positions), self.groups, self.features)
        bond = positions.index_select(1, self.second) - positions.index_select(1, self.first)
        bond = (bond.index_select(1, self.seen) * self.shown).unflatten(1, [self.groups, -1])
        centre = positions.index_select(1, self.at)
        along = _unit(positions.index_select(1, self.towards) - centre)
        aside = positions.index_select(1, self.beside) - centre
        across = _unit(aside - along * (aside * along).sum(2, keepdim=True))
        axes = torch.stack([along, across, torch.linalg.cross(along, across, dim=2)], dim=2)  # (B, G, 3, 3)
        return torch.matmul(bond, axes.transpose(2, 3)).flatten(2)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.sqrt((vectors * vectors).sum(2, keepdim=True) + 1e-12)
