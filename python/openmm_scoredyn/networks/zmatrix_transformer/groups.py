"""Groups of particles: one with several bonds, with those that are bonded to it alone, such as a methyl."""

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import environment, surroundings
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix

TERMINALS = 4  # as many particles with a single bond as a centre may have
REACH = 2  # bonds, of what tells groups of one kind apart
ROWS = 1 + TERMINALS  # of the Z-matrix in a group: that of the centre, then those of the terminal particles


@dataclass(frozen=True)
class Groups:
    """The G groups of one molecule, in the order of their centres.

    Attributes
    ----------
    names : (G,), kinds of the centre and of the terminal particles, such as "C4 H1 H1 H1"
    finer : (G,), the centre with all particles up to REACH bonds away
    centres : (G,) int64
    rows : (G, ROWS) int64, rows of the Z-matrix, N - 1 where there is none
    members : (G, N), 1 where a particle is one of the terminal ones of a group
    """

    names: tuple[str, ...]
    finer: tuple[str, ...]
    centres: Tensor
    rows: Tensor
    members: Tensor


def find_groups(particles: Particles, zmatrix: ZMatrix) -> Groups:
    """The groups of a molecule, with their rows of a Z-matrix.

    Raises
    ------
    MoleculeError
        If a particle has more than TERMINALS neighbours that have no other.
    """
    near, names = particles.neighbours, environment(particles)
    row_of = {row[0]: index for index, row in enumerate(zmatrix.rows)}
    count = len(particles)
    centres = [atom for atom in range(count) if len(near[atom]) > 1]
    rows = torch.full((len(centres), ROWS), count - 1)
    members = torch.zeros(len(centres), count)
    labels = []
    for index, centre in enumerate(centres):
        terminal = sorted((a for a in near[centre] if len(near[a]) == 1), key=row_of.__getitem__)
        if len(terminal) > TERMINALS:
            raise MoleculeError(
                f"zmatrix_transformer: {particles.residue_names[centre]}:{particles.atom_names[centre]} has"
                f" {len(terminal)} neighbours without another bond; expected at most {TERMINALS}; use another"
                " network."
            )
        own = [centre, *terminal]
        rows[index, : len(own)] = torch.tensor([row_of.get(atom, count - 1) for atom in own])
        members[index, terminal] = 1
        labels.append(" ".join(names[atom] for atom in [centre, *sorted(terminal, key=names.__getitem__)]))
    around = surroundings(particles, REACH)
    finer = tuple(around[centre] for centre in centres)
    return Groups(tuple(labels), finer, torch.tensor(centres), rows, members)


def require_known_groups(particles: Particles, zmatrix: ZMatrix, known: list[str]) -> Groups:
    """The groups of a molecule, each of a kind in `known`.

    Raises
    ------
    MoleculeError
        If one is not, or as `find_groups`.
    """
    groups = find_groups(particles, zmatrix)
    for name, centre in zip(groups.names, groups.centres.tolist()):
        if name not in known:
            raise MoleculeError(
                "bind: the model never saw a particle like"
                f" {particles.residue_names[centre]}:{particles.atom_names[centre]} with these neighbours"
                f" ({name}); expected {', '.join(known)} (type and number of bonds); use a model that was"
                " trained on such molecules."
            )
    return groups
