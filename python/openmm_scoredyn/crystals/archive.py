"""The file of a crystal denoiser: a TorchScript archive with a card inside."""

import io
import warnings
import zipfile
from pathlib import Path

import torch

from openmm_scoredyn.errors import ProgramError

CARD_FILE = "scoredyn.json"


def read_source(source: str | Path | bytes) -> bytes:
    """Content of a model file, from its path or as it is.

    Raises
    ------
    ProgramError
        If there is no regular file of that name, or it cannot be read.
    """
    if isinstance(source, bytes):
        return source
    path = Path(source)
    if path.exists() and not path.is_file():
        raise ProgramError(
            f"CrystalDenoiser: cannot read {path}; expected a file, found something else; check the path."
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProgramError(
            f"CrystalDenoiser: cannot read {path}; expected a model file, found {error.strerror or error};"
            " check the path."
        ) from None


def read_card_text(data: bytes) -> str | None:
    """The card inside an archive; None where there is none to be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"extra/{CARD_FILE}")]
            return archive.read(names[0]).decode() if names else None
    except Exception:  # noqa: BLE001 - zipfile raises a dozen kinds for a damaged file
        return None


def pack(program: torch.jit.ScriptModule, card: str) -> bytes:
    """The archive of a program and its card, in memory so that a full disk cannot break it half-way."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.save.*", category=DeprecationWarning)
        torch.jit.save(program, buffer, _extra_files={CARD_FILE: card.encode()})
    return buffer.getvalue()


def unpack(data: bytes) -> torch.jit.ScriptModule:
    """The program of an archive.

    Raises
    ------
    ProgramError
        If torch cannot load it.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
            return torch.jit.load(io.BytesIO(data), map_location="cpu")
    except Exception as error:  # noqa: BLE001 - torch raises RuntimeError, IndexError and others for a damaged file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ProgramError(
            "CrystalDenoiser: cannot load the network; expected a TorchScript archive, found"
            f" {reason[:120]}; get the file again."
        ) from None
