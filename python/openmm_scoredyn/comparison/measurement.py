"""Everything that is measured on one side of a comparison, with what was fitted on the reference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openmm_scoredyn.comparison.autocorrelation import Autocorrelation, autocorrelation
from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.distribution import block_histograms
from openmm_scoredyn.comparison.passages import PATH_TIME, UNSEEN, first_passage_times, transition_paths
from openmm_scoredyn.comparison.states import (
    PS_PER_NS,
    drawn_as_events,
    free_energies,
    hop_rate,
    populations,
    sojourns,
    visits,
)
from openmm_scoredyn.comparison.timescales import (
    REPORTED_LAG_PS,
    MarkovResult,
    TimescaleModel,
    fit_timescales,
)
from openmm_scoredyn.comparison.uncertainty import Estimate, estimates
from openmm_scoredyn.observables.protocol import Observable, Quantity
from openmm_scoredyn.observables.series import Observations
from openmm_scoredyn.observables.states import Coordinate, StateDefinition

CORRELATION_LAGS_PS = (1.0, 10.0, 50.0)
DEFAULT_TEMPERATURE_K = 300.0
PASSAGE_PREFIX = "first passage, "
POPULATIONS, ENERGIES, KINETICS = "Populations", "Free energies", "Kinetics"
PATHS, CORRELATION, TIMESCALES = "Transition paths", "Autocorrelation", "Implied time scales"
MARKOV_PASSAGES = "First passages by the Markov model"


@dataclass(frozen=True, eq=False)
class Fit:
    """What was learned from the reference and is applied to both sides.

    Attributes
    ----------
    observables : that can be compared
    fitted : by the name of an observable, what it learned
    coordinates : (name of the observable, Coordinate)
    markov : by the name of an observable with coordinates, a Markov model of all its angles
    """

    observables: tuple[Observable, ...]
    fitted: dict[str, dict]
    coordinates: tuple[tuple[str, Coordinate], ...]
    markov: dict[str, TimescaleModel]

    @classmethod
    def of(
        cls,
        reference: Observations,
        observables: Sequence[Observable],
        seed: int = 0,
        markov_models: bool = True,
    ) -> "Fit":
        """Fit all observables that the reference has numbers or stored statistics of, with Markov models or
        without.
        """
        known = [o for o in observables if o.name in reference.values or o.name in reference.statistics]
        fitted = {
            o.name: o.fit(reference.sample(o.name))
            if o.name in reference.values
            else reference.statistics[o.name]["fitted"]
            for o in known
        }
        coordinates = tuple((o.name, one) for o in known for one in o.coordinates(fitted[o.name]))
        markov = {}
        for name in dict.fromkeys(name for name, _ in coordinates if markov_models):
            own = [one for other, one in coordinates if other == name]
            # In the space of several coordinates, clusters are too coarse for the cores of one.
            states = own[0].states if len(own) == 1 else None
            angles, spacing = reference.values[name], reference.frame_spacing_ps
            markov[name] = fit_timescales(angles, reference.lengths, spacing, states, seed=seed)
        return cls(tuple(known), fitted, coordinates, markov)

    def angles(self, observations: Observations) -> Iterator[tuple[Coordinate, np.ndarray]]:
        """Each coordinate with its angles (frames, F), rad."""
        for name, coordinate in self.coordinates:
            yield coordinate, observations.values[name][:, coordinate.columns]


@dataclass(frozen=True, eq=False)
class Measurement:
    """One side of a comparison.

    Attributes
    ----------
    observations : Observations
    blocks : that the bootstrap resampled
    sojourns : by the name of a coordinate, how often its rare state was visited
    estimates : Estimate by Quantity
    histograms : by the name of a coordinate, counts (bins,) or (bins, bins), from -180 degrees
    correlation : by the name of a coordinate, Autocorrelation
    markov : by the name of an observable, MarkovResult
    """

    observations: Observations
    blocks: Blocks
    sojourns: dict[str, int]
    estimates: dict[Quantity, Estimate]
    histograms: dict[str, np.ndarray]
    correlation: dict[str, Autocorrelation]
    markov: dict[str, MarkovResult]

    @property
    def fewest_sojourns(self) -> float:
        """In the rare state that was seen least often; infinite where no state is rare."""
        return min(self.sojourns.values(), default=np.inf)


def sojourns_of(observations: Observations, fit: Fit) -> dict[str, np.ndarray]:
    """Sojourns in the rare state of each coordinate that has one, by the coordinate's name: see
    `states.sojourns`.
    """
    return {
        coordinate.name: sojourns(angles, observations.lengths, coordinate.states)
        for coordinate, angles in fit.angles(observations)
        if coordinate.states is not None and coordinate.states.rare
    }


def blocks_of(observations: Observations, fit: Fit, block_frames: int | None = None) -> Blocks:
    """Blocks sized by the slowest angle of all coordinates; by all numbers where there is no coordinate."""
    signals = [part for _, angles in fit.angles(observations) for part in (np.sin(angles), np.cos(angles))]
    signals = signals or list(observations.values.values()) or [np.zeros((observations.num_frames, 1))]
    parts = np.split(np.concatenate(signals, axis=1), np.cumsum(observations.lengths)[:-1])
    rare = drawn_as_events(list(sojourns_of(observations, fit).values()), observations.num_frames)
    return cut(parts, rare, block_frames)


def measure(observations: Observations, fit: Fit, seed: int = 0) -> Measurement:
    """All statistics of the coordinates of one side."""
    blocks = blocks_of(observations, fit)
    found: dict[Quantity, Estimate] = {}
    correlations, histograms, markov = {}, {}, {}
    for coordinate, angles in fit.angles(observations):
        if coordinate.states is not None:
            found |= _occupation(coordinate, coordinate.states, angles, observations, blocks, seed)
            found |= _kinetics(coordinate, coordinate.states, angles, observations, blocks, seed)
        spacing = observations.frame_spacing_ps
        correlation = autocorrelation(angles, coordinate.angles, spacing, blocks, seed=seed)
        found |= _correlation(coordinate, correlation)
        counts = block_histograms(angles, blocks, coordinate.bins).sum(axis=0)
        correlations[coordinate.name] = correlation
        histograms[coordinate.name] = counts.reshape((coordinate.bins,) * len(coordinate.angles))
    for name, model in fit.markov.items():
        markov[name] = model.measure(observations.values[name], observations.frame_spacing_ps, blocks, seed)
        found |= _time_scales(f"{name}: " if len(fit.markov) > 1 else "", markov[name])
        found |= _markov_passages(
            next(c for other, c in fit.coordinates if other == name), markov[name], found
        )
    numbers = {name: len(one) for name, one in sojourns_of(observations, fit).items()}
    return Measurement(observations, blocks, numbers, found, histograms, correlations, markov)


def measure_statistics(
    observations: Observations, fit: Fit, seed: int = 0
) -> dict[str, dict[Quantity, Estimate]]:
    """Statistics of all observables whose numbers are known, by the name of the observable."""
    blocks = blocks_of(observations, fit)
    result: dict[str, dict[Quantity, Estimate]] = {}
    for observable in fit.observables:
        if observable.name in observations.values:
            sample = observations.sample(observable.name)
            own = result.setdefault(observable.name, {})
            for statistic in observable.statistics(sample, fit.fitted[observable.name]):
                own |= estimates(statistic, blocks, seed)
    return result


def _occupation(
    coordinate: Coordinate,
    states: StateDefinition,
    angles: np.ndarray,
    observations: Observations,
    blocks: Blocks,
    seed: int,
) -> dict[Quantity, Estimate]:
    """Populations and free-energy differences."""
    limits, own = coordinate.tolerances, coordinate.name
    result, visited = {}, visits(angles, states, blocks)
    for name, estimate in populations(angles, states, blocks, visited, seed).items():
        # A rare state's population has no percentage to meet: its own error bar is the measure.
        tolerance = 0.0 if states[name].rare else limits.population
        text = coordinate.named(name)
        result[Quantity(POPULATIONS, text, "", tolerance, of_frames=True, coordinate=own)] = estimate
    temperature_K = observations.temperature_K or DEFAULT_TEMPERATURE_K
    target = limits.free_energy_target_kJ_per_mol
    for name, estimate in free_energies(angles, states, temperature_K, blocks, visited, seed).items():
        text = coordinate.named(name)
        result[Quantity(ENERGIES, text, "kJ/mol", absolute_target=target, coordinate=own)] = estimate
    return result


def _kinetics(
    coordinate: Coordinate,
    states: StateDefinition,
    angles: np.ndarray,
    observations: Observations,
    blocks: Blocks,
    seed: int,
) -> dict[Quantity, Estimate]:
    """Crossings, passages between core sets, and the paths they take."""
    spacing, limits, own = observations.frame_spacing_ps, coordinate.tolerances, coordinate.name
    text = coordinate.named(states.hops[0])
    crossings = Quantity(KINETICS, text, "1/ns", limits.rate, ratio=True, coordinate=own)
    result = {crossings: hop_rate(angles, spacing, states, blocks, seed)}
    for name, estimate in first_passage_times(angles, spacing, states, blocks, seed).items():
        quantity = Quantity(
            KINETICS,
            coordinate.named(f"{PASSAGE_PREFIX}{name}"),
            "ns",
            _passage_tolerance(coordinate, states, name),
            ratio=True,
            relative_target=limits.time_target,
            coordinate=own,
        )
        result[quantity] = estimate
    for passage, paths in transition_paths(angles, spacing, states, blocks, seed).items():
        for name, estimate in paths.items():
            unit, what = ("ps", name) if name == PATH_TIME else ("", f"share over {name}")
            what = f"share {name}" if name == UNSEEN else what
            text = coordinate.named(f"{passage}: {what}")
            result[Quantity(PATHS, text, unit, of_paths=not unit, coordinate=own)] = estimate
    return result


def _passage_tolerance(coordinate: Coordinate, states: StateDefinition, passage: str) -> float:
    rare = any(states[name].rare for side in states.passages[passage] for name in side)
    return coordinate.tolerances.rare_rate if rare else coordinate.tolerances.rate


def _correlation(coordinate: Coordinate, correlation: Autocorrelation) -> dict[Quantity, Estimate]:
    """Autocorrelations at some lags; those of the angles that tell the rare state are limited by it."""
    result = {}
    for lag in CORRELATION_LAGS_PS:
        if lag in correlation.lags_ps:
            for name, estimate in correlation.at(lag).items():
                quantity = Quantity(
                    CORRELATION,
                    coordinate.named(f"{name} at {lag:g} ps"),
                    "",
                    absolute_tolerance=coordinate.tolerances.autocorrelation,
                    of_frames=True,
                    coordinate=coordinate.name,
                    limited=name.split()[-1] in coordinate.telling,
                )
                result[quantity] = estimate
    return result


def _time_scales(label: str, markov: MarkovResult) -> dict[Quantity, Estimate]:
    """Implied time scales at the reported lag."""
    result = {}
    pairs = zip(
        markov.timescales.get(REPORTED_LAG_PS, []), markov.posterior.get(REPORTED_LAG_PS, []), strict=True
    )
    for process, (estimate, posterior) in enumerate(pairs):
        name = f"{label}process {process + 1} at lag {REPORTED_LAG_PS:g} ps"
        quantity = Quantity(TIMESCALES, name, "ps", 0.10, ratio=True, relative_target=0.15)
        # The bootstrap does not see the scatter of few events, the posterior not what the clusters
        # hide.
        result[quantity] = replace(estimate, error=float(np.fmax(estimate.error, posterior.error)))
    return result


def _markov_passages(
    coordinate: Coordinate, markov: MarkovResult, known: dict[Quantity, Estimate]
) -> dict[Quantity, Estimate]:
    """Passage times of the Markov model with the number of passages that were counted."""
    result = {}
    counted = {quantity.name: estimate.samples for quantity, estimate in known.items()}
    for (source, target), estimate in markov.passages.items():
        name = f"{source} -> {target}"
        quantity = Quantity(
            MARKOV_PASSAGES,
            coordinate.named(name),
            "ns",
            coordinate.tolerances.rare_rate,
            ratio=True,
            relative_target=coordinate.tolerances.time_target,
            coordinate=coordinate.name,
        )
        result[quantity] = Estimate(
            estimate.value / PS_PER_NS,
            estimate.error / PS_PER_NS,
            counted[coordinate.named(f"{PASSAGE_PREFIX}{name}")],
        )
    return result
