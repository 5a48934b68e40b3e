"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from openmm_scoredyn.errors import OutputError


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a binary file beside `path`, then rename it to `path`.

    Parameters
    ----------
    path : where the file is to appear; an old file of that name stays as it is until the new one is complete
    write : writes the whole content to the file it is given

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full; nothing is left behind then.
    """
    path = Path(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; what the user asked for gets the permissions of an ordinary one.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise OutputError(
            f"OutputError: cannot write {path}; {error.strerror or error}; check the path, its permissions"
            " and the space on the disk."
        ) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text_atomically(path: str | Path, text: str) -> None:
    """`write_atomically` for a text, UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def make_directory(path: str | Path) -> Path:
    """Create a folder and its parents; raises `OutputError` where that is not possible."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"OutputError: cannot create the folder {path}; {error.strerror or error}; check the path and its"
            " permissions."
        ) from None
    return path
