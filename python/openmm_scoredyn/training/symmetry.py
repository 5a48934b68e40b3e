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
    molecule: Particles, frames: tuple[Tensor, ...], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Rename the hydrogens of each rotor cyclically at random, alike in all frames of a pair.

    A cyclic exchange is a rotation, so the hand of the molecule stays; the transition density does not
    change.

    Parameters
    ----------
    frames : tensors (P, N, 3), nm; sample p of every tensor is renamed in the same way
    """
    count, atoms = frames[0].shape[:2]
    order = torch.arange(atoms).expand(count, atoms).clone()
    for hydrogens in rotors(molecule):
        shift = torch.randint(3, (count, 1), generator=generator)
        order[:, list(hydrogens)] = torch.tensor(hydrogens)[(torch.arange(3) + shift) % 3]
    return tuple(torch.gather(positions, 1, order[..., None].expand(-1, -1, 3)) for positions in frames)
