"""How often torsions turn within a step."""

import numpy as np

from openmm_scoredyn.molecule.geometry import dihedral_angles


def hops(before, after, atoms) -> np.ndarray:
    """Share of the torsions (K, 4) that turned by more than a radian, (T,)."""
    turned = dihedral_angles(after, atoms) - dihedral_angles(before, atoms)
    return (np.abs(np.angle(np.exp(1j * turned))) > 1).mean(1)
