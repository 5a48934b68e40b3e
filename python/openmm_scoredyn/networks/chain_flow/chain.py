"""What a linear chain of beads is to a network: its path, what its beads are made of, who is near whom."""

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.composition import composition
from openmm_scoredyn.molecule.geometry import linear_path
from openmm_scoredyn.molecule.particles import Particles

RANGES = (1.0, 2.0, 4.0, 8.0)  # beads, over which a bead's neighbours along the chain are summed
FEWEST = 3  # beads of a chain
SEPARATIONS = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Chain:
    """A linear chain of N beads, from one end to the other; which end comes first means nothing.

    Attributes
    ----------
    path : (N,) int64, the particles from end to end
    masses_amu : (N,), in that order
    beads : (N, F), features of the beads: their share of each kind of fine beads, of as many as the largest
        bead has, and the sums of these shares, and of the beads themselves, over neighbours along the
        chain, at several ranges
    separations : (N - 1, N - 1, R), functions of how many bonds lie between two bonds
    """

    path: Tensor
    masses_amu: Tensor
    beads: Tensor
    separations: Tensor

    @classmethod
    def of(cls, particles: Particles, kinds: tuple[str, ...], size: int) -> "Chain":
        """The chain that particles form, of fine beads of known kinds, at most `size` a bead; as
        `require_linear`.
        """
        path = require_linear(particles)
        parts = [composition(particles.types[bead]) for bead in path]
        shares = torch.tensor([[part.get(kind, 0) / size for kind in kinds] for part in parts])
        place = torch.arange(len(path), dtype=torch.float32)
        apart = (place[:, None] - place[None]).abs()
        counted = torch.cat([shares, torch.ones(len(path), 1)], dim=1)
        beads = [shares - 1 / len(kinds)]
        for reach in RANGES:
            weight = torch.exp(-apart / reach)
            # of an endless chain the weights would sum to 1
            beads.append(weight @ counted * torch.tanh(torch.tensor(0.5 / reach)))
        between = apart[:-1, :-1]
        near = [(between == k).float() for k in (0, 1)]
        return cls(
            torch.tensor(path),
            torch.tensor([particles.masses_amu[bead] for bead in path]),
            torch.cat(beads, dim=1),
            torch.stack([*near, *(torch.exp(-between / reach) for reach in SEPARATIONS)], dim=2),
        )


def require_linear(particles: Particles) -> list[int]:
    """The particles of a linear chain from one end to the other.

    Raises
    ------
    MoleculeError
        If they are no such chain: two molecules, a branch, a ring, or fewer than three beads.
    """
    near = particles.neighbours
    if len(particles.parts) > 1:
        raise MoleculeError(
            f"bind: the model is made for one chain; expected bonds that connect all {len(particles)} beads,"
            f" found bead {particles.parts[1][0]} apart; bind each chain by itself, or complete the bonds."
        )
    branched = [bead for bead, bonded in enumerate(near) if len(bonded) > 2]
    if branched:
        raise MoleculeError(
            f"bind: the model is made for linear chains of beads; expected two bonds a bead, found"
            f" {len(near[branched[0]])} at bead {branched[0]}; map more particles to a bead."
        )
    path = linear_path(particles)
    if path is None or len(path) < FEWEST:
        raise MoleculeError(
            f"bind: the model is made for linear chains of {FEWEST} beads or more; expected two ends, found"
            f" {'a ring of' if path is None else 'only'} {len(particles)} beads; use a model that was trained"
            " on such molecules."
        )
    return path
