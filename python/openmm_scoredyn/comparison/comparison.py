"""Compare two sets of trajectories, whatever made them."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate
from openmm_scoredyn.comparison.comparison_report import ComparisonReport, side_dict
from openmm_scoredyn.comparison.geometry_model import GeometryModel
from openmm_scoredyn.comparison.measurement import MARKOV_PASSAGES, Measurement, Quantity, measure
from openmm_scoredyn.comparison.notes import condition_notes, stay_notes, tumbling_notes
from openmm_scoredyn.comparison.ramachandran import divergence, divergence_by_chance
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.series import DihedralSeries
from openmm_scoredyn.comparison.structure import structure_estimates, structure_quantities
from openmm_scoredyn.comparison.timescales import fit_timescales
from openmm_scoredyn.errors import MoleculeError, TrajectoryError

log = logging.getLogger(__name__)

# "No larger than that of two independent sets of MD, times 1.5"; a good model, times 1.2.
DIVERGENCE = Quantity(
    "Distribution",
    "Ramachandran JSD (reference: expected by chance)",
    "bit",
    relative_tolerance=0.5,
    relative_target=0.2,
    one_sided=True,
)


def compare(
    reference: DihedralSeries | Sequence[DihedralSeries],
    candidate: DihedralSeries | Sequence[DihedralSeries],
    *,
    reference_name: str = "reference",
    candidate_name: str = "candidate",
    reference_trajectories=None,
    candidate_trajectories=None,
    speeds_ps_per_s: dict[str, float] | None = None,
    seed: int = 0,
) -> ComparisonReport:
    """Compare a candidate with a reference; what is fitted is fitted on the reference and applied to both.

    Parameters
    ----------
    reference, candidate : DihedralSeries, or lists of them that are merged
    reference_trajectories, candidate_trajectories : lists of Trajectory, for bonds, angles and chirality; the
    reference's
        may be left out if its series holds `geometry` statistics
    speeds_ps_per_s : measured speeds by name, shown in the report

    Raises
    ------
    TrajectoryError
        If neither frame spacing is a multiple of the other.
    MoleculeError
        If the two are of different molecules.
    """
    reference, candidate = (
        s if isinstance(s, DihedralSeries) else DihedralSeries.merged(s) for s in (reference, candidate)
    )
    _require_one_molecule(reference, candidate)
    notes = condition_notes(reference, candidate)
    structure = _structure(reference, reference_trajectories, candidate_trajectories, seed)
    reference, candidate = _common_spacing(reference, candidate)
    model = fit_timescales(reference.angles, reference.frame_spacing_ps, seed=seed)
    log.info(
        "measuring the reference, %.1f ns, and the candidate, %.1f ns",
        reference.length_ns,
        candidate.length_ns,
    )
    ours, theirs = measure(reference, model, seed), measure(candidate, model, seed)
    stays = (ours.num_stays, theirs.num_stays)
    notes += stay_notes((ours, theirs), (reference_name, candidate_name))
    measured, expected = _divergence(ours, theirs, seed)
    ratio = candidate.length_ns / reference.length_ns
    # The spread of the expected value is the scale of chance here; the candidate's own bootstrap adds nothing
    # to it.
    by_chance = make_row(DIVERGENCE, expected, replace(measured, error=0.0), np.inf)
    rows = [replace(by_chance, candidate=measured), *_rows(ours.estimates, theirs.estimates, ratio, stays)]
    if structure is not None:
        rows += _rows(*structure, ratio, stays)
        notes += tumbling_notes(structure, (reference_name, candidate_name))
    return ComparisonReport(
        tuple(rows), ours, theirs, reference_name, candidate_name, dict(speeds_ps_per_s or {}), tuple(notes)
    )


def _divergence(ours: Measurement, theirs: Measurement, seed: int) -> tuple[Estimate, Estimate]:
    """Divergence and its floor: that of the reference's blocks, or of the candidate's if it saw phi > 0 more
    often than a reference that saw it too seldom, and its floor is higher."""
    angles = ours.series.angles, theirs.series.angles
    measured, expected = divergence(*angles, ours.blocks, theirs.blocks, seed=seed)
    if ours.num_stays < min(FEW_EVENTS, theirs.num_stays):
        other = divergence_by_chance(angles[1], theirs.blocks, ours.series.num_frames, seed=seed)
        expected = max(expected, other, key=lambda estimate: estimate.value)
    return measured, expected


def _rows(
    ours: dict[Quantity, Estimate],
    theirs: dict[Quantity, Estimate],
    length_ratio: float,
    stays: tuple[int, int],
) -> list[Row]:
    """A row for each quantity of both sides; passages by the Markov model only where too few were counted."""
    rows = []
    for quantity, estimate in ours.items():
        other = theirs.get(quantity)
        if other is None or (np.isnan(estimate.value) and np.isnan(other.value)):
            continue
        if quantity.group == MARKOV_PASSAGES and min(estimate.samples, other.samples) >= FEW_EVENTS:
            continue
        rows.append(make_row(quantity, estimate, other, length_ratio, stays))
    return rows


def _structure(reference: DihedralSeries, ours, theirs, seed: int):
    """Statistics of positions of both sides, or None where one has no positions; steered trajectories are
    left out.
    """
    theirs = [t for t in theirs or () if not t.steered]
    ours = [t for t in ours or () if not t.steered]
    if not theirs:
        return None
    if ours:
        model = GeometryModel.fit(ours)
        known = structure_estimates(model, ours, seed)
    elif "geometry" in reference.metadata:
        stored = reference.metadata["geometry"]
        model = GeometryModel.from_dict(stored["model"])
        known = {name: Estimate.from_dict(fields) for name, fields in stored["estimates"].items()}
    else:
        return None
    measured = structure_estimates(model, theirs, seed)
    # In the order in which they are measured; a file keeps them by name.
    known = {name: known[name] for name in measured if name in known}
    return structure_quantities(known), structure_quantities(measured)


def with_geometry(series: DihedralSeries, trajectories, seed: int = 0) -> DihedralSeries:
    """The series with statistics of the positions of its trajectories in the metadata, for a reference to be
    stored.
    """
    free = [trajectory for trajectory in trajectories if not trajectory.steered]
    model = GeometryModel.fit(free)
    estimates = {
        name: estimate.to_dict() for name, estimate in structure_estimates(model, free, seed).items()
    }
    metadata = {**series.metadata, "geometry": {"model": model.to_dict(), "estimates": estimates}}
    return DihedralSeries(series.angles, series.frame_spacing_ps, series.temperature_K, metadata)


def statistics(series: DihedralSeries, seed: int = 0) -> dict:
    """Every statistic of one series with its error, JSON-ready: the reference statistics that are shipped."""
    side = measure(series, fit_timescales(series.angles, series.frame_spacing_ps, seed=seed), seed)
    stored = series.metadata.get("geometry", {}).get("estimates", {})
    structure = structure_quantities({name: Estimate.from_dict(fields) for name, fields in stored.items()})
    quantities = [
        {"group": q.group, "quantity": q.name, "unit": q.unit, **estimate.to_dict()}
        for q, estimate in (side.estimates | structure).items()
    ]
    return {**side_dict("reference", side), "quantities": quantities}


def _common_spacing(first: DihedralSeries, second: DihedralSeries) -> tuple[DihedralSeries, DihedralSeries]:
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


def _require_one_molecule(first: DihedralSeries, second: DihedralSeries) -> None:
    ours, theirs = (series.metadata.get("molecule", {}).get("types") for series in (first, second))
    if ours is not None and theirs is not None and list(ours) != list(theirs):
        raise MoleculeError(
            f"compare: the two sides are of different molecules; expected {len(ours)} atoms of elements"
            f" {''.join(ours)}, found {len(theirs)} of {''.join(theirs)}; compare trajectories of one"
            " molecule."
        )
