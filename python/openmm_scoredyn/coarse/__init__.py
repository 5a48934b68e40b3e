"""Coarse graining: beads that stand for groups of atoms, or of finer beads."""

from openmm_scoredyn.coarse.coarsening import coarsen
from openmm_scoredyn.coarse.mapping import Mapping
from openmm_scoredyn.molecule.composition import composition, composition_name

__all__ = ["Mapping", "coarsen", "composition", "composition_name"]
