"""Comparing trajectories: populations, rates and times with error bars, whatever made them."""

from openmm_scoredyn.dihedrals import backbone_torsions, dihedral_angles, phi_psi
from openmm_scoredyn.evaluation.basins import BASINS, CORES, Basin, populations
from openmm_scoredyn.evaluation.bootstrap import Estimate
from openmm_scoredyn.evaluation.comparison import ComparisonReport, compare, statistics, with_geometry
from openmm_scoredyn.evaluation.kinetics import crossing_rate, first_passage_times
from openmm_scoredyn.evaluation.ramachandran import divergence, free_energy, jensen_shannon
from openmm_scoredyn.evaluation.rows import Row
from openmm_scoredyn.evaluation.series import DihedralSeries, is_series, load_series, save_series

__all__ = [
    "BASINS",
    "CORES",
    "Basin",
    "ComparisonReport",
    "DihedralSeries",
    "Estimate",
    "Row",
    "backbone_torsions",
    "compare",
    "crossing_rate",
    "dihedral_angles",
    "divergence",
    "first_passage_times",
    "free_energy",
    "is_series",
    "jensen_shannon",
    "load_series",
    "phi_psi",
    "populations",
    "save_series",
    "statistics",
    "with_geometry",
]
