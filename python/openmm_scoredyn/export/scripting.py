"""TorchScript compilation and archives, with errors that name the line of the module they are about."""

import io
import linecache
import re
import traceback
import warnings
from pathlib import Path

import torch
from torch import nn

from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.program.archive import seal

_LOCATION = re.compile(r'File "([^"]+)", line (\d+)')
_FOREIGN = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


def script(program: nn.Module) -> torch.jit.ScriptModule:
    """Compile a program.

    Raises
    ------
    ExportError
        With the compiler's sentence and the line of the user's module.
    """
    try:
        with warnings.catch_warnings():
            # deprecated upstream, and still what the plugin loads
            warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
            return torch.jit.script(program)
    except Exception as error:  # the compiler raises RuntimeError and half a dozen classes of its own
        raise ExportError(
            "export_program: the module does not script;"
            f" {_sentence(str(error))}{_compiler_line(str(error))}; rewrite that line within TorchScript's"
            " subset of Python (typed arguments, torch functions only)."
        ) from error


def own_line(error: Exception) -> str:
    """' at FILE, line N: `source`' of the innermost frame of a raised error that is not torch's or ours."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_FOREIGN)
    ]
    return _format(frames[-1].filename, frames[-1].lineno or 0) if frames else ""


def to_bytes(program: torch.jit.ScriptModule, extra_files: dict[str, str]) -> bytes:
    """The TorchScript archive of a program with the sums of its records, in memory so that a full disk cannot
    break it half-way.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.save.*", category=DeprecationWarning)
        torch.jit.save(program, buffer)
    return seal(buffer.getvalue(), extra_files)


def from_bytes(data: bytes) -> torch.jit.ScriptModule:
    """Load an archive made by `to_bytes`, in eval mode. Loading runs what the file says: only for one made in
    this process, or after its `require_safe`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
        return torch.jit.load(io.BytesIO(data), map_location="cpu").eval()


def _sentence(message: str) -> str:
    """First line of the compiler's message and, where a call does not fit, what is wrong with
    its arguments.
    """
    lines = [line.strip().rstrip(".:;") for line in message.splitlines() if line.strip()]
    if not lines:
        return "the compiler gave no reason"
    details = [
        line for line in lines[1:] if line.startswith(("Keyword argument", "Unknown keyword", "Expected"))
    ]
    return f"{lines[0]} ({details[0]})" if details else lines[0]


def _compiler_line(message: str) -> str:
    """The compiler lists the innermost place first, callers after it."""
    for file, line in _LOCATION.findall(message):
        if not file.startswith(_FOREIGN):
            return _format(file, int(line))
    return ""


def _format(file: str, line: int) -> str:
    source = linecache.getline(file, line).strip()
    return f" at {file}, line {line}" + (f": `{source}`" if source else "")
