"""How particles far apart along bonds press on each other, as numbers that a network can see."""

from typing import Final

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule.geometry import bonds_apart
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import environment
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.zmatrix_transformer.groups import Groups

APART = 4  # bonds; nearer ones are held by bonds, angles and torsions
STEEPNESS = (8.0, 16.0)  # of the repulsion, for distances in units of the closest approach
PRESSURES = len(STEEPNESS)
SHARE = 1e-4  # of the distances of a class lie below what is called its closest approach
_NEAREST = 0.6  # closer than that, in the same unit, the repulsion no longer grows
_LEVER_NM = 0.1
_USUAL_NM = 0.25  # of classes that no training molecule has apart


def fit_contacts(parts: list[tuple[Particles, Tensor]]) -> dict[str, float]:
    """Closest approach of each two kinds of particles, nm, from positions (P, N, 3) of several molecules."""
    found: dict[str, float] = {}
    for particles, positions in parts:
        pairs = far_pairs(particles)
        for pair, name in zip(pairs, _classes(particles, pairs)):
            gap = positions[:, pair[0]] - positions[:, pair[1]]
            nearest = float(gap.square().sum(1).sqrt().quantile(SHARE))
            found[name] = min(nearest, found.get(name, nearest))
    return dict(sorted(found.items()))


def far_pairs(particles: Particles) -> Tensor:
    """Pairs at least APART bonds from each other, (P, 2) int64."""
    apart = torch.as_tensor(bonds_apart(particles, APART - 1))
    return torch.triu(apart >= APART, diagonal=1).nonzero()


def _classes(particles: Particles, pairs: Tensor) -> list[str]:
    """The class of each pair (P, 2), such as "C4-H1(N3)": a terminal particle counts with what it is bonded
    to, as a hydrogen on nitrogen comes closer to oxygen than another.
    """
    own, near = environment(particles), particles.neighbours
    names = [f"{own[k]}({own[near[k][0]]})" if len(near[k]) == 1 else own[k] for k in range(len(particles))]
    return ["-".join(sorted((names[i], names[j]))) for i, j in pairs.tolist()]


class Contacts(nn.Module):
    """The torque of a soft repulsion about each bond that turns, and its strength in each group.

    Parameters
    ----------
    particles : Particles of N
    coordinates : InternalCoordinates of the same
    groups : Groups, G
    turning : (G, TURNS), rows of the Z-matrix of what turns in each group, N - 1 for none
    closest : dict of float, as of `fit_contacts`
    """

    first: Tensor
    second: Tensor
    gain: Tensor
    towards: Tensor
    axis_from: Tensor
    axis_to: Tensor
    beyond: Tensor
    members: Tensor
    steepness: Tensor
    nearest: Final[float]  # TorchScript sees attributes alone
    lever_nm: Final[float]
    pressures: Final[int]

    def __init__(
        self,
        particles: Particles,
        coordinates: InternalCoordinates,
        groups: Groups,
        turning: Tensor,
        closest: dict[str, float],
    ):
        super().__init__()
        self.nearest, self.lever_nm, self.pressures = _NEAREST, _LEVER_NM, PRESSURES
        pairs, count = far_pairs(particles), len(particles)
        scale = [closest.get(name, _USUAL_NM) for name in _classes(particles, pairs)]
        number = torch.arange(len(pairs))
        towards = torch.zeros(count, len(pairs))  # sums what the pairs do to each particle
        towards[pairs[:, 0], number], towards[pairs[:, 1], number] = 1.0, -1.0
        rows = torch.cat([coordinates.rows, torch.zeros(4, 1, dtype=torch.long)], dim=1)[:, turning.flatten()]
        beyond = torch.zeros(turning.numel(), count)
        for slot, parent in enumerate(rows[1].tolist()):
            if turning.flatten()[slot] < count - 1:
                beyond[slot] = _beyond(coordinates, parent)
        members = groups.members.clone()
        members[torch.arange(len(groups.centres)), groups.centres] = 1
        buffers = {
            "first": pairs[:, 0].contiguous(),
            "second": pairs[:, 1].contiguous(),
            "gain": 1 / torch.tensor(scale),
            "towards": towards,
            "axis_from": rows[2].contiguous(),
            "axis_to": rows[1].contiguous(),
            "beyond": beyond,
            "members": members @ towards.abs(),
            "steepness": torch.tensor(STEEPNESS),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Torques (B, TURNS G, PRESSURES) and strengths (B, G, PRESSURES) at positions (B, N, 3), nm; of both
        the inverse hyperbolic sine, since a clash is thousands of times stronger than a contact.
        """
        gap = positions.index_select(1, self.first) - positions.index_select(1, self.second)
        distance = torch.sqrt((gap * gap).sum(2) + 1e-10)
        near = (distance * self.gain).clamp(min=self.nearest).unsqueeze(2)
        strength = torch.exp(self.steepness * (1 - near))  # (B, P, PRESSURES)
        push = (gap / distance.unsqueeze(2)).unsqueeze(2) * strength.unsqueeze(3)
        force = torch.matmul(self.towards, push.flatten(2)).unflatten(2, [self.pressures, 3])  # (B, N, ...)
        moment = torch.linalg.cross(positions.unsqueeze(2).expand_as(force), force, dim=3)
        total, turn = (torch.matmul(self.beyond, part.flatten(2)) for part in (force, moment))
        origin = positions.index_select(1, self.axis_to)
        axis = origin - positions.index_select(1, self.axis_from)
        axis = axis / torch.sqrt((axis * axis).sum(2, keepdim=True) + 1e-10)
        total, turn = total.unflatten(2, [self.pressures, 3]), turn.unflatten(2, [self.pressures, 3])
        about = turn - torch.linalg.cross(origin.unsqueeze(2).expand_as(total), total, dim=3)
        torque = (about * axis.unsqueeze(2)).sum(3) / self.lever_nm
        return torch.asinh(torque), torch.asinh(torch.matmul(self.members, strength))


def _beyond(coordinates: InternalCoordinates, parent: int) -> Tensor:
    """1 for the particles that hang on `parent`, away from the root (N,)."""
    row = (coordinates.rows[0] == parent).nonzero()[0, 0]
    found = coordinates.path[:, row].clone()
    found[parent] = 0
    return found
