"""Comparing trajectories: populations, rates and times with error bars, whatever made them."""

from openmm_scoredyn.comparison.basins import BASINS, CORES, Basin
from openmm_scoredyn.comparison.bootstrap import Estimate
from openmm_scoredyn.comparison.chapman_kolmogorov import IntervalStatistics, chapman_kolmogorov
from openmm_scoredyn.comparison.comparison import compare, statistics, with_geometry
from openmm_scoredyn.comparison.comparison_report import ComparisonReport
from openmm_scoredyn.comparison.free_energies import free_energies
from openmm_scoredyn.comparison.kinetics import crossing_rate, first_passage_times
from openmm_scoredyn.comparison.populations import populations
from openmm_scoredyn.comparison.ramachandran import divergence, free_energy
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.series import DihedralSeries, is_series, load_series, save_series
from openmm_scoredyn.comparison.transition_paths import transition_paths
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles, phi_psi

__all__ = [
    "BASINS",
    "CORES",
    "Basin",
    "ComparisonReport",
    "DihedralSeries",
    "Estimate",
    "IntervalStatistics",
    "Row",
    "backbone_torsions",
    "chapman_kolmogorov",
    "compare",
    "crossing_rate",
    "dihedral_angles",
    "divergence",
    "first_passage_times",
    "free_energies",
    "free_energy",
    "is_series",
    "jensen_shannon",
    "load_series",
    "phi_psi",
    "populations",
    "save_series",
    "statistics",
    "transition_paths",
    "with_geometry",
]
