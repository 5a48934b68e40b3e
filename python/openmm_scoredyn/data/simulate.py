"""Reference molecular dynamics for training and evaluation, in several processes, restartable bit for bit."""

import hashlib
import json
import multiprocessing
import queue
import signal
import threading
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Callable

from openmm_scoredyn.data.atomic import make_directory, write_text_atomically
from openmm_scoredyn.data.engine import ReferenceEngine, backbone_torsions
from openmm_scoredyn.data.plan import SimulationPlan
from openmm_scoredyn.data.worker import Interrupted, remove_chunk_folder, run_trajectory, trajectory_path
from openmm_scoredyn.errors import MoleculeError, OutputError, SamplingError, TrajectoryError

_POLL_SECONDS = 0.2


def simulate(
    structure: str | Path,
    plan: SimulationPlan,
    directory: str | Path,
    *,
    processes: int = 1,
    progress: Callable[[float, float], None] | None = None,
) -> list[Path]:
    """Make the trajectories of a plan, or go on with those that an earlier call did not finish.

    Parameters
    ----------
    structure : PDB file of the molecule alone, complete with hydrogens
    plan : SimulationPlan
    directory : output folder; `trajectory_0000.npz`, ... appear there as they are complete, `plan.json` at once
    processes : trajectories made at a time; the results do not depend on it
    progress : called with (ps done, ps in all), earlier calls included

    Returns
    -------
    list of Path, one per trajectory

    Raises
    ------
    TrajectoryError
        If the structure cannot be read.
    MoleculeError
        If the force field does not fit, or steering is asked of a molecule without phi and psi.
    OutputError
        If the folder cannot be written, or holds trajectories of another plan.

    Notes
    -----
    A run that was killed and restarted gives the same bytes as one that was not, on the Reference platform, whose random
    numbers are part of the checkpoint.
    """
    text = _read_structure(structure, plan)
    directory = make_directory(directory)
    _claim(directory, plan, text)
    if processes == 1:
        done = {}
        for index in range(plan.n_trajectories):
            run_trajectory(text, plan, directory, index, _adder(plan, done, progress), threading.Event())
    else:
        _run_processes(text, plan, directory, processes, progress)
    remove_chunk_folder(directory)
    return [trajectory_path(directory, index) for index in range(plan.n_trajectories)]


def _read_structure(structure, plan: SimulationPlan) -> str:
    """Text of the PDB file, after a context of it has been made once, so that mistakes show before any process starts."""
    from openmm.app import PDBFile

    try:
        text = Path(structure).read_text()
        pdb = PDBFile(str(structure))
    except OSError as error:
        raise TrajectoryError(f"simulate: cannot read {structure}; {error.strerror}; check the path.") from None
    except Exception as error:  # PDBFile raises whatever its parser stumbles on
        raise TrajectoryError(f"simulate: {structure} is not a readable PDB file ({error}); check its content.") from None
    ReferenceEngine(pdb.topology, pdb.positions, plan.physics, seed=1)
    if plan.steering != "none" and not backbone_torsions(pdb.topology):
        raise MoleculeError(
            f"simulate: steering needs a residue with phi and psi; expected backbone atoms C, N, CA, C, N in "
            f"{structure}, found none; simulate without steering."
        )
    return text


def _claim(directory: Path, plan: SimulationPlan, text: str) -> None:
    """Write plan.json, or check that the one there is ours: trajectories of two plans must not mix."""
    import openmm

    # A checkpoint is only good for the OpenMM that wrote it; the structure is the start of every trajectory.
    claim = plan.to_dict() | {
        "structure_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "openmm_version": openmm.Platform.getOpenMMVersion(),
    }
    claim = json.loads(json.dumps(claim))
    path = directory / "plan.json"
    if not path.exists():
        write_text_atomically(path, json.dumps(claim, indent=1) + "\n")
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = {}
    different = sorted(key for key in claim | found if claim.get(key) != found.get(key))
    if different:
        raise OutputError(
            f"simulate: {directory} holds another simulation; expected {different[0]} {claim.get(different[0])}, found "
            f"{found.get(different[0])}; use another folder or the same settings."
        )


def _adder(plan: SimulationPlan, done: dict[int, int], progress):
    """Turn (trajectory, frames) into ps of all trajectories, for `progress`."""
    total = plan.n_trajectories * plan.frames_per_trajectory * plan.frame_spacing_ps

    def add(index: int, frames: int) -> None:
        done[index] = frames
        if progress is not None:
            progress(sum(done.values()) * plan.frame_spacing_ps, total)

    return add


_worker_reports = None
_worker_stop = None


def _start_worker(reports, stop) -> None:
    global _worker_reports, _worker_stop
    # Ctrl-C reaches the whole group; only the parent decides, through `stop`, so that no traceback is printed here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker_reports, _worker_stop = reports, stop


def _work(text: str, plan: SimulationPlan, directory: Path, index: int) -> None:
    try:
        run_trajectory(text, plan, directory, index, lambda *report: _worker_reports.put(report), _worker_stop)
    except Interrupted:
        return


def _run_processes(text, plan, directory, processes, progress) -> None:
    """A fresh process per trajectory: the Reference platform's random numbers are global to a process."""
    spawn = multiprocessing.get_context("spawn")
    reports, stop = spawn.Queue(), spawn.Event()
    add = _adder(plan, {}, progress)
    with ProcessPoolExecutor(processes, spawn, _start_worker, (reports, stop), max_tasks_per_child=1) as pool:
        futures = [pool.submit(_work, text, plan, directory, index) for index in range(plan.n_trajectories)]
        try:
            pending = set(futures)
            while pending:
                finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                _drain(reports, add)
                for future in finished:
                    future.result()
        except BrokenProcessPool:
            raise SamplingError(
                "simulate: a worker process ended on its own; expected it to finish, so it was killed, or the calling "
                "script lacks `if __name__ == '__main__':`; call again to go on after the last chunk."
            ) from None
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    _drain(reports, add)


def _drain(reports, add) -> None:
    while True:
        try:
            add(*reports.get_nowait())
        except queue.Empty:
            return
