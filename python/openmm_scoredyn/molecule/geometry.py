"""The backbone dihedrals phi and psi: which atoms define them, and their values."""

import numpy as np

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles


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
