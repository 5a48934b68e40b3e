"""What particles, and a force field where there is one, say of each group and of each pair."""

import math

import torch
from torch import Tensor

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix
from openmm_scoredyn.networks.zmatrix_transformer.groups import TERMINALS, Groups

PARTICLE_FEATURES = 13
GROUP_FEATURES = 2 * PARTICLE_FEATURES + 2
# What a pair of particles are to each other in the tree, else how many bonds apart.
SELF, PARENT, CHILD, SIBLING, GRANDPARENT, GRANDCHILD, TWO, THREE, FOUR, FARTHER = range(10)
RELATIONS = 10


def particle_features(particles: Particles, zmatrix: ZMatrix) -> Tensor:
    """Numbers of order one for each particle (N, PARTICLE_FEATURES): mass, neighbours, place in the tree, and
    the force field's own parameters of the particle and of the coordinates that place it, zeros without one.
    """
    near = particles.neighbours
    found = torch.zeros(len(particles), PARTICLE_FEATURES)
    for atom, mass in enumerate(particles.masses_amu):
        found[atom, 0] = math.log(mass / 10)
        found[atom, 1] = len(near[atom]) / 4
    for row, (atom, _, _, _) in enumerate(zmatrix.rows):
        found[atom, 2] = float(zmatrix.sibling[row] >= 0)
    if particles.force_field is None:
        return found
    field = particles.force_field
    for atom in range(len(particles)):
        numbers = (2 * field.charges_e[atom], field.sigma_nm[atom] / 0.3, field.epsilon_kj[atom])
        found[atom, 3:6] = torch.tensor(numbers)
    bonds = {frozenset(map(int, term[:2])): term[3] for term in field.bonds}
    angles = {
        (int(j), frozenset((int(i), int(k)))): term for (*term,) in field.angles for i, j, k in [term[:3]]
    }
    for atom, parent, grandparent, _ in zmatrix.rows:
        constant = bonds.get(frozenset((atom, parent)), 0.0)
        found[atom, 6] = math.log1p(constant) / 12
        if (parent, frozenset((atom, grandparent))) in angles:
            *_, angle, constant = angles[parent, frozenset((atom, grandparent))]
            found[atom, 7], found[atom, 8] = angle - 1.9, math.log1p(constant) / 6
        found[atom, 9:13] = _barriers(field.torsions, parent, grandparent)
    return found


def group_features(particles: Particles, zmatrix: ZMatrix, groups: Groups) -> Tensor:
    """Features of the centre, the sum over the terminal particles, their number, and whether the centre is
    placed against another particle (G, GROUP_FEATURES).
    """
    found = particle_features(particles, zmatrix)
    count = groups.members.sum(1, keepdim=True) / TERMINALS
    placed = (groups.rows[:, :1] < len(particles) - 1).float()
    return torch.cat([found[groups.centres], groups.members @ found / TERMINALS, count, placed], dim=1)


def _barriers(torsions, parent: int, grandparent: int) -> Tensor:
    """Summed constants of the torsion terms about a bond, by periodicity 1 to 4, in units of 10 kJ/mol."""
    found = torch.zeros(4)
    for _, j, k, _, periodicity, phase, constant in torsions:
        if {int(j), int(k)} == {parent, grandparent} and 1 <= periodicity <= 4:
            found[int(periodicity) - 1] += constant * math.cos(phase) / 10
    return found


def pair_relations(particles: Particles, zmatrix: ZMatrix) -> Tensor:
    """What j is to i, (N, N) int64."""
    found = _bonds_apart(particles)
    parent = {row[0]: row[1] for row in zmatrix.rows}
    for atom, own in parent.items():
        found[atom, own], found[own, atom] = PARENT, CHILD
        for other, its in parent.items():
            if other != atom and its == own:
                found[atom, other] = SIBLING
        if own in parent:
            found[atom, parent[own]], found[parent[own], atom] = GRANDPARENT, GRANDCHILD
    return found


def _bonds_apart(particles: Particles) -> Tensor:
    """SELF, TWO, THREE, FOUR or FARTHER for each pair (N, N); a bond is in the tree or closes a ring."""
    count = len(particles)
    bonded = torch.zeros(count, count)
    for i, j in particles.bonds:
        bonded[i, j] = bonded[j, i] = 1
    found = torch.full((count, count), FARTHER)
    reached = torch.eye(count)
    for kind in (SELF, CHILD, TWO, THREE, FOUR):
        found = torch.where((reached > 0) & (found == FARTHER), kind, found)
        reached = reached @ bonded
    return found
