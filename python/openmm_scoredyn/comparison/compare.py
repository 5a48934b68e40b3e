"""Compare two sets of trajectories, whatever made them."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openmm_scoredyn.comparison.analyses import chosen_analyses
from openmm_scoredyn.comparison.distribution import cells, root_in_nats
from openmm_scoredyn.comparison.measurement import (
    MARKOV_PASSAGES,
    Fit,
    Measurement,
    measure,
    measure_statistics,
)
from openmm_scoredyn.comparison.result import ComparisonReport, side_dict
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.sides import Sides
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS, Estimate
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.observables.protocol import Observable, Quantity
from openmm_scoredyn.observables.series import Observations, require_same_particles

log = logging.getLogger(__name__)

DISTRIBUTION, ROOTS = "Distribution", "Distribution of each angle, square root"
# Bins of a single angle, as in the field's tables.
ROOT_BINS = 100

Estimates = dict[Quantity, Estimate]


def compare(
    reference: Observations,
    candidate: Observations,
    observables: Sequence[Observable],
    *,
    reference_name: str = "reference",
    candidate_name: str = "candidate",
    speeds_ps_per_s: dict[str, float] | None = None,
    suites: Sequence[str] = (),
    seed: int = 0,
) -> ComparisonReport:
    """Compare a candidate with a reference; what is fitted is fitted on the reference and applied to both.

    Parameters
    ----------
    reference, candidate : Observations of the same particles
    observables : what is compared, as far as the candidate has its numbers, and the reference its numbers or
        stored statistics
    speeds_ps_per_s : measured speeds by name, shown in the report
    suites : names of suites of other people's quantities to add, such as mdgen

    Raises
    ------
    TrajectoryError
        If neither frame spacing is a multiple of the other, or there is no such suite.
    MoleculeError
        If the two are of different particles, or have no observable in common.
    """
    require_same_particles(reference.particles, candidate.particles)
    analyses = chosen_analyses(suites)
    usable = [observable for observable in observables if observable.name in candidate.values]
    coarse = _common_spacing(reference, candidate)
    fit = Fit.of(coarse[0], usable, seed)
    _require_common(fit, reference, candidate)
    log.info(
        "measuring the reference, %.1f ns, and the candidate, %.1f ns",
        reference.length_ns,
        candidate.length_ns,
    )
    statistics = _statistics(reference, candidate, fit, seed)
    ours, theirs = (measure(side, fit, seed) for side in coarse)
    names = (reference_name, candidate_name)
    notes = _condition_notes(reference, candidate) + _sojourn_notes((ours, theirs), names, fit)
    notes += _unknown_notes(statistics, names)
    sides = Sides(ours, theirs, fit, seed)
    found = [(analysis, what) for analysis in analyses if (what := analysis.find(sides)) is not None]
    rows = [
        *_distribution_rows(sides),
        *_rows(ours.estimates, theirs.estimates, ours, theirs),
        *(row for _, findings in found for row in findings.rows),
        *_rows(*statistics, ours, theirs),
    ]
    speeds = dict(speeds_ps_per_s or {})
    return ComparisonReport(
        tuple(rows), fit, ours, theirs, *names, speeds, tuple(notes), analyses=tuple(found)
    )


def _require_common(fit: Fit, reference: Observations, candidate: Observations) -> None:
    """Raise `MoleculeError` where nothing can be compared."""
    if not fit.observables:
        raise MoleculeError(
            "compare: the two sides have no observable in common; expected one of"
            f" {', '.join(sorted(candidate.values))} in the reference, found"
            f" {', '.join(sorted({**reference.values, **reference.statistics})) or 'none'}; make the"
            " reference again from its trajectories."
        )


def with_statistics(
    observations: Observations, observables: Sequence[Observable], seed: int = 0
) -> Observations:
    """The observations with what their observables were fitted to and all statistics, for a reference to be
    stored.
    """
    fit = Fit.of(observations, observables, seed)
    measured = measure_statistics(observations, fit, seed)
    kept = {
        observable.name: {
            "fitted": fit.fitted[observable.name],
            "estimates": {q.name: e.to_dict() for q, e in measured[observable.name].items()},
        }
        for observable in fit.observables
        if not observable.keeps_frames
    }
    return replace(observations, statistics=kept)


def statistics_table(observations: Observations, observables: Sequence[Observable], seed: int = 0) -> dict:
    """Every statistic of one side with its error, JSON-ready: the reference statistics that are shipped."""
    fit = Fit.of(observations, observables, seed)
    side = measure(observations, fit, seed)
    others = measure_statistics(observations, fit, seed)
    found = {**side.estimates, **{q: e for own in others.values() for q, e in own.items()}}
    quantities = [
        {"group": q.group, "quantity": q.name, "unit": q.unit, **estimate.to_dict()}
        for q, estimate in found.items()
    ]
    return {**side_dict("reference", side), "quantities": quantities}


def _statistics(
    reference: Observations, candidate: Observations, fit: Fit, seed: int
) -> tuple[Estimates, Estimates]:
    """Statistics of both sides, the reference's from its file where its numbers are not known."""
    measured = measure_statistics(reference, fit, seed)
    ours: Estimates = {}
    theirs: Estimates = {}
    for name, own in measure_statistics(candidate, fit, seed).items():
        theirs |= own
        if name in measured:
            ours |= measured[name]
        else:
            stored = reference.statistics[name]["estimates"]
            ours |= {q: Estimate.from_dict(stored[q.name]) for q in own if q.name in stored}
    return ours, theirs


