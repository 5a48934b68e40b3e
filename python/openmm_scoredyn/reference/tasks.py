"""The trajectories of a plan as tasks of any executor, one each."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from pathlib import Path

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.start import Start
from openmm_scoredyn.reference.worker import run_trajectory, trajectory_path
from openmm_scoredyn.version import __version__
from openmm_scoredyn.workers import outcome, require_folder, require_version

_POLL_SECONDS = 1.0
# A worker that lost its scheduler still ends its chunks: whoever takes the trajectory over waits for it.
_WAIT_FOR_LOCK_S = 300.0
# The random numbers of the platform Reference are global to a process.
_one_at_a_time = threading.Lock()


def run_on_executor(
    executor: Executor, start: Start, plan: SimulationPlan, directory: Path, add: Callable[[int, int], None]
) -> None:
    """Have every trajectory of a plan made, each by a task; a task given out again goes on after the last
    chunk.

    Parameters
    ----------
    add : called with (trajectory, frames done)

    Raises
    ------
    ClusterError
        If workers or their scheduler are gone, or a worker does not see the folder or has another version;
        errors of the trajectories themselves are passed on.
    """
    folder = directory.absolute()
    stores = [trajectory_path(folder, index) for index in range(plan.n_trajectories)]
    futures = [
        executor.submit(make_trajectory, start, plan, str(folder), index, __version__)
        for index in range(plan.n_trajectories)
    ]
    pending = set(futures)
    try:
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            for future in finished:
                outcome(future, "simulate")
            for index, store in enumerate(stores):
                add(index, FrameStore(store).n_frames)
    finally:
        for future in pending:
            future.cancel()


def make_trajectory(start: Start, plan: SimulationPlan, folder: str, index: int, version: str) -> None:
    """The task of a worker: a trajectory, going on after the last chunk that is there.

    Raises
    ------
    ClusterError
        If this is another version of the package, or the folder is not here.
    And what `run_trajectory` raises.
    """
    require_version(version, "simulate")
    require_folder(folder, "simulate")
    directory = Path(folder)
    store = make_directory(trajectory_path(directory, index))
    with _one_at_a_time, exclusive(store, "simulate", _WAIT_FOR_LOCK_S):
        run_trajectory(start, plan, directory, index, lambda *done: None, threading.Event())
