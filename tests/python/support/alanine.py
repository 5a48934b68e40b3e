"""Alanine dipeptide for the tests: a structure file, its molecule, and trajectories of arbitrary numbers."""

from pathlib import Path

import numpy as np

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.particles import Particles

PDB = Path(__file__).with_name("alanine_dipeptide.pdb")


def alanine_topology():
    from openmm.app import PDBFile

    return PDBFile(str(PDB)).topology


def alanine_molecule() -> Particles:
    return Particles.from_topology(alanine_topology())


def alanine_positions() -> np.ndarray:
    from openmm import unit
    from openmm.app import PDBFile

    return PDBFile(str(PDB)).getPositions(asNumpy=True).value_in_unit(unit.nanometer)


def make_trajectory(*lengths, seed=0, **fields) -> Trajectory:
    """Segments of the lengths given, each frame the structure plus noise."""
    generator = np.random.default_rng(seed)
    values = {
        "segments": tuple(alanine_positions() + 0.01 * generator.normal(size=(n, 22, 3)) for n in lengths),
        "frame_spacing_ps": 1.0,
        "temperature_K": 300.0,
        "molecule": alanine_molecule(),
        "steered": False,
        "consecutive": False,
        "source_sha256": f"{seed:064x}",
    }
    return Trajectory(**values | fields)
