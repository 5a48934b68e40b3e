"""One quantity, two sides: the difference in standard errors and a verdict."""

from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS, Estimate, with_borrowed_errors
from openmm_scoredyn.observables.protocol import Quantity

SIGNIFICANT = 2.0
MET, MISSED, REFERENCE_TOO_SHORT, CANDIDATE_TOO_SHORT = (
    "met",
    "missed",
    "MD too short to tell",
    "model too short to tell",
)
# Seeing no event where three were expected has a probability of 5 %.
EXPECTED_EVENTS_TO_MISS = 3.0

AGREES, TOLERATED, DIFFERS, UNDETERMINED = "agrees", "within tolerance", "differs", "undetermined"


@dataclass(frozen=True)
class Row:
    """A line of the comparison.

    Attributes
    ----------
    quantity : Quantity
    reference, candidate : Estimate, each with the error that it is judged by
    difference : candidate minus reference in combined standard errors (of the logarithms for rates and
    times); NaN if
        one side saw nothing
    verdict : "agrees" (at most 2 standard errors), "within tolerance" (more, but too little to matter),
    "differs",
        "undetermined" (too few data to say)
    """

    quantity: Quantity
    reference: Estimate
    candidate: Estimate
    difference: float
    verdict: str

    @property
    def judgement(self) -> str:
        """The verdict in words: "within error" (at most 2 standard errors), or by how many standard errors it
        is off.
        """
        if self.verdict == UNDETERMINED:
            return "too few data"
        if self.verdict == AGREES:
            return "within error"
        if not np.isfinite(self.difference):
            return "off: no event on one side" if np.isnan(self.difference) else "off"
        tolerated = ", within tolerance" if self.verdict == TOLERATED else ""
        return f"off by {abs(self.difference):.1f} standard errors{tolerated}"

    @property
    def target(self) -> str:
        """ "met", "missed", or whose data are too short to tell; empty where the quantity has no target."""
        return judge_target(self)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "group": self.quantity.group,
            "quantity": self.quantity.name,
            "unit": self.quantity.unit,
            "reference": self.reference.to_dict(),
            "candidate": self.candidate.to_dict(),
            "difference_in_standard_errors": float(self.difference) if np.isfinite(self.difference) else None,
            "relative_tolerance": self.quantity.relative_tolerance,
            "absolute_tolerance": self.quantity.absolute_tolerance,
            "verdict": self.verdict,
            "judgement": self.judgement,
            "relative_target": self.quantity.relative_target,
            "absolute_target": self.quantity.absolute_target,
            "target": self.target,
        }


def make_row(
    quantity: Quantity,
    reference: Estimate,
    candidate: Estimate,
    length_ratio: float,
    sojourns: tuple[float, float] = (FEW_EVENTS, FEW_EVENTS),
) -> Row:
    """Compare two estimates.

    Parameters
    ----------
    length_ratio : length of the candidate over that of the reference
    sojourns : how often reference and candidate were in the rare state that limits the quantity
    """
    unseen = [estimate.samples == 0 and np.isinf(estimate.error) for estimate in (reference, candidate)]
    if any(unseen):
        return Row(
            quantity, reference, candidate, float("nan"), _verdict_on_unseen(reference, candidate, unseen)
        )
    reference, candidate = with_borrowed_errors(quantity, reference, candidate, length_ratio, sojourns)
    difference = _difference(quantity, reference, candidate)
    if np.isnan(difference) or (quantity.limited and min(sojourns) == 0 < max(sojourns)):
        verdict = UNDETERMINED
    elif abs(difference) <= SIGNIFICANT or (quantity.one_sided and difference < 0):
        verdict = AGREES
    else:
        tolerance = max(quantity.absolute_tolerance, quantity.relative_tolerance * abs(reference.value))
        verdict = TOLERATED if abs(candidate.value - reference.value) <= tolerance else DIFFERS
    return Row(quantity, reference, candidate, difference, verdict)


def _difference(quantity: Quantity, reference: Estimate, candidate: Estimate) -> float:
    if quantity.ratio and min(reference.value, candidate.value) <= 0:
        return float("nan")  # no event: the first passage times, which know in how long, judge
    if quantity.ratio:
        gap = np.log(candidate.value / reference.value)
        error = np.hypot(candidate.error / candidate.value, reference.error / reference.value)
    else:
        gap = candidate.value - reference.value
        error = np.hypot(candidate.error, reference.error)
    if gap == 0:
        return 0.0
    return (
        float(gap / error) if error > 0 else float(np.copysign(np.inf, gap)) if error == 0 else float("nan")
    )


def _verdict_on_unseen(reference: Estimate, candidate: Estimate, unseen: list[bool]) -> str:
    """A side without an event (its value is in how long) against a side with a known time."""
    if all(unseen):
        return UNDETERMINED
    waiting, known = (reference, candidate) if unseen[0] else (candidate, reference)
    # Three times the known side's uncertainty would not explain the wait either.
    slowest = known.value * (1.0 + SIGNIFICANT / np.sqrt(max(known.samples, 1.0)))
    return DIFFERS if waiting.value / slowest > EXPECTED_EVENTS_TO_MISS else UNDETERMINED


def judge_target(row: Row) -> str:
    """Whether the candidate is as close to the reference as the quantity's target asks, "" where it has none.

    Notes
    -----
    A target can be judged only by data that are more precise than it is. Where the difference is within 2
    combined standard errors, and the error of one side is larger than the target, that side is too short to
    tell; so is the side with the larger error where the target is not met within error. A larger difference
    is a miss whatever the errors are.
    """
    quantity, reference, candidate = row.quantity, row.reference, row.candidate
    if not quantity.absolute_target and not quantity.relative_target:
        return ""
    if not np.isfinite(reference.value) or np.isinf(reference.error):
        return REFERENCE_TOO_SHORT
    if not np.isfinite(candidate.value) or np.isinf(candidate.error):
        return MISSED if row.verdict == DIFFERS else CANDIDATE_TOO_SHORT
    allowed = max(quantity.absolute_target, quantity.relative_target * abs(reference.value))
    gap = candidate.value - reference.value
    inside = (gap if quantity.one_sided else abs(gap)) <= allowed
    if quantity.one_sided and inside:
        return MET
    beyond_chance = abs(row.difference) > SIGNIFICANT
    for estimate, too_short in ((reference, REFERENCE_TOO_SHORT), (candidate, CANDIDATE_TOO_SHORT)):
        if not estimate.error <= allowed and not beyond_chance:
            return too_short
    if not inside and not beyond_chance:
        return REFERENCE_TOO_SHORT if reference.error >= candidate.error else CANDIDATE_TOO_SHORT
    return MET if inside else MISSED
