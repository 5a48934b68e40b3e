"""Everything that is measured on one side of a comparison."""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.evaluation.autocorrelation import Autocorrelation, autocorrelation
from openmm_scoredyn.evaluation.basins import populations
from openmm_scoredyn.evaluation.blocks import cut
from openmm_scoredyn.evaluation.bootstrap import Estimate
from openmm_scoredyn.evaluation.kinetics import crossing_rate, first_passage_times
from openmm_scoredyn.evaluation.ramachandran import block_histograms
from openmm_scoredyn.evaluation.series import DihedralSeries
from openmm_scoredyn.evaluation.timescales import TimescaleModel

CORRELATION_LAGS_PS = (1.0, 10.0, 50.0)
TIMESCALE_LAG_PS = 10.0


@dataclass(frozen=True)
class Quantity:
    """What is compared, and by how much two sides may differ in practice.

    Attributes
    ----------
    group : section of the report
    name, unit : str
    relative_tolerance, absolute_tolerance : differences that do not matter to a user; 0 for none
    ratio : compared on a logarithmic scale: rates and times, which are positive and skewed
    """

    group: str
    name: str
    unit: str
    relative_tolerance: float = 0.0
    absolute_tolerance: float = 0.0
    ratio: bool = False


@dataclass(frozen=True)
class Measurement:
    """One side of a comparison.

    Attributes
    ----------
    series : DihedralSeries
    num_blocks : blocks the bootstrap redrew
    estimates : Estimate by Quantity
    histogram : (50, 50) counts, phi first, from -180 degrees
    correlation : Autocorrelation
    timescales : by lag (ps), one Estimate (ps) per slow process
    """

    series: DihedralSeries
    num_blocks: int
    estimates: dict[Quantity, Estimate]
    histogram: np.ndarray
    correlation: Autocorrelation
    timescales: dict[float, list[Estimate]]


def measure(series: DihedralSeries, model: TimescaleModel, seed: int = 0) -> Measurement:
    """All dihedral statistics of one side; `model` was fitted on the reference."""
    blocks = cut(series.angles)
    angles, spacing = series.angles, series.frame_spacing_ps
    estimates: dict[Quantity, Estimate] = {}
    for name, estimate in populations(angles, blocks, seed=seed).items():
        # A rare basin's population has no percentage to meet: its own error bar is the measure.
        tolerance = 0.0 if name == "phi>0" else 0.05
        estimates[Quantity("Populations", name, "", tolerance)] = estimate
    rate = crossing_rate(angles, spacing, blocks, seed=seed)
    estimates[Quantity("Kinetics", "beta <-> alpha_R crossings", "1/ns", 0.10, ratio=True)] = rate
    for name, estimate in first_passage_times(angles, spacing, blocks, seed=seed).items():
        tolerance = 0.25 if "phi>0" in name else 0.10
        estimates[Quantity("Kinetics", f"first passage, {name}", "ns", tolerance, ratio=True)] = estimate
    correlation = autocorrelation(angles, spacing, blocks=blocks, seed=seed)
    for lag in CORRELATION_LAGS_PS:
        if lag in correlation.lags_ps:
            for name, estimate in correlation.at(lag).items():
                quantity = Quantity("Autocorrelation", f"{name} at {lag:g} ps", "", absolute_tolerance=0.02)
                estimates[quantity] = estimate
    timescales = model.timescales(angles, spacing, blocks, seed)
    for process, estimate in enumerate(timescales.get(TIMESCALE_LAG_PS, [])):
        name = f"process {process + 1} at lag {TIMESCALE_LAG_PS:g} ps"
        estimates[Quantity("Implied time scales", name, "ps", 0.10, ratio=True)] = estimate
    counts = block_histograms(angles, blocks).sum(axis=0)
    side = int(np.sqrt(len(counts)))
    return Measurement(series, len(blocks), estimates, counts.reshape(side, side), correlation, timescales)


def geometry_quantities(estimates: dict[str, Estimate]) -> dict[Quantity, Estimate]:
    """Give geometry statistics their units and tolerances: 0.5 pm for bonds, 0.5 degrees for angles."""
    result = {}
    for name, estimate in estimates.items():
        unit, tolerance = ("nm", 0.0005) if name.startswith("bond") else ("deg", 0.5) if name.startswith("angle") else ("", 0.0)
        result[Quantity("Geometry", name, unit, absolute_tolerance=tolerance)] = estimate
    return result
