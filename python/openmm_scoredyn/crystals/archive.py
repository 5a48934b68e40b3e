"""The file of a crystal denoiser: a TorchScript archive with a card and the sums of its records inside."""

import io
import warnings

import torch

from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.program.archive import core_errors, seal

CARD_FILE = "scoredyn.json"


def pack(program: torch.jit.ScriptModule, card: str) -> bytes:
    """The archive of a program and its card, in memory so that a full disk cannot break it half-way."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.save.*", category=DeprecationWarning)
        torch.jit.save(program, buffer)
    return seal(buffer.getvalue(), {CARD_FILE: card})


def unpack(file, name: str) -> torch.jit.ScriptModule:
    """The program of a model file, of which nothing has run before it was found harmless.

    Parameters
    ----------
    file : as `openmm_scoredyn.program.archive.open_model_file` gives it
    name : what errors call the model

    Raises
    ------
    ProgramError
        If torch cannot load it, or its network does more than to compute tensors.
    """
    with core_errors():
        file.require_safe(["forward"], f"'{name}'")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
            return torch.jit.load(io.BytesIO(file.source), map_location="cpu").eval()
    except Exception as error:  # noqa: BLE001 - torch raises RuntimeError, IndexError and others
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ProgramError(
            "CrystalDenoiser: cannot load the network; expected a TorchScript archive, found"
            f" {reason[:120]}; get the file again."
        ) from None
