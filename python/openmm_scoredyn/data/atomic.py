"""Files that appear whole or not at all."""

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from openmm_scoredyn.errors import OutputError

_COUNT = itertools.count()


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a binary file beside `path`, then rename it to `path`.

    What a killed process left of an earlier attempt is removed.

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
    temporary = path.with_name(f".{path.name}.{_process()}-{next(_COUNT)}.tmp")
    try:
        remove_left_over(path)
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"OutputError: cannot write {path}; {error.strerror or error}; check the path, its permissions"
            " and the space on the disk."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def sentences_of_the_disk(command: str, output: Path) -> Iterator[None]:
    """Turn what the disk refuses to a writer that is not ours into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{command}: cannot write {error.filename or output}; {error.strerror or error}; check the path,"
            " its"
            " permissions and the space on the disk."
        ) from None


def write_text_atomically(path: str | Path, text: str) -> None:
    """`write_atomically` for a text, UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a loss of power; without effect where that is not possible."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems cannot
    finally:
        os.close(descriptor)


def remove_left_over(path: Path) -> None:
    """Delete the temporary files of `path` whose process on this machine is gone."""
    start = f".{path.name}.{socket.gethostname()}-"
    for left in path.parent.glob(f".{_escaped(path.name)}.*.tmp"):
        process = left.name.removeprefix(start).partition("-")[0]
        if left.name.startswith(start) and process.isdigit() and not _alive(int(process)):
            left.unlink(missing_ok=True)


def _process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _escaped(name: str) -> str:
    """A file name in a glob, where brackets, stars and question marks stand for themselves."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in name)


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
