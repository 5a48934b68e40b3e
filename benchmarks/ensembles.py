"""Ensembles on a local Dask cluster: memory and kills, throughput of one and two workers, overhead per task.

    python benchmarks/ensembles.py whole [--replicas 65536] [--kills 5]
    python benchmarks/ensembles.py workers [--rounds 3]
    python benchmarks/ensembles.py tasks

`whole` has `scoredyn run` draw one nanosecond of every replica in steps of 100 ps by two workers, by one, and
by two while workers and the command, in which the scheduler is, are killed in turn at random moments; it
prints the highest resident memory of each process and whether all files are the same. `workers` prints the
wall and processor time of one ensemble by one and by two workers in turn, `tasks` what a task costs beside
its steps, in processor time: empty tasks through the scheduler, and a task of one step in a store of 1 and of
1,000 chunks.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from openmm.app import PDBFile
from turns import quartiles

import openmm_scoredyn as sd
from openmm_scoredyn.data.frame_store import SUFFIX, FrameStore
from openmm_scoredyn.dynamics import open_cluster, run_ensemble, run_replicas

MODEL, MODEL_OF_LAGS = "alanine-dipeptide-tip3p", "alanine-dipeptide-obc2-lags"
STRUCTURE = sd.pretrained(MODEL).with_name("alanine-dipeptide.pdb")
REPLICAS_PER_BATCH = 256
EMPTY_TASKS = 300
# Between two looks at the processes of a command.
LOOK_S = 0.25


def start_of_model() -> np.ndarray:
    """(N, 3) nm."""
    pdb = PDBFile(str(STRUCTURE))
    return np.asarray(pdb.getPositions(asNumpy=True)._value, np.float32)


def processor_seconds() -> tuple[int, float]:
    """Number of this process and what it has computed so far."""
    return os.getpid(), time.process_time()


def peak_bytes(process: psutil.Process) -> int:
    """Highest resident memory of a process so far."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])


class Watched:
    """A command that draws an ensemble, and what its processes took, as last seen."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self.command: subprocess.Popen
        self.peaks: dict[str, dict[int, int]] = {"command and scheduler": {}, "workers": {}}
        self.seconds: dict[int, float] = {}

    def start(self) -> None:
        """Start it, or start it again."""
        command = [str(Path(sys.executable).with_name("scoredyn")), *self.arguments]
        self.command = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def workers(self) -> list[psutil.Process]:
        """Processes that draw."""
        children = psutil.Process(self.command.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def look(self) -> bool:
        """Note what the processes took so far; whether the command still runs."""
        if self.command.poll() is not None:
            return False
        try:
            self._note("command and scheduler", psutil.Process(self.command.pid))
            for worker in self.workers():
                self._note("workers", worker)
        except (psutil.Error, OSError, IndexError):
            pass  # one ended while it was looked at
        time.sleep(LOOK_S)
        return True

    def _note(self, role: str, process: psutil.Process) -> None:
        self.peaks[role][process.pid] = peak_bytes(process)
        self.seconds[process.pid] = sum(process.cpu_times()[:2])


def digest_of(folder: Path) -> str:
    """SHA-256 of the names and contents of all files below a folder."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode() + path.read_bytes())
    return found.hexdigest()


def kill(watched: Watched, victim: str) -> None:
    """Kill a worker, which its nanny replaces, or the command, which is started again."""
    if victim == "command":
        watched.command.kill()
        watched.command.wait()
        watched.start()
    else:
        os.kill(watched.workers()[0].pid, signal.SIGKILL)


def draw(options, folder: Path, n_workers: int, n_kills: int) -> str:
    """Digest of the files of an ensemble that the command draws, killed at random; print what it took."""
    random = np.random.default_rng(1)
    batches = -(-options.replicas // REPLICAS_PER_BATCH)
    moments = np.sort(random.uniform(0, batches - 2, n_kills))
    watched = Watched(
        f"run {MODEL_OF_LAGS} {STRUCTURE} --lag 100ps --length 1ns --replicas {options.replicas}"
        f" --batch {REPLICAS_PER_BATCH} --cluster local:{n_workers} --out {folder}".split()
    )
    began, killed = time.monotonic(), []
    watched.start()
    while watched.look():
        begun = len(list(folder.glob(f"*{SUFFIX}")))
        if len(killed) < n_kills and begun > moments[len(killed)] and watched.workers():
            time.sleep(random.uniform(0, 1))
            killed.append(("worker", "command")[len(killed) % 2])
            kill(watched, killed[-1])
    if watched.command.returncode or len(killed) < n_kills:
        sys.exit(f"the command ended with {watched.command.returncode} after {len(killed)} kills")
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{n_workers} workers, killed {killed}: {time.monotonic() - began:.0f} s, of processors"
        f" {sum(watched.seconds.values()):.0f} s, {stored / 1e6:.0f} MB, load {os.getloadavg()[0]:.0f}"
    )
    for role, peaks in watched.peaks.items():
        print(f"    highest memory of {role}, MB: {[round(peak / 1e6) for peak in peaks.values()]}")
    return digest_of(folder)


def whole(options) -> None:
    """The same ensemble by two workers, by one, and through kills."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        digests = [
            draw(options, Path(folder) / f"{number}", n_workers, n_kills)
            for number, (n_workers, n_kills) in enumerate([(2, 0), (1, 0), (2, options.kills)])
        ]
    print(f"files of two workers, one, and two that were killed: {', '.join(d[:12] for d in digests)}")
    if len(set(digests)) > 1:
        sys.exit("the files differ")


def seconds_of_processors() -> float:
    """What this process and the workers have computed so far."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def workers(options) -> None:
    """Wall and processor time of 8 batches of 256 replicas x 20 ps by one worker and by two, in turn."""
    model, start = sd.ScoreModel(sd.pretrained(MODEL)), start_of_model()
    times: dict[int, list[float]] = {1: [], 2: []}
    computed: dict[int, list[float]] = {1: [], 2: []}
    with (
        open_cluster("local:1") as one,
        open_cluster("local:2") as two,
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
    ):
        for number in range(-1, options.rounds):
            for count, executor in ((1, one), (2, two)):
                began, before = time.monotonic(), seconds_of_processors()
                out = Path(folder) / f"{number}_{count}"
                run_ensemble(model, start, out, 20, n_replicas=2048, seed=1, save_every=10, executor=executor)
                if number >= 0:
                    times[count].append(time.monotonic() - began)
                    computed[count].append(seconds_of_processors() - before)
    for what, taken in (("wall", times), ("processor", computed)):
        for count, values in taken.items():
            low, middle, high = quartiles(values)
            print(f"{count} workers, {what}: {middle:.1f} s ({low:.1f} - {high:.1f})")
        ratios = [a / b for a, b in zip(taken[1], taken[2], strict=True)]
        low, middle, high = quartiles(ratios)
        print(f"one against two, {what}: {middle:.2f} ({low:.2f} - {high:.2f}), {np.round(ratios, 2)}")
    print(f"{2048 * 20 / np.median(times[2]):,.0f} ps/s by two, load {os.getloadavg()[0]:.1f}")


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
    arguments.add_argument("what", choices=("whole", "workers", "tasks"))
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--replicas", type=int, default=65536)
    arguments.add_argument("--kills", type=int, default=5)
    arguments.add_argument("--folder", help="where the ensembles are written; default: the temporary folder")
    options = arguments.parse_args()
    {"whole": whole, "workers": workers, "tasks": tasks}[options.what](options)


if __name__ == "__main__":
    main()
