"""Ensembles on a local Dask cluster: memory, throughput of one and two workers, and overhead per task.

    python benchmarks/ensembles.py memory [--replicas 65536] [--length 20] [--save-every 10]
    python benchmarks/ensembles.py workers [--rounds 3]
    python benchmarks/ensembles.py tasks

`memory` prints the highest resident memory of each process, `workers` the wall time of one ensemble by one
and by two workers in turn, `tasks` what a task costs beside its steps, in processor time: empty tasks through
the scheduler, and a task of one step in a store of 1 and of 1,000 chunks.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from openmm.app import PDBFile
from turns import quartiles

import openmm_scoredyn as sd
from openmm_scoredyn.data.frame_store import FrameStore
from openmm_scoredyn.dynamics import open_cluster, run_ensemble, run_replicas

MODEL = "alanine-dipeptide-tip3p"
EMPTY_TASKS = 300


def start_of_model() -> np.ndarray:
    """(N, 3) nm."""
    pdb = PDBFile(str(sd.pretrained(MODEL).with_name("alanine-dipeptide.pdb")))
    return np.asarray(pdb.getPositions(asNumpy=True)._value, np.float32)


def peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])


def processor_seconds() -> tuple[int, float]:
    """Number of this process and what it has computed so far."""
    return os.getpid(), time.process_time()


def memory(options) -> None:
    """Peak of the process that gives out tasks, of the scheduler in it, and of each worker."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, open_cluster("local:2") as executor:
        began = time.monotonic()
        run_ensemble(
            sd.ScoreModel(sd.pretrained(MODEL)),
            start_of_model(),
            Path(folder) / "e",
            options.length,
            n_replicas=options.replicas,
            seed=1,
            save_every=options.save_every,
            executor=executor,
            progress=lambda done, total: print(f"\r{done / total:.1%}", end="", flush=True),
        )
        seconds = time.monotonic() - began
        workers = executor._client.run(peak_bytes).values()
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(
        f"\n{options.replicas} x {options.length} ps in {seconds:.0f} s, {stored / 1e6:.0f} MB stored,"
        f" load {os.getloadavg()[0]:.0f}"
    )
    print(f"peak, MB: scheduler {peak_bytes() / 1e6:.0f}, workers {[round(b / 1e6) for b in workers]}")


def workers(options) -> None:
    """Wall time of 8 batches of 256 replicas x 20 ps by one worker and by two, in turn."""
    model, start = sd.ScoreModel(sd.pretrained(MODEL)), start_of_model()
    times: dict[int, list[float]] = {1: [], 2: []}
    with (
        open_cluster("local:1") as one,
        open_cluster("local:2") as two,
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
    ):
        for number in range(-1, options.rounds):
            for count, executor in ((1, one), (2, two)):
                began = time.monotonic()
                out = Path(folder) / f"{number}_{count}"
                run_ensemble(model, start, out, 20, n_replicas=2048, seed=1, save_every=10, executor=executor)
                if number >= 0:
                    times[count].append(time.monotonic() - began)
    for count, values in times.items():
        low, middle, high = quartiles(values)
        print(f"{count} workers: {middle:.1f} s ({low:.1f} - {high:.1f}), {2048 * 20 / middle:,.0f} ps/s")
    ratios = [a / b for a, b in zip(times[1], times[2], strict=True)]
    print(f"two against one: {np.round(ratios, 2)}, load {os.getloadavg()[0]:.1f}")


def tasks(options) -> None:
    """Processor time of tasks without steps: of the scheduler's process, and of a worker; and of steps."""
    with open_cluster("local:1") as executor:
        executor.submit(int, 0).result()
        before = executor._client.submit(processor_seconds, pure=False).result()[1]
        own, began = time.process_time(), time.monotonic()
        for future in [executor.submit(int, 0) for _ in range(EMPTY_TASKS)]:
            future.result()
        wall, own = time.monotonic() - began, time.process_time() - own
        there = executor._client.submit(processor_seconds, pure=False).result()[1] - before
    print(
        f"empty task: {1e3 * wall / EMPTY_TASKS:.2f} ms wall, {1e3 * own / EMPTY_TASKS:.2f} ms of scheduler"
        f" and client, {1e3 * there / EMPTY_TASKS:.2f} ms of a worker"
    )
    model, start = sd.ScoreModel(sd.pretrained(MODEL)), np.repeat(start_of_model()[None], 256, axis=0)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for chunks in (1, 1000):
            report(
                f"task of one step, store of {chunks} chunks", costs_of_store(model, start, folder, chunks)
            )
    report("1,000 steps of 256 replicas", [10 * cost for cost in costs_of_steps(model, start)])


def costs_of_store(model, start: np.ndarray, folder, chunks: int) -> list[float]:
    """Processor time, ms, of a chunk of one step of one replica, in a store of so many chunks."""
    store = Path(folder) / f"{chunks}.frames"
    run_replicas(model, start[:1], store, 1, seed=1)  # the first chunk; those after it are made by hand
    opened = FrameStore(store)
    for number in range(1, chunks):
        opened.append({"positions": start[:1, None]}, opened.state(), opened.note | {"steps": number + 1})
    costs = []
    for number in range(20):
        began = time.process_time()
        run_replicas(model, start[:1], store, chunks + number + 1, seed=1)
        costs.append(1e3 * (time.process_time() - began))
    return costs


def costs_of_steps(model, start: np.ndarray) -> list[float]:
    """Processor time, ms, of 100 steps of a batch."""
    costs = []
    for _ in range(5):
        began = time.process_time()
        model.sample(start, 100, save_every=100, seed=1)
        costs.append(1e3 * (time.process_time() - began))
    return costs


def report(what: str, costs_ms: list[float]) -> None:
    """Print a row."""
    low, middle, high = quartiles(costs_ms)
    print(f"{what}: {middle:.1f} ms ({low:.1f} - {high:.1f})")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("what", choices=("memory", "workers", "tasks"))
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--replicas", type=int, default=65536)
    arguments.add_argument("--length", type=int, default=20, help="ps")
    arguments.add_argument("--save-every", type=int, default=10, help="ps")
    arguments.add_argument("--folder", help="where the ensembles are written; default: the temporary folder")
    options = arguments.parse_args()
    {"memory": memory, "workers": workers, "tasks": tasks}[options.what](options)


if __name__ == "__main__":
    main()
