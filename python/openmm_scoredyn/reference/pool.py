"""The trajectories of a plan in several processes."""

import multiprocessing
import queue
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.start import Start
from openmm_scoredyn.reference.worker import Interrupted, run_trajectory

_POLL_SECONDS = 0.2


class _Links(NamedTuple):
    """What ties a worker process to its parent."""

    reports: Queue
    stop: Event


_worker: _Links  # set once, when a worker process starts


def _start_worker(reports, stop) -> None:
    global _worker
    # Ctrl-C reaches the whole group; only the parent decides, through `stop`, so that no traceback is printed
    # here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _worker = _Links(reports, stop)


def _work(start: Start, plan: SimulationPlan, directory: Path, index: int) -> None:
    try:
        run_trajectory(
            start, plan, directory, index, lambda *report: _worker.reports.put(report), _worker.stop
        )
    except Interrupted:
        return


def run_in_processes(
    start: Start,
    plan: SimulationPlan,
    directory: Path,
    processes: int,
    add: Callable[[int, int], None],
    asked_to_stop: threading.Event | None = None,
) -> None:
    """Make every trajectory of a plan, `processes` at a time.

    Each has a fresh process, as the random numbers of the Reference platform are global to a process.

    Parameters
    ----------
    start : Start, what every trajectory begins from
    add : called with (trajectory, frames done)
    asked_to_stop : set by another thread to end it

    Raises
    ------
    Interrupted
        If it was asked to stop.
    SamplingError
        If a process ended on its own; errors of the trajectories themselves are passed on.
    """
    spawn = multiprocessing.get_context("spawn")
    reports, stop = spawn.Queue(), spawn.Event()
    with (
        _terminating_as_interrupt(),
        ProcessPoolExecutor(processes, spawn, _start_worker, (reports, stop), max_tasks_per_child=1) as pool,
    ):
        futures = [pool.submit(_work, start, plan, directory, index) for index in range(plan.n_trajectories)]
        try:
            pending = set(futures)
            while pending:
                finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                _drain(reports, add)
                for future in finished:
                    future.result()
                if asked_to_stop is not None and asked_to_stop.is_set():
                    raise Interrupted
        except BrokenProcessPool:
            raise SamplingError(
                "simulate: a worker process ended on its own; expected it to finish, so it was killed, or the"
                " calling script lacks `if __name__ == '__main__':`; call again to go on after the last"
                " chunk."
            ) from None
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    _drain(reports, add)


@contextmanager
def _terminating_as_interrupt():
    """SIGTERM ends the workers before the process, whose exit status stays that of the signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number, frame):
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drain(reports, add) -> None:
    while True:
        try:
            add(*reports.get_nowait())
        except queue.Empty:
            return
