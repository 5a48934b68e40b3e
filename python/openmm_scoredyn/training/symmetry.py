"""Exact symmetries of a molecule as augmentation: hydrogens of a methyl group are alike."""

import torch
from torch import Tensor

from openmm_scoredyn.molecule.particles import Particles


def rotors(molecule: Particles) -> list[tuple[int, int, int]]:
    """Triples of hydrogens on one atom with a single further neighbour, (methyl and ammonium groups)."""
    found = []
    for around in molecule.neighbours:
        hydrogens = tuple(atom for atom in around if molecule.types[atom] == "H")
        if len(hydrogens) == 3 and len(around) == 4:
            found.append(hydrogens)
    return found


def turn_rotors(
    groups: list[tuple[int, int, int]], frames: tuple[Tensor, ...], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Rename the hydrogens of each rotor cyclically at random, alike in all frames of an example.

    A cyclic exchange is a rotation, so the stereochemistry of the molecule is kept; the transition density
    does not change.

    Parameters
    ----------
    groups : as `rotors`
    frames : tensors (P, ..., N, 3), nm; sample p of every tensor is renamed in the same way
    """
    if not groups:
        return frames
    count, atoms = len(frames[0]), frames[0].shape[-2]
    order = torch.arange(atoms).expand(count, atoms).clone()
    for hydrogens in groups:
        shift = torch.randint(3, (count, 1), generator=generator)
        order[:, list(hydrogens)] = torch.tensor(hydrogens)[(torch.arange(3) + shift) % 3]
    return tuple(_reordered(positions, order) for positions in frames)


def _reordered(positions: Tensor, order: Tensor) -> Tensor:
    """Positions (P, ..., N, 3) with the atoms of sample p in the order (P, N)."""
    between = positions.dim() - 3
    index = order.view(len(order), *(1,) * between, -1, 1).expand_as(positions)
    return torch.gather(positions, -2, index)
