"""Internal coordinates of a molecule: bond lengths, bond angles, impropers, handedness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.molecule.geometry import dihedral_angles
from openmm_scoredyn.molecule.particles import Particles


@dataclass(frozen=True)
class Coordinate:
    """A bond, angle or improper; hydrogens on one atom are one coordinate with several members.

    Attributes
    ----------
    label : residue and atom names, hydrogens as H
    members : (K, 2), (K, 3) or (K, 4) int array
    """

    label: str
    members: np.ndarray


def coordinates_of(molecule: Particles) -> tuple[list[Coordinate], list[Coordinate], list[Coordinate]]:
    """All bonds, all angles and all impropers of a molecule, hydrogens of one atom pooled.

    Impropers are those of atoms with three neighbours and of chiral centres: the three (heavy) neighbours,
    then the atom.
    """
    neighbours = molecule.neighbours
    bonds = [tuple(sorted(bond)) for bond in molecule.bonds]
    angles = [(a, c, b) for c, bonded in enumerate(neighbours) for a in bonded for b in bonded if a < b]
    flat = [(*bonded, atom) for atom, bonded in enumerate(neighbours) if len(bonded) == 3]
    chiral = [(*bonded, int(atom)) for atom, *bonded in chiral_centres(molecule).tolist()]
    return _pooled(molecule, bonds), _pooled(molecule, angles), _pooled(molecule, flat + chiral)


def _pooled(molecule: Particles, tuples: Sequence[tuple[int, ...]]) -> list[Coordinate]:
    members: dict[str, list[tuple[int, ...]]] = {}
    for atoms in tuples:
        names = [
            f"{molecule.residue_names[a]}:{'H' if molecule.types[a] == 'H' else molecule.atom_names[a]}"
            for a in atoms
        ]
        label = "-".join(names if names[0].split(":")[1] != "H" else names[::-1])
        members.setdefault(label, []).append(atoms)
    return [Coordinate(label, np.array(group)) for label, group in members.items()]


def chiral_centres(molecule: Particles) -> np.ndarray:
    """Carbons with four neighbours of which at most one is hydrogen, with three heavy ones: (n, 4) int."""
    centres = []
    for atom, bonded in enumerate(molecule.neighbours):
        heavy = [other for other in bonded if molecule.types[other] != "H"]
        if molecule.types[atom] == "C" and len(bonded) == 4 and len(heavy) >= 3:
            centres.append((atom, *heavy[:3]))
    return np.array(centres, dtype=int).reshape(-1, 4)


def bond_lengths(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Lengths of (K, 2) bonds, (T, K) float64, in the unit of the positions."""
    return np.linalg.norm(positions[:, bonds[:, 1]].astype(np.float64) - positions[:, bonds[:, 0]], axis=-1)


def bond_angles(positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Angles of (K, 3) atoms, the middle one the vertex, (T, K) float64, degrees."""
    left, right = (positions[:, angles[:, k]].astype(np.float64) - positions[:, angles[:, 1]] for k in (0, 2))
    cosine = np.sum(left * right, axis=-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def improper_angles(positions: np.ndarray, impropers: np.ndarray) -> np.ndarray:
    """Angles between the planes (a, b, c) and (b, c, centre) of (K, 4) atoms, (T, K) float64, degrees.

    0 where the centre lies in the plane of its three neighbours; of opposite sign in the mirror image.
    """
    return np.degrees(dihedral_angles(positions, impropers))


def handedness(positions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Sign of (a-c).((b-c)x(d-c)) at each centre (c, a, b, d), (T, n)."""
    a, b, d = (
        positions[:, centres[:, k]].astype(np.float64) - positions[:, centres[:, 0]] for k in (1, 2, 3)
    )
    return np.sign(np.sum(a * np.cross(b, d), axis=-1))
