"""What the workers of an executor must be, and what they did, whoever they are."""

import socket
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path

from openmm_scoredyn.errors import ClusterError
from openmm_scoredyn.version import __version__


def require_version(expected: str, command: str) -> None:
    """Refuse, on a worker, to do a task of another version of the package.

    Raises
    ------
    ClusterError
    """
    if expected != __version__:
        raise ClusterError(
            f"{command}: the worker on {socket.gethostname()} has another openmm-scoredyn; expected"
            f" {expected}, found {__version__}; install one version everywhere."
        )


def require_folder(folder: str | Path, command: str) -> None:
    """Refuse, on a worker, to write to a folder that is not there.

    Raises
    ------
    ClusterError
    """
    if not Path(folder).is_dir():
        raise ClusterError(
            f"{command}: the worker on {socket.gethostname()} cannot see {folder}; expected the folder that"
            " all is written to; choose one on a file system that all workers share."
        )


def outcome(future: Future, command: str):
    """The result of a task; the ways of executors to say that nobody works are one sentence.

    Raises
    ------
    ClusterError
        If the workers, or their scheduler, are gone; what the task itself raised is passed on.
    """
    try:
        return future.result()
    except (CancelledError, BrokenExecutor) as error:
        reason = str(error) or "the scheduler is gone"
    except Exception as error:
        # Of Dask, which need not be installed.
        if type(error).__name__ not in ("KilledWorker", "SchedulerClosedError"):
            raise
        reason = str(error)
    raise ClusterError(
        f"{command}: the workers ended before the work did ({reason}); expected them to finish, so they or"
        " their scheduler were killed; give the same command again to go on after the last chunks."
    )
