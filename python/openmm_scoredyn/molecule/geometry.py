"""Internal coordinates of a molecule, one rule each: which particles define them, and their values.

Bonds, angles, dihedrals, handedness, torsions about partial double bonds, and the backbone's phi and psi.
"""

from collections import deque

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


def handed_centres(particles: Particles) -> list[tuple[int, int, int, int]]:
    """(centre, a, b, c) of those of `four_bonded` that have at most one hydrogen: what has a handedness."""
    return [
        atoms
        for atoms in four_bonded(particles)
        if sum(particles.types[i] == "H" for i in particles.neighbours[atoms[0]]) <= 1
    ]


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
    neighbours, torsions = molecule.neighbours, []
    for residue in sorted(set(molecule.residue_indices)):
        own = {
            name: atom
            for atom, name in enumerate(molecule.atom_names)
            if molecule.residue_indices[atom] == residue and name in ("N", "CA", "C")
        }
        if len(own) < 3:
            continue
        # The peptide bonds, not the numbering, say which residues come before and after.
        before = _bonded(molecule, neighbours, own["N"], "C", residue)
        after = _bonded(molecule, neighbours, own["C"], "N", residue)
        if before is not None and after is not None:
            n, ca, c = own["N"], own["CA"], own["C"]
            torsions.append(((before, n, ca, c), (n, ca, c, after)))
    return torsions


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
