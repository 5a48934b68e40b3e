"""Progress coordinate of alanine dipeptide: phi on a line that is cut inside the target."""

import numpy as np

from openmm_scoredyn.molecule.geometry import dihedral_angles

PHI = [[4, 6, 8, 14]]  # C of ACE, and N, CA and C of the alanine
# Core of phi > 0 as `scoredyn compare` has it, degrees: far enough from the barriers not to be left at once.
TARGET = (20.0, 110.0)


def phi_degrees(frames: np.ndarray) -> np.ndarray:
    """phi of frames (T, N, 3), as (T, 1) degrees in [-250, 110): whoever reaches 20 is in the target, over
    either barrier, and the basins are far from both ends.
    """
    phi = np.degrees(dihedral_angles(frames, PHI))
    return (phi + 250.0) % 360.0 - 250.0
