"""Comparing trajectories: populations, rates and times with error bars, whatever made them."""

from openmm_scoredyn.dihedrals import backbone_torsions, dihedral_angles, phi_psi
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.evaluation.basins import BASINS, CORES, Basin
from openmm_scoredyn.evaluation.bootstrap import Estimate
from openmm_scoredyn.evaluation.chapman_kolmogorov import IntervalStatistics, chapman_kolmogorov
from openmm_scoredyn.evaluation.comparison import compare, statistics, with_geometry
from openmm_scoredyn.evaluation.comparison_report import ComparisonReport
from openmm_scoredyn.evaluation.free_energies import free_energies
from openmm_scoredyn.evaluation.guard_counts import count_refusals
from openmm_scoredyn.evaluation.kinetics import crossing_rate, first_passage_times
from openmm_scoredyn.evaluation.populations import populations
from openmm_scoredyn.evaluation.ramachandran import divergence, free_energy
from openmm_scoredyn.evaluation.rows import Row
from openmm_scoredyn.evaluation.series import DihedralSeries, is_series, load_series, save_series
from openmm_scoredyn.evaluation.transition_paths import transition_paths

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
    "count_refusals",
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
