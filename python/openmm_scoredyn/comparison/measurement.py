"""Everything that is measured on one side of a comparison."""

from dataclasses import dataclass, replace

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import Autocorrelation, autocorrelation
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.bootstrap import Estimate
from openmm_scoredyn.comparison.free_energies import free_energies
from openmm_scoredyn.comparison.kinetics import PS_PER_NS, crossing_rate, first_passage_times
from openmm_scoredyn.comparison.populations import populations
from openmm_scoredyn.comparison.ramachandran import block_histograms
from openmm_scoredyn.comparison.rare_stays import stays
from openmm_scoredyn.comparison.series import DihedralSeries
from openmm_scoredyn.comparison.timescales import REPORTED_LAG_PS, MarkovResult, TimescaleModel
from openmm_scoredyn.comparison.transition_paths import UNSEEN, transition_paths
from openmm_scoredyn.comparison.visits import visits

CORRELATION_LAGS_PS = (1.0, 10.0, 50.0)
DEFAULT_TEMPERATURE_K = 300.0
PASSAGE_PREFIX = "first passage, "
MARKOV_PASSAGES = "First passages by the Markov model"


@dataclass(frozen=True)
class Quantity:
    """What is compared, and by how much two sides may differ in practice.

    Attributes
    ----------
    group : section of the report
    name, unit : str
    relative_tolerance, absolute_tolerance : differences that do not matter to a user; 0 for none
    ratio : compared on a logarithmic scale: rates and times, which are positive and skewed
    relative_target, absolute_target : by how much a good model may be off; 0 where nothing was set
    one_sided : smaller than the reference is as good as equal
    of_frames : an average over frames, whose error falls with the root of the length
    of_paths : a share of so many paths as there are samples
    of_stays : mostly what stays at phi > 0 make of it, so that one side without any and one with some cannot
    be compared
    """

    group: str
    name: str
    unit: str
    relative_tolerance: float = 0.0
    absolute_tolerance: float = 0.0
    ratio: bool = False
    relative_target: float = 0.0
    absolute_target: float = 0.0
    one_sided: bool = False
    of_frames: bool = False
    of_paths: bool = False
    of_stays: bool = False


@dataclass(frozen=True)
class Measurement:
    """One side of a comparison.

    Attributes
    ----------
    series : DihedralSeries
    blocks : Blocks of the series, which the bootstrap redrew
    num_stays : stays at phi > 0, the rarest of what is sampled
    estimates : Estimate by Quantity
    histogram : (50, 50) counts, phi first, from -180 degrees
    correlation : Autocorrelation
    markov : MarkovResult
    """

    series: DihedralSeries
    blocks: Blocks
    num_stays: int
    estimates: dict[Quantity, Estimate]
    histogram: np.ndarray
    correlation: Autocorrelation
    markov: MarkovResult


def measure(series: DihedralSeries, model: TimescaleModel, seed: int = 0) -> Measurement:
    """All dihedral statistics of one side; `model` was fitted on the reference."""
    blocks = cut(series.angles)
    angles, spacing = series.angles, series.frame_spacing_ps
    correlation = autocorrelation(angles, spacing, blocks=blocks, seed=seed)
    markov = model.measure(angles, spacing, blocks, seed)
    estimates = _occupation(series, blocks, seed) | _kinetics(series, blocks, seed)
    for lag in CORRELATION_LAGS_PS:
        if lag in correlation.lags_ps:
            for name, estimate in correlation.at(lag).items():
                text = f"{name} at {lag:g} ps"
                quantity = Quantity(
                    "Autocorrelation",
                    text,
                    "",
                    absolute_tolerance=0.02,
                    of_frames=True,
                    of_stays="phi" in name,
                )
                estimates[quantity] = estimate
    estimates |= _markov_quantities(markov, estimates)
    counts = block_histograms(angles, blocks).sum(axis=0)
    side = int(np.sqrt(len(counts)))
    return Measurement(
        series, blocks, len(stays(angles)), estimates, counts.reshape(side, side), correlation, markov
    )


def _occupation(series: DihedralSeries, blocks: Blocks, seed: int) -> dict[Quantity, Estimate]:
    """Populations and free-energy differences."""
    result, visited = {}, visits(series.angles, blocks)
    for name, estimate in populations(series.angles, blocks, seed, visited).items():
        # A rare basin's population has no percentage to meet: its own error bar is the measure.
        tolerance = 0.05 if name in ("beta", "alpha_R") else 0.0
        result[Quantity("Populations", name, "", tolerance, of_frames=True)] = estimate
    temperature_K = series.temperature_K or DEFAULT_TEMPERATURE_K
    for name, estimate in free_energies(series.angles, temperature_K, blocks, seed, visited).items():
        result[Quantity("Free energies", name, "kJ/mol", absolute_target=0.3)] = estimate
    return result


def _kinetics(series: DihedralSeries, blocks: Blocks, seed: int) -> dict[Quantity, Estimate]:
    """Crossings, passages between core sets, and the paths they take."""
    angles, spacing = series.angles, series.frame_spacing_ps
    rate = crossing_rate(angles, spacing, blocks, seed=seed)
    result = {Quantity("Kinetics", "beta <-> alpha_R crossings", "1/ns", 0.10, ratio=True): rate}
    for name, estimate in first_passage_times(angles, spacing, blocks, seed=seed).items():
        rare = any(basin in name for basin in ("phi>0", "alpha_L", "C7ax"))
        quantity = Quantity(
            "Kinetics",
            f"{PASSAGE_PREFIX}{name}",
            "ns",
            0.25 if rare else 0.10,
            ratio=True,
            relative_target=0.15,
        )
        result[quantity] = estimate
    for passage, paths in transition_paths(angles, spacing, blocks, seed).items():
        for name, estimate in paths.items():
            unit, text = (
                ("ps", name)
                if name == "path time"
                else ("", f"share {name}" if name == UNSEEN else f"share over {name}")
            )
            result[Quantity("Transition paths", f"{passage}: {text}", unit, of_paths=not unit)] = estimate
    return result


def _markov_quantities(markov: MarkovResult, known: dict[Quantity, Estimate]) -> dict[Quantity, Estimate]:
    """Implied time scales, and passage times of the Markov model with the number of passages that were
    counted.
    """
    result = {}
    pairs = zip(
        markov.timescales.get(REPORTED_LAG_PS, []), markov.posterior.get(REPORTED_LAG_PS, []), strict=True
    )
    for process, (estimate, posterior) in enumerate(pairs):
        name = f"process {process + 1} at lag {REPORTED_LAG_PS:g} ps"
        quantity = Quantity("Implied time scales", name, "ps", 0.10, ratio=True, relative_target=0.15)
        # The bootstrap does not see the scatter of a handful of events, the posterior not what the clusters
        # hide.
        result[quantity] = replace(estimate, error=float(np.fmax(estimate.error, posterior.error)))
    counted = {quantity.name: estimate.samples for quantity, estimate in known.items()}
    for (source, target), estimate in markov.passages.items():
        name = f"{source} -> {target}"
        quantity = Quantity(MARKOV_PASSAGES, name, "ns", 0.25, ratio=True, relative_target=0.15)
        result[quantity] = Estimate(
            estimate.value / PS_PER_NS, estimate.error / PS_PER_NS, counted[f"{PASSAGE_PREFIX}{name}"]
        )
    return result