def _distribution_rows(sides: Sides) -> list[Row]:
    """Divergence of each coordinate, then the square root of that of each of its angles, beside what chance
    would show.
    """
    both = zip(*(sides.fit.angles(side.observations) for side in sides.both), strict=True)
    rows, roots = [], []
    for (coordinate, known), (_, found) in both:
        own, bins = [coordinate.name], coordinate.bins
        quantity = divergence_quantity(coordinate.named(coordinate.distribution), coordinate.name)
        labels = cells(known, bins)[:, None], cells(found, bins)[:, None]
        rows.append(sides.divergence_row(quantity, labels, bins ** len(coordinate.angles), coordinates=own))
        for column, angle in enumerate(coordinate.angles):
            text = coordinate.named(f"sqrt(JSD) of {angle} (reference: expected by chance)")
            quantity = Quantity(ROOTS, text, "sqrt(nat)", 0.22, one_sided=True, coordinate=coordinate.name)
            single = [cells(one[:, [column]], ROOT_BINS)[:, None] for one in (known, found)]
            roots.append(sides.divergence_row(quantity, (single[0], single[1]), ROOT_BINS, root_in_nats, own))
    return rows + roots


def divergence_quantity(name: str, coordinate: str = "") -> Quantity:
    """ "No larger than that of two independent sets of MD, times 1.5"; a good model, times 1.2."""
    return Quantity(
        DISTRIBUTION,
        name,
        "bit",
        relative_tolerance=0.5,
        relative_target=0.2,
        one_sided=True,
        coordinate=coordinate,
    )


def _rows(ours: Estimates, theirs: Estimates, reference: Measurement, candidate: Measurement) -> list[Row]:
    """A row for each quantity of both sides; passages by the Markov model only where too few were counted."""
    length_ratio = candidate.observations.length_ns / reference.observations.length_ns
    rows = []
    for quantity, estimate in ours.items():
        other = theirs.get(quantity)
        if other is None or (np.isnan(estimate.value) and np.isnan(other.value)):
            continue
        if quantity.group == MARKOV_PASSAGES and min(estimate.samples, other.samples) >= FEW_EVENTS:
            continue
        own = quantity.coordinate
        sojourns = [
            side.sojourns.get(own, FEW_EVENTS) if own else side.fewest_sojourns
            for side in (reference, candidate)
        ]
        rows.append(make_row(quantity, estimate, other, length_ratio, (sojourns[0], sojourns[1])))
    return rows


def _common_spacing(first: Observations, second: Observations) -> tuple[Observations, Observations]:
    """Both at the wider of the two spacings: crossings seen at another spacing are not the same crossings."""
    ratio = first.frame_spacing_ps / second.frame_spacing_ps
    stride = round(max(ratio, 1.0 / ratio))
    if abs(max(ratio, 1.0 / ratio) - stride) > 1e-6 * stride:
        raise TrajectoryError(
            "compare: the frame spacings do not fit; expected one to be a multiple of the other, found"
            f" {first.frame_spacing_ps:g} and {second.frame_spacing_ps:g} ps; write one of them at another"
            " interval."
        )
    return (first.every(stride), second) if ratio < 1 else (first, second.every(stride))


def _condition_notes(reference: Observations, candidate: Observations) -> list[str]:
    """Where the conditions of the two sides differ."""
    notes = []
    if reference.frame_spacing_ps != candidate.frame_spacing_ps:
        wider = max(reference.frame_spacing_ps, candidate.frame_spacing_ps)
        notes.append(f"Both sides were compared at the wider of the two frame spacings, {wider:g} ps.")
    known = None not in (reference.temperature_K, candidate.temperature_K)
    if known and reference.temperature_K != candidate.temperature_K:
        notes.append(
            f"The temperatures differ: {reference.temperature_K:g} and {candidate.temperature_K:g} K."
        )
    for key, what in (("force_field", "force fields"), ("solvent", "solvents")):
        ours, theirs = reference.conditions.get(key), candidate.conditions.get(key)
        if ours and theirs and ours != theirs:
            notes.append(f"The {what} differ: {ours} and {theirs}.")
    return notes


def _sojourn_notes(sides: tuple[Measurement, Measurement], names: tuple[str, str], fit: Fit) -> list[str]:
    """Which side saw rare states too seldom to know their shares."""
    states = {one.name: one.named(one.states.rare) for _, one in fit.coordinates if one.states is not None}
    notes = []
    for name, side in zip(names, sides, strict=True):
        seldom = [f"{states[own]} {n}" for own, n in side.sojourns.items() if n < FEW_EVENTS]
        if seldom:
            notes.append(
                f"{name}: fewer than ten visits to rare states ({', '.join(seldom)}). Errors of averages are"
                " at least those of as many visits, and of the other side scaled to this length."
            )
    return notes


def _unknown_notes(statistics: tuple[Estimates, Estimates], names: tuple[str, str]) -> list[str]:
    """What is not claimed must be said, not left out."""
    notes = []
    for name, found in zip(names, statistics, strict=True):
        missing: dict[str, list[str]] = {}
        for quantity, estimate in found.items():
            if quantity.unknown_because and np.isnan(estimate.value):
                missing.setdefault(quantity.unknown_because, []).append(quantity.name)
        notes += [f"{name}: {why}; not compared: {', '.join(what)}." for why, what in missing.items()]
    return notes
