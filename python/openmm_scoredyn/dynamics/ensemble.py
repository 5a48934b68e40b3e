"""Ensembles of more replicas than one process draws: batches of them as tasks of any executor.

An ensemble is a folder: `ensemble.json` says what is drawn, `program.pt` and `start.npy` are what it is drawn
from, and each batch of replicas is a store of frames, which `run_replicas` writes. The noise is a function of
a replica's number, and how replicas are batched is part of the ensemble, so neither the number of workers nor
their order changes a byte. A task draws the next chunk of one batch. The process that gives out tasks holds
no frames.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from openmm_scoredyn.data.atomic import make_directory, write_atomically, write_text_atomically
from openmm_scoredyn.data.frame_store import SUFFIX, FrameStore
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.dynamics.replicas import (
    digest_of,
    identify,
    require_same_run,
    run_replicas,
    steps_of_a_chunk,
)
from openmm_scoredyn.errors import ClusterError, OutputError, SamplingError
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.version import __version__
from openmm_scoredyn.workers import outcome, require_version

FORMAT_VERSION = "1.0"
# Little is gained by more (benchmarks/README.md, replicas per batch).
REPLICAS_PER_BATCH = 256
_PLAN, _PROGRAM, _START = "ensemble.json", "program.pt", "start.npy"
# A worker that lost its scheduler still ends its chunk: whoever takes the batch over waits for it.
_WAIT_FOR_LOCK_S = 300.0


class Task(NamedTuple):
    """The next chunk of one batch; small, as it travels.

    Attributes
    ----------
    folder : of the ensemble, absolute
    plan : text of its `ensemble.json`
    batch : number of the batch
    n_steps : steps that its replicas have after the task
    num_threads : as that of `ScoreModel.sample`
    version : of the package that gave the task out
    """

    folder: str
    plan: str
    batch: int
    n_steps: int
    num_threads: int
    version: str


def run_ensemble(
    model,
    positions: np.ndarray,
    folder: str | Path,
    n_steps: int,
    *,
    n_replicas: int,
    seed: int,
    executor: Executor | None = None,
    replicas_per_batch: int = REPLICAS_PER_BATCH,
    save_every: int = 1,
    steps_per_chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: str = "cpu",
    num_threads: int = 1,
    box=None,
    **sampling,
) -> list[Path]:
    """Draw a trajectory of every replica, a batch at a time, by the workers of an executor.

    A call that was killed, or whose workers were, goes on as if it had not been; a finished ensemble can be
    made longer. `data.load(folder)` reads it, without holding its frames.

    Parameters
    ----------
    model : ScoreModel
    positions : (N, 3), nm, first frame of all replicas, or (n_replicas, N, 3), that of each
    folder : to write; where workers are on other machines, on a file system that all of them share
    n_steps : a multiple of `save_every`, in all, earlier calls included
    seed : 1 to 2**31 - 1
    executor : whose workers draw, for instance a ProcessPoolExecutor (started by "spawn", as torch is no
        friend of forks) or the `get_executor(pure=False)` of a Dask client; None: this process
    replicas_per_batch : drawn together by one task; part of what is drawn, as sums of another batch are
        rounded in another order
    save_every, steps_per_chunk, box, **sampling : as those of `run_replicas`
    progress : called with (steps done, steps in all), of all replicas together
    device : where a worker draws, "cpu", "cuda" or "cuda:N"
    num_threads : of one task

    Returns
    -------
    list of Path : the stores of the batches

    Raises
    ------
    OutputError
        If the folder cannot be written, another process writes it, or it is of another ensemble.
    TrajectoryError
        If a chunk there is missing or damaged.
    SamplingError
        If a step fails for good, an argument is out of range, or a batch is longer already.
    ClusterError
        If workers or their scheduler are gone, or a worker does not see the folder or has another version.
    """
    start = _as_start(positions, n_replicas)
    for name, value in (("n_steps", n_steps), ("save_every", save_every), ("replicas", replicas_per_batch)):
        if value < 1:
            raise SamplingError(f"run: expected a positive {name}, found {value}; correct it.")
    if n_steps % save_every:
        raise SamplingError(
            f"run: expected steps in a multiple of {save_every}, found {n_steps}; correct one of them."
        )
    if box is not None:
        sampling |= {"box": np.asarray(box, dtype=np.float32)}
    # One step here, so that what is refused is refused before anything is written.
    model.sample(_first_history(model, start), 1, seed=seed, num_threads=num_threads, **sampling)
    plan = {
        **identify(model, start, seed, save_every, 0, sampling),
        "format_version": FORMAT_VERSION,
        "n_replicas": n_replicas,
        "replicas_per_batch": replicas_per_batch,
        "steps_per_chunk": steps_of_a_chunk(model, replicas_per_batch, save_every, steps_per_chunk),
        "device": device,
    }
    folder = make_directory(folder).absolute()
    with exclusive(folder, "run"):
        text = _begin(folder, json.loads(json.dumps(plan)), model, start)
        task = Task(str(folder), text, 0, n_steps, num_threads, __version__)
        if executor is None:
            with ThreadPoolExecutor(1) as own:
                return _give_out(own, task, progress)
        return _give_out(executor, task, progress)


def _as_start(positions, n_replicas: int) -> np.ndarray:
    """First frames (1, N, 3), of all alike, or (n_replicas, N, 3)."""
    start = np.asarray(positions, np.float32)
    start = start[None] if start.ndim == 2 else start
    if n_replicas < 1 or start.ndim != 3 or len(start) not in (1, n_replicas):
        raise SamplingError(
            "run: expected at least one replica and the first frame of all, (N, 3), or that of each, (number"
            f" of replicas, N, 3), found {n_replicas} replicas and {np.shape(positions)}; correct them."
        )
    return start


def _first_history(model, start: np.ndarray) -> np.ndarray:
    return np.repeat(start[:1, None], model.card.capabilities.history_length, axis=1)


def _begin(folder: Path, plan: dict, model, start: np.ndarray) -> str:
    """Text of `ensemble.json`, of the same ensemble; made with what it names where there is none."""
    path = folder / _PLAN
    if path.exists():
        require_same_run(folder, plan, _parsed(path))
        return path.read_text()
    own = {_PROGRAM, _START, ".lock"}
    if other := sorted(each.name for each in folder.iterdir() if each.name not in own):
        raise OutputError(
            f"run: {folder} exists already and is no ensemble; expected an empty folder, found {other[0]} in"
            " it; choose another."
        )
    write_atomically(folder / _PROGRAM, lambda file: file.write(model.source))
    write_atomically(folder / _START, lambda file: np.save(file, start))
    write_text_atomically(path, json.dumps(plan, indent=1, sort_keys=True) + "\n")
    return path.read_text()


def _parsed(path: Path) -> dict:
    try:
        plan = json.loads(path.read_bytes())
        if str(plan["format_version"]).split(".")[0] != FORMAT_VERSION.split(".")[0]:
            raise ValueError(f"format {plan['format_version']}")
        return plan
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"run: {path} cannot be read ({error!r}); expected what `scoredyn run --cluster` of format"
            f" {FORMAT_VERSION} writes; choose another folder."
        ) from None


def _store(folder: Path, plan: dict, batch: int) -> Path:
    """Named by its first replica."""
    return folder / f"replicas_{batch * plan['replicas_per_batch']:09d}{SUFFIX}"


def _give_out(executor: Executor, task: Task, progress) -> list[Path]:
    """Have every batch drawn up to `task.n_steps`: one task at a time of each, all batches abreast."""
    plan, folder = json.loads(task.plan), Path(task.folder)
    sizes = _batch_sizes(plan)
    stores = [_store(folder, plan, batch) for batch in range(len(sizes))]
    steps = [_steps_in(store, task.n_steps) for store in stores]
    finished: SimpleQueue[tuple[int, Future]] = SimpleQueue()
    pending: set[Future] = set()

    def submit(batch: int) -> None:
        until = min(steps[batch] + plan["steps_per_chunk"], task.n_steps)
        future = executor.submit(advance_batch, task._replace(batch=batch, n_steps=until))
        pending.add(future)
        future.add_done_callback(lambda done: finished.put((batch, done)))

    report = partial(_report, progress, sizes, task.n_steps)
    report(steps)
    try:
        for batch in range(len(sizes)):
            if steps[batch] < task.n_steps:
                submit(batch)
        while pending:
            batch, future = finished.get()
            pending.remove(future)
            steps[batch] = outcome(future, "run")
            report(steps)
            if steps[batch] < task.n_steps:
                submit(batch)
    finally:
        for future in pending:
            future.cancel()
    return stores


def _batch_sizes(plan: dict) -> list[int]:
    size, rest = plan["replicas_per_batch"], plan["n_replicas"]
    return [min(size, rest - first) for first in range(0, rest, size)]


def _steps_in(store: Path, n_steps: int) -> int:
    done = FrameStore(store).note.get("steps", 0)
    if done > n_steps:
        raise SamplingError(
            f"run: {store} holds a longer run; expected at most {n_steps} steps, found {done}; ask for that"
            " or more, or choose another folder."
        )
    return done


def _report(progress, sizes: Iterable[int], n_steps: int, steps: Iterable[int]) -> None:
    if progress is not None:
        done = sum(size * own for size, own in zip(sizes, steps, strict=True))
        progress(done, sum(sizes) * n_steps)


class _Opened(threading.local):
    """What a thread of a worker draws from; a model counts what its guard rejects, so threads share none."""

    plan = ""
    model: ScoreModel
    start: np.ndarray


_opened = _Opened()


def advance_batch(task: Task) -> int:
    """Do a task on a worker, which loads the program for the first one only.

    Returns
    -------
    int : steps that the replicas of the batch have now

    Raises
    ------
    ClusterError
        If this is another version of the package, or the folder here is not that of the task.
    And what `run_replicas` raises.
    """
    folder, plan = Path(task.folder), json.loads(task.plan)
    require_version(task.version, "run")
    if _opened.plan != task.plan:
        _open(folder, task.plan, plan)
    size = plan["replicas_per_batch"]
    first = task.batch * size
    count = min(size, plan["n_replicas"] - first)
    start = _opened.start if len(_opened.start) == 1 else _opened.start[first : first + count]
    run_replicas(
        _opened.model,
        np.broadcast_to(start, (count, *start.shape[1:])),
        _store(folder, plan, task.batch),
        task.n_steps,
        seed=plan["seed"],
        save_every=plan["save_every"],
        steps_per_chunk=plan["steps_per_chunk"],
        first_replica=first,
        wait_s=_WAIT_FOR_LOCK_S,
        num_threads=task.num_threads,
        **_sampling(plan, _opened.model),
    )
    return task.n_steps


def _open(folder: Path, text: str, plan: dict) -> None:
    try:
        if (folder / _PLAN).read_text() != text:
            raise ValueError(f"its {_PLAN} is another")
        program = (folder / _PROGRAM).read_bytes()
        start = np.load(folder / _START, mmap_mode="r", allow_pickle=False)
        if digest_of(start) != plan["start_sha256"]:
            raise ValueError(f"the checksum of {_START} is another")
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"run: the worker on {socket.gethostname()} cannot read {folder} ({error}); expected the folder"
            " of the ensemble; choose one on a file system that all workers share."
        ) from None
    # The digest comes with the task, from whoever was allowed to run the code of the program.
    _opened.model = ScoreModel(program, plan["model_sha256"]).to(plan["device"])
    _opened.start, _opened.plan = start, text


def _sampling(plan: dict, model) -> dict:
    names = ("solver", *model.program.sampling_ranges, "lag_time_ps", "temperature_K")
    box = {} if plan["box_nm"] is None else {"box": plan["box_nm"]}
    return {name: plan[name] for name in names} | box
