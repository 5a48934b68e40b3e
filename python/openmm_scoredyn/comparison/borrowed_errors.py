"""Errors of a side that saw too little to know its own: what the other side's fluctuations say."""

from dataclasses import replace

import numpy as np

from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS, Estimate
from openmm_scoredyn.comparison.measurement import Quantity


def with_borrowed_errors(
    quantity: Quantity,
    reference: Estimate,
    candidate: Estimate,
    length_ratio: float,
    stays: tuple[int, int],
) -> tuple[Estimate, Estimate]:
    """Reference and candidate with the errors that they are judged by.

    Parameters
    ----------
    length_ratio : length of the candidate over that of the reference
    stays : how many stays at phi > 0 reference and candidate saw
    """
    if quantity.of_frames:
        few = [number < FEW_EVENTS for number in stays]
        return (
            _of_frames(reference, candidate, length_ratio, few[0]),
            _of_frames(candidate, reference, 1.0 / length_ratio, few[1]),
        )
    if quantity.of_paths:
        return _of_paths(reference, candidate), _of_paths(candidate, reference)
    if quantity.ratio:
        return _of_events(reference, candidate), _of_events(candidate, reference)
    return reference, candidate


def _of_frames(side: Estimate, other: Estimate, length_ratio: float, few_stays: bool) -> Estimate:
    """A side that saw the rare too seldom, with at least the other's error scaled to its own length.

    A basin that was never visited has a population of 0 +- 0 by its own blocks; what it could have been by
    chance is what the other side's fluctuations say. `length_ratio` is the other side's length over this
    one's.
    """
    if not (few_stays or side.samples < FEW_EVENTS) or np.isnan(side.error + other.error):
        return side
    return replace(side, error=float(np.fmax(side.error, other.error * np.sqrt(length_ratio))))


def _of_paths(side: Estimate, other: Estimate) -> Estimate:
    """A share of a few paths, with at least the binomial error that the other side's share gives so few."""
    if not 0 < side.samples < FEW_EVENTS or not 0.0 <= other.value <= 1.0:
        return side
    return replace(
        side, error=float(np.fmax(side.error, np.sqrt(other.value * (1.0 - other.value) / side.samples)))
    )


def _of_events(side: Estimate, other: Estimate) -> Estimate:
    """A rate or time of a few events, with at least the other's relative error scaled to its own number of
    events.

    Waits that are now and then a thousand times as long as mostly, as by a detour through other basins, are
    not seen in six of them; exponential ones leave the error as it is.
    """
    if not 0 < side.samples < FEW_EVENTS or not min(side.value, other.value) > 0 or not other.samples > 0:
        return side
    relative = other.error / other.value * np.sqrt(other.samples / side.samples)
    return replace(side, error=float(np.fmax(side.error, side.value * relative)))
