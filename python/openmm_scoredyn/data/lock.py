"""One process per output: a lock that ends with its process, however that ends."""

import fcntl
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openmm_scoredyn.data.atomic import make_directory, remove_left_over
from openmm_scoredyn.errors import OutputError

_LOCK_FILE = ".lock"
_SECONDS_BETWEEN_TRIES = 0.2


@contextmanager
def exclusive(output: str | Path, command: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold an output, a file or a folder, for one process; what killed ones left of it is removed first.

    The lock is the operating system's (flock): it ends with the process, so that nothing has to be removed
    after a kill.

    Parameters
    ----------
    output : to be written; for a folder, which must exist, the lock lies in it, for a file beside it
    command : for messages, as "run"
    wait_s : how long to wait for another process that holds it

    Raises
    ------
    OutputError
        If another process holds it for longer, named in the message, or the place cannot be written.
    """
    output = Path(output)
    path = output / _LOCK_FILE if output.is_dir() else output.with_name(f".{output.name}.lock")
    descriptor = _acquire(path, output, command, time.monotonic() + wait_s)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, _own_name().encode(), 0)
        remove_left_over(output)
        yield
    finally:
        # Before the lock is given up: whoever opened the file meanwhile sees that it is gone and asks again.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, output: Path, command: str, deadline: float) -> int:
    """Descriptor of the lock file, locked; `deadline` in the time of `time.monotonic`."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(
                f"{command}: cannot write {output}; {error.strerror}; check the path and its permissions."
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "another process"
            os.close(descriptor)
            if time.monotonic() < deadline:
                time.sleep(_SECONDS_BETWEEN_TRIES)
                continue
            raise OutputError(
                f"{command}: {output} is being written by {holder}; wait until it has ended, or choose"
                " another"
                " output."
            ) from None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # its holder removed it in between


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a file is still the one of its path, from which others may remove it at any time."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _own_name() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} ({shlex.join(sys.argv)[:200]})"


@contextmanager
def output_folder(path: str | Path, command: str) -> Iterator[Path]:
    """A folder that is made if need be, held as `exclusive` does; a new one is removed again if nothing was
    written, which is so where everything was refused.
    """
    existed = Path(path).exists()
    folder = make_directory(path)
    try:
        with exclusive(folder, command):
            yield folder
    finally:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
