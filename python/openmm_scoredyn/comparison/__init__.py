"""Comparing trajectories by any observable, with error bars, whatever made them."""

from openmm_scoredyn.comparison.chapman_kolmogorov import IntervalStatistics, chapman_kolmogorov
from openmm_scoredyn.comparison.compare import compare, statistics_table, with_statistics
from openmm_scoredyn.comparison.report import write_report
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.uncertainty import Estimate

__all__ = [
    "ComparisonReport",
    "Estimate",
    "IntervalStatistics",
    "Row",
    "chapman_kolmogorov",
    "compare",
    "statistics_table",
    "with_statistics",
    "write_report",
]
