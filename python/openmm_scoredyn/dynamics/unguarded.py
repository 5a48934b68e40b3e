"""A model without its guard, to see what the guard prevents."""

import dataclasses
import io
import warnings

from openmm_scoredyn.errors import ProgramError
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
    import torch

    card = dataclasses.replace(
        model.card,
        name=f"{model.card.name}-unguarded",
        bond_tolerance=WIDE,
        max_displacement_nm=WIDE,
        chiral_centres=(),
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        try:
            program = torch.jit.load(io.BytesIO(model.source), map_location="cpu")
        except RuntimeError:
            raise ProgramError(
                f"unguarded: {model.card.name} is no TorchScript program; expected NAME.pt, found native"
                " code; export it without --format aoti."
            ) from None
        torch.jit.save(program, buffer, _extra_files={CARD_FILE: card.to_json().encode()})
    return ScoreModel(buffer.getvalue())
