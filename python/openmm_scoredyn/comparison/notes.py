"""What a reader of a comparison must know besides its rows."""

import numpy as np

from openmm_scoredyn.comparison.bootstrap import FEW_EVENTS
from openmm_scoredyn.comparison.measurement import Measurement
from openmm_scoredyn.comparison.series import DihedralSeries
from openmm_scoredyn.comparison.structure import TUMBLING


def condition_notes(reference: DihedralSeries, candidate: DihedralSeries) -> list[str]:
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
        ours, theirs = reference.metadata.get(key), candidate.metadata.get(key)
        if ours and theirs and ours != theirs:
            notes.append(f"The {what} differ: {ours} and {theirs}.")
    return notes


def stay_notes(sides: tuple[Measurement, Measurement], names: tuple[str, str]) -> list[str]:
    """Which side saw phi > 0 too seldom to know its share."""
    return [
        f"{name}: phi > 0 was visited {side.num_stays} times. With fewer than ten visits, errors of averages"
        " are at least those of so many visits, and of the other side scaled to this length."
        for name, side in zip(names, sides, strict=True)
        if side.num_stays < FEW_EVENTS
    ]


def tumbling_notes(structure, names: tuple[str, str]) -> list[str]:
    """What is not claimed must be said, not left out."""
    notes = []
    for name, estimates in zip(names, structure, strict=True):
        missing = [q.name for q, e in estimates.items() if q.group == TUMBLING and np.isnan(e.value)]
        if missing:
            notes.append(
                f"{name}: the frames are held in place or superposed, so they make no statement about the"
                f" molecule's motion as a whole; not compared: {', '.join(missing)}."
            )
    return notes
