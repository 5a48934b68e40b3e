"""A model without its guard, to see what the guard prevents."""

import dataclasses

from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.export.scripting import from_bytes, to_bytes
from openmm_scoredyn.program.archive import open_model_file
from openmm_scoredyn.program.card_json import CARD_FILE
from openmm_scoredyn.program.model import ScoreModel

# A guard that lets everything pass but what is no number, from which no step can go on.
WIDE = 1e6


def unguarded(model: ScoreModel) -> ScoreModel:
    """The same program with a card whose guard refuses only positions that are not finite.

    Parameters
    ----------
    model : ScoreModel, a TorchScript program

    Returns
    -------
    ScoreModel; draws the same proposals from the same noise, and keeps the first of each step

    Raises
    ------
    ProgramError
        If the program is native code (`.pt2`).
    """
    card = dataclasses.replace(
        model.card,
        name=f"{model.card.name}-unguarded",
        bond_tolerance=WIDE,
        max_displacement_nm=WIDE,
        chiral_centres=(),
    )
    if open_model_file(model.source).holds_native_code:
        raise ProgramError(
            f"unguarded: {model.card.name} is no TorchScript program; expected NAME.pt, found native"
            " code; export it without --format aoti."
        )
    # The program was checked when the model was loaded.
    return ScoreModel(to_bytes(from_bytes(model.source), {CARD_FILE: card.to_json()}))
