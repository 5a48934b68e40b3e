"""A plausible conformation from a card alone, for exports that come without an example frame."""

import torch
from torch import Tensor

from openmm_scoredyn.networks.molecule_frame.internal_coordinates import unit
from openmm_scoredyn.program.card import Card

_BOND_ANGLE_COSINE = -1 / 3  # tetrahedral
_CONTACT_NM = 0.2  # atoms three bonds apart or more stay further away than this
_GOOD_NM2 = 1e-4  # summed strain at which no further start is tried
_TRIPLE = 0.65  # triple product of unit arms of a stereocentre, at least; 0.77 when tetrahedral


def embed(card: Card, steps: int = 400, starts: int = 5) -> Tensor:
    """Positions (N, 3), float32, nm: bond lengths about right, angles about tetrahedral, chirality as on the
    card.

    Notes
    -----
    Distance geometry by gradient descent from fixed random starts in four dimensions, of which the last is
    pressed flat, for knots come undone through it. Good enough to exercise a program with; not a structure to
    simulate from.
    """
    atoms = card.num_particles
    pairs, lengths = _distances(card)
    contact = torch.full((atoms, atoms), _CONTACT_NM, dtype=torch.float64).fill_diagonal_(0)
    contact[pairs[:, 0], pairs[:, 1]] = contact[pairs[:, 1], pairs[:, 0]] = 0
    restraints = (
        pairs,
        lengths,
        contact,
        torch.tensor(card.guard.stereocentres, dtype=torch.long).reshape(-1, 4),
    )
    generator = torch.Generator().manual_seed(0)
    best, least = torch.zeros(atoms, 3, dtype=torch.float64), float("inf")
    for _ in range(starts):
        found = 0.15 * atoms ** (1 / 3) * torch.randn(atoms, 4, generator=generator, dtype=torch.float64)
        for dimensions in (4, 3):
            found = _descend(found[:, :dimensions], restraints, steps)
        strain = float(_strain(found, *restraints))
        if strain < least:
            best, least = found, strain
        if least < _GOOD_NM2:
            break
    return (best - best.mean(0)).float()


def _descend(positions: Tensor, restraints: tuple[Tensor, Tensor, Tensor, Tensor], steps: int) -> Tensor:
    positions = positions.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([positions], lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for step in range(steps):
        optimizer.zero_grad()
        flatten = 10 * (step / steps) ** 2 * positions[:, 3:].square().sum()
        (_strain(positions, *restraints) + flatten).backward()
        optimizer.step()
        schedule.step()
    return positions.detach()


def _distances(card: Card) -> tuple[Tensor, Tensor]:
    """Pairs (P, 2) one or two bonds apart, and the distances (P,), nm, they should have."""
    length = {
        frozenset(bond): r for bond, r in zip(card.particles.bonds, card.guard.bond_lengths_nm, strict=True)
    }
    targets = dict(length)
    around = [
        [j for bond in card.particles.bonds if i in bond for j in bond if j != i]
        for i in range(card.num_particles)
    ]
    for centre, neighbours in enumerate(around):
        for k, a in enumerate(neighbours):
            for b in neighbours[k + 1 :]:
                r, s = length[frozenset((a, centre))], length[frozenset((b, centre))]
                # a ring's own bond outranks the angle that spans it
                targets.setdefault(frozenset((a, b)), (r * r + s * s - 2 * r * s * _BOND_ANGLE_COSINE) ** 0.5)
    pairs = torch.tensor([sorted(pair) for pair in targets], dtype=torch.long).reshape(-1, 2)
    return pairs, torch.tensor(list(targets.values()), dtype=torch.float64)


def _strain(positions: Tensor, pairs: Tensor, lengths: Tensor, contact: Tensor, centres: Tensor) -> Tensor:
    offset = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    strain = ((torch.sqrt((offset**2).sum(-1) + 1e-12) - lengths) ** 2).sum()
    gap = positions[:, None] - positions[None]
    strain = strain + 0.1 * (torch.relu(contact - torch.sqrt((gap**2).sum(-1) + 1e-12)) ** 2).sum()
    a, b, d = (unit(positions[centres[:, k], :3] - positions[centres[:, 0], :3]) for k in (1, 2, 3))
    triple = (a * torch.linalg.cross(b, d)).sum(-1)
    return strain + 0.1 * torch.relu(_TRIPLE - triple).square().sum()
