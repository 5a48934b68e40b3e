"""Internal coordinates of a molecule: their values, and one rule each for what defines them."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles


def bond_lengths(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Lengths of (K, 2) bonds in frames (T, N, 3), (T, K) float64, in the unit of the positions."""
    return np.linalg.norm(positions[:, bonds[:, 1]].astype(np.float64) - positions[:, bonds[:, 0]], axis=-1)


def bond_angles(positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Angles of (K, 3) particles, the middle one the vertex, in frames (T, N, 3), (T, K) float64, degrees."""
    left, right = (positions[:, angles[:, k]].astype(np.float64) - positions[:, angles[:, 1]] for k in (0, 2))
    cosine = np.sum(left * right, axis=-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def triple_products(positions: np.ndarray, centres: np.ndarray, *, unit_vectors: bool = False) -> np.ndarray:
    """(a - centre) . ((b - centre) x (c - centre)) of (K, 4) particles (centre, a, b, c), (T, K) float64.

    Of opposite sign in the mirror image, and 0 where the centre lies in the plane of the three.

    Parameters
    ----------
    unit_vectors : of the directions alone, so that bond lengths do not count
    """
    arms = [positions[:, centres[:, k]].astype(np.float64) - positions[:, centres[:, 0]] for k in (1, 2, 3)]
    if unit_vectors:
        arms = [arm / np.linalg.norm(arm, axis=-1, keepdims=True) for arm in arms]
    return np.sum(arms[0] * np.cross(arms[1], arms[2]), axis=-1)


def minimum_image(apart: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Difference vectors (T, K, 3), nm, between nearest periodic images, for box vectors (T, 3, 3) as rows.

    Right for distances up to half the shortest width of a reduced box.
    """
    box = np.asarray(box, dtype=np.float64)
    fractions = apart @ np.linalg.inv(box)
    return (fractions - np.round(fractions)) @ box


def bonded_angles(particles: Particles) -> list[tuple[int, int, int]]:
    """All (i, j, k) with i and k bonded to j, i < k."""
    return [
        (i, j, k) for j, bonded in enumerate(particles.neighbours) for i in bonded for k in bonded if i < k
    ]


def bonds_apart(particles: Particles, farthest: int) -> np.ndarray:
    """Number of bonds between every two particles, (N, N) int; `farthest` + 1 where it is more, or none."""
    neighbours = particles.neighbours
    apart = np.full((len(particles), len(particles)), farthest + 1)
    for first in range(len(particles)):
        apart[first, first] = 0
        waiting = deque([first])
        while waiting:
            here = waiting.popleft()
            if apart[first, here] == farthest:
                continue
            for other in neighbours[here]:
                if apart[first, other] > apart[first, here] + 1:
                    apart[first, other] = apart[first, here] + 1
                    waiting.append(other)
    return apart


def four_bonded(particles: Particles) -> list[tuple[int, int, int, int]]:
    """(centre, a, b, c) of every particle with four neighbours; a, b, c are the heavy ones first, ascending.

    The sign of its triple product cannot change without breaking a bond.
    """
    found = []
    for centre, around in enumerate(particles.neighbours):
        if len(around) == 4:
            a, b, c = sorted(around, key=lambda i: (particles.types[i] == "H", i))[:3]
            found.append((centre, a, b, c))
    return found


def planar_torsions(particles: Particles) -> list[tuple[int, int, int, int]]:
    """Torsions (i, j, k, l) that may be about a partial double bond: j and k have three neighbours or two,
    and no ring holds them.
    """
    neighbours, found = particles.neighbours, []
    for j, k in sorted(tuple(sorted(bond)) for bond in particles.bonds):
        if not all(len(neighbours[end]) in (2, 3) for end in (j, k)) or _in_a_ring(neighbours, j, k):
            continue
        found += [(i, j, k, m) for i in neighbours[j] if i != k for m in neighbours[k] if m != j]
    return found


def _in_a_ring(neighbours: list[list[int]], j: int, k: int) -> bool:
    """Whether a way leads from j to k beside the bond between them."""
    seen, waiting = {j}, [other for other in neighbours[j] if other != k]
    while waiting:
        here = waiting.pop()
        if here == k:
            return True
        if here not in seen:
            seen.add(here)
            waiting += neighbours[here]
    return False


def dihedral_angles(positions: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Dihedral angles, IUPAC sign.

    Parameters
    ----------
    positions : (T, N, 3), any unit, whole molecules
    atoms : (K, 4) int

    Returns
    -------
    (T, K) float64, rad, in [-pi, pi]
    """
    first, second, third, fourth = (
        np.asarray(positions)[:, column].astype(np.float64) for column in np.asarray(atoms).T
    )
    axis = third - second
    left = np.cross(second - first, axis)
    right = np.cross(axis, fourth - third)
    sine = np.einsum("tkx,tkx->tk", np.cross(left, right), axis) / np.linalg.norm(axis, axis=-1)
    return np.arctan2(sine, np.einsum("tkx,tkx->tk", left, right))


def stereocentres(particles: Particles) -> np.ndarray:
    """Particles with four neighbours, of which at most one is hydrogen.

    Returns
    -------
    (n, 4) int: the centre, then three of its neighbours, hydrogen last, ascending

    Notes
    -----
    Neighbours count as different although a chemist would not tell them apart, as the methyls of an isopropyl
    group: no trajectory exchanges them, so a frame that does is wrong. Whether a centre keeps its handedness
    (`handedness`) is for frames to say.
    """
    types, centres = particles.types, []
    for centre, around in enumerate(particles.neighbours):
        if len(around) == 4 and sum(types[i] == "H" for i in around) <= 1:
            centres.append((centre, *sorted(around, key=lambda i: (types[i] == "H", i))[:3]))
    return np.array(centres, dtype=int).reshape(-1, 4)


def handedness(positions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Sign of (a - c) . ((b - c) x (d - c)) of centres (n, 4), each c, a, b, d, in positions (T, N, 3);
    (T, n).
    """
    return np.sign(triple_products(positions, centres))


def oriented_stereocentres(
    particles: Particles, positions: np.ndarray
) -> tuple[tuple[int, int, int, int], ...]:
    """The stereocentres (c, a, b, d) in the order of neighbours that has a positive triple product in
    positions (N, 3).
    """
    centres = stereocentres(particles)
    (products,) = triple_products(np.asarray(positions, dtype=float)[None], centres)
    return tuple(
        (centre, a, b, c) if product > 0 else (centre, b, a, c)
        for (centre, a, b, c), product in zip(centres.tolist(), products, strict=True)
    )


@dataclass(frozen=True)
class Rotor:
    """A group of three hydrogens that turns about its only other bond: a methyl or ammonium group.

    Attributes
    ----------
    centre, neighbour : int, the bond that it turns about
    hydrogens : three int, ascending
    """

    centre: int
    neighbour: int
    hydrogens: tuple[int, int, int]

    def dihedral(self, particles: Particles) -> tuple[int, int, int, int] | None:
        """The angle that it turns by: a second neighbour, not a hydrogen where there is another, the
        neighbour, the centre, the first hydrogen; None where there is no second neighbour.
        """
        far = [atom for atom in particles.neighbours[self.neighbour] if atom != self.centre]
        if not far:
            return None
        second = min(far, key=lambda atom: (particles.types[atom] == "H", atom))
        return second, self.neighbour, self.centre, self.hydrogens[0]


def rotors(particles: Particles) -> list[Rotor]:
    """Every particle with four neighbours of which three are hydrogens, ascending."""
    found = []
    for centre, around in enumerate(particles.neighbours):
        hydrogens = [atom for atom in around if particles.types[atom] == "H"]
        if len(hydrogens) == 3 and len(around) == 4:
            (neighbour,) = set(around) - set(hydrogens)
            found.append(Rotor(centre, neighbour, (hydrogens[0], hydrogens[1], hydrogens[2])))
    return found


def equal_ends(particles: Particles) -> list[tuple[int, ...]]:
    """Particles of one type, two or more, whose only neighbour is the same, such as the hydrogens of CH2 or
    CH3.
    """
    found = []
    for around in particles.neighbours:
        ends = [atom for atom in around if len(particles.neighbours[atom]) == 1]
        for kind in sorted({particles.types[atom] for atom in ends}):
            equal = tuple(atom for atom in ends if particles.types[atom] == kind)
            if len(equal) > 1:
                found.append(equal)
    return found


def rotatable_torsions(particles: Particles) -> np.ndarray:
    """One dihedral for each bond outside of rings about which a part of the molecule turns.

    Returns
    -------
    (K, 4) int, in the order of the bonds, the middle two ascending

    Notes
    -----
    Found from bonds and types alone. A bond counts where each end has a further neighbour that is no
    hydrogen, or is a single hydrogen (hydroxyl). Groups of several hydrogens are `rotors` or flips between
    equals. Amide bonds and ends that are linear (a carbon with two neighbours) are left out. The outer
    particles are the first of each end that are no hydrogen.
    """
    types, neighbours, found = particles.types, particles.neighbours, []
    for bond in sorted(_bridges(neighbours)):
        ends = [[atom for atom in neighbours[bond[k]] if atom != bond[1 - k]] for k in (0, 1)]
        linear = any(types[atom] == "C" and len(neighbours[atom]) == 2 for atom in bond)
        if (
            linear
            or _is_amide(types, neighbours, *bond)
            or not all(_turns_visibly(types, end) for end in ends)
        ):
            continue
        first, last = (min(end, key=lambda atom: (types[atom] == "H", atom)) for end in ends)
        found.append((first, *bond, last))
    return np.array(found, dtype=int).reshape(-1, 4)


def ring_torsions(particles: Particles) -> np.ndarray:
    """One dihedral for each bond of a ring whose two particles have four neighbours each: those that turn
    when the ring changes its shape; (K, 4) int, along the smallest ring of the bond.
    """
    neighbours = particles.neighbours
    bridges, found = _bridges(neighbours), []
    for bond in sorted({(min(bond), max(bond)) for bond in particles.bonds} - bridges):
        if any(len(neighbours[atom]) != 4 for atom in bond):
            continue
        ring = _way_around(neighbours, *bond)
        if len(ring) >= 4:
            found.append((ring[1], *bond, ring[-2]))
    return np.array(found, dtype=int).reshape(-1, 4)


def _turns_visibly(types: tuple[str, ...], end: list[int]) -> bool:
    """Whether a turn of an end with these neighbours can be told from none."""
    return len(end) == 1 or any(types[atom] != "H" for atom in end)


def _is_amide(types: tuple[str, ...], neighbours: list[list[int]], one: int, other: int) -> bool:
    """Whether the bond is that of a nitrogen and a carbon with an oxygen or sulphur that has no other
    neighbour.
    """
    return any(
        types[carbon] == "C"
        and types[nitrogen] == "N"
        and len(neighbours[carbon]) == 3
        and any(types[atom] in ("O", "S") and len(neighbours[atom]) == 1 for atom in neighbours[carbon])
        for carbon, nitrogen in ((one, other), (other, one))
    )


def ring_bonds(particles: Particles) -> list[tuple[int, int]]:
    """Bonds that are part of a ring, ascending."""
    bridges = _bridges(particles.neighbours)
    return sorted(bond for bond in ((min(b), max(b)) for b in particles.bonds) if bond not in bridges)


def _bridges(neighbours: list[list[int]]) -> set[tuple[int, int]]:
    """Bonds that are in no ring, each ascending (Tarjan 1974), without recursion: chains may be long."""
    order, low, found = [-1] * len(neighbours), [0] * len(neighbours), set()
    count = 0
    for root in range(len(neighbours)):
        if order[root] >= 0:
            continue
        order[root] = low[root] = count
        count += 1
        stack = [(root, -1, iter(neighbours[root]))]
        while stack:
            atom, parent, following = stack[-1]
            other = next(following, None)
            if other is None:
                stack.pop()
                if parent >= 0:
                    low[parent] = min(low[parent], low[atom])
                    if low[atom] > order[parent]:
                        found.add((min(atom, parent), max(atom, parent)))
            elif order[other] < 0:
                order[other] = low[other] = count
                count += 1
                stack.append((other, atom, iter(neighbours[other])))
            elif other != parent:
                low[atom] = min(low[atom], order[other])
    return found


def _way_around(neighbours: list[list[int]], start: int, end: int) -> list[int]:
    """The shortest way from start to end that does not use their bond, both included."""
    before, queue = {start: start}, deque([start])
    while queue and end not in before:
        atom = queue.popleft()
        for other in neighbours[atom]:
            if other not in before and (atom, other) != (start, end):
                before[other] = atom
                queue.append(other)
    way = [end]
    while way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]


def backbone_torsions(molecule: Particles) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """As `find_backbone_torsions`, of a molecule that must have some.

    Raises
    ------
    MoleculeError
        If no residue has both: the molecule is no peptide with capped or continued ends, or its atoms are not
        named as in a PDB file.
    """
    torsions = find_backbone_torsions(molecule)
    if not torsions:
        raise MoleculeError(
            "evaluation: no residue has both phi and psi; expected atoms named N, CA and C with peptide"
            f" bonds on both sides, found residues {list(dict.fromkeys(molecule.residue_names))}; use a"
            " capped peptide with PDB names."
        )
    return torsions


def find_backbone_torsions(molecule: Particles) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Atoms of phi (C, N, CA, C) and psi (N, CA, C, N) of every residue that has both, in chain order."""
    return [(phi, psi) for _, phi, psi in each_backbone(molecule) if phi is not None and psi is not None]


def each_backbone(
    molecule: Particles,
) -> list[tuple[int, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """Residue, atoms of phi and of psi of every residue with a backbone, in chain order; None where the chain
    ends.
    """
    found: list[tuple[int, tuple[int, ...] | None, tuple[int, ...] | None]] = []
    neighbours = molecule.neighbours
    for residue in sorted(set(molecule.residue_indices)):
        own = {
            name: atom
            for atom, name in enumerate(molecule.atom_names)
            if molecule.residue_indices[atom] == residue and name in ("N", "CA", "C")
        }
        if len(own) < 3:
            continue
        n, ca, c = own["N"], own["CA"], own["C"]
        # The peptide bonds, not the numbering, say which residues come before and after.
        before = _bonded(molecule, neighbours, n, "C", residue)
        after = _bonded(molecule, neighbours, c, "N", residue)
        phi = None if before is None else (before, n, ca, c)
        psi = None if after is None else (n, ca, c, after)
        found.append((residue, phi, psi))
    return found


def _bonded(molecule: Particles, neighbours, atom: int, element: str, residue: int) -> int | None:
    """The atom of an element in another residue that is bonded to `atom`."""
    for other in neighbours[atom]:
        if molecule.types[other] == element and molecule.residue_indices[other] != residue:
            return other
    return None


def phi_psi(positions: np.ndarray, molecule: Particles) -> np.ndarray:
    """phi and psi of a molecule with one such pair, as alanine dipeptide.

    Parameters
    ----------
    positions : (T, N, 3), any unit, whole molecules

    Returns
    -------
    (T, 2) float64, rad

    Raises
    ------
    MoleculeError
        If the molecule has no such pair or more than one.
    """
    torsions = backbone_torsions(molecule)
    if len(torsions) > 1:
        raise MoleculeError(
            f"evaluation: the molecule has {len(torsions)} pairs of phi and psi; expected one, as in alanine"
            " dipeptide; compute each pair with dihedral_angles and compare them one by one."
        )
    return dihedral_angles(positions, np.array(torsions[0]))


def linear_path(particles: Particles) -> list[int] | None:
    """The particles of one linear chain from end to end, the end with the lower index first; None if there
    are branches, rings or several parts.
    """
    near = particles.neighbours
    ends = [particle for particle, bonded in enumerate(near) if len(bonded) == 1]
    if len(ends) != 2 or max(map(len, near)) > 2 or len(particles.parts) > 1:
        return None
    path = [ends[0]]
    while len(path) < len(particles):
        path += [particle for particle in near[path[-1]] if particle not in path[-2:]]
    return path
