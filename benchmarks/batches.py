"""Picoseconds of trajectory per second, over replicas in one batch.

    python benchmarks/batches.py [MODEL] [--rounds 5] [--sizes 1 4 16 ...] [--threads 1 2 ...] [--empty]
    [--device cuda] [--json FILE]

One process, all sizes and numbers of threads in turn. It counts processor time; on a GPU, or where more than
one number of threads is asked for, wall time. With --empty the network is one that does nothing, so that what
is left is noise, solver, guard and copies.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import command_line
import numpy as np
from openmm.app import PDBFile
from speed import empty_program
from turns import keep, quartiles, take_turns

import openmm_scoredyn as sd

SIZES = (1, 4, 16, 64, 256, 1024, 4096)
GPU_SIZES = (1, 16, 256, 1024, 4096, 16384, 65536)
REPLICA_STEPS = 512  # at least this many steps of a replica a call
GPU_STEPS = 16  # of the whole batch a call
WARM_UP_STEPS = 20


def start_of(model, count: int) -> np.ndarray:
    """Replicas (count, H, N, 3) nm, float32, a few steps away from each other; repeated beyond 256."""
    pdb = PDBFile(str(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb")))
    positions = np.asarray(pdb.getPositions(asNumpy=True)._value, np.float32)
    replicas = model.sample(np.repeat(positions[None], min(count, 256), 0), WARM_UP_STEPS, seed=2)[-1]
    history = np.repeat(replicas[:, None], model.card.capabilities.history_length, axis=1)
    return np.resize(history, (count, *history.shape[1:]))


def candidates(model, replicas: np.ndarray, options) -> dict:
    """Draws of every size and number of threads, with the picoseconds of trajectory that a call makes."""

    def draw(size, steps, threads):
        model.sample(replicas[:size], steps, save_every=steps, seed=3, num_threads=threads)

    found = {}
    for size in options.sizes:
        steps = max(1, REPLICA_STEPS // size) if options.device == "cpu" else GPU_STEPS
        for threads in options.threads:
            found[size, threads] = (
                partial(draw, size, steps, threads),
                size * steps * model.card.lag_time_ps,
            )
    return found


def main() -> None:
    """Measure and print."""
    arguments = command_line.of_a_model(__doc__, "alanine-dipeptide-obc2", rounds=5)
    arguments.add_argument("--sizes", type=int, nargs="+")
    arguments.add_argument("--threads", type=int, nargs="+", default=[1])
    arguments.add_argument("--empty", action="store_true", help="a network that does nothing")
    arguments.add_argument("--device", default="cpu", help="where the network runs: cpu, cuda or cuda:N")
    arguments.add_argument(
        "--json", type=Path, help="seconds per ps by replicas x threads, after every round"
    )
    options = command_line.parse(arguments)
    on_gpu = options.device != "cpu"
    options.sizes = options.sizes or (GPU_SIZES if on_gpu else SIZES)
    model = sd.ScoreModel(options.model).to(options.device)
    replicas = start_of(model, max(options.sizes))
    if options.empty:
        with tempfile.TemporaryDirectory() as folder:
            model = sd.ScoreModel(empty_program(model.card, Path(folder))).to(options.device)
    clock = time.perf_counter if on_gpu or max(options.threads) > 1 else time.process_time
    report(
        take_turns(
            candidates(model, replicas, options),
            options.rounds,
            clock,
            lambda times: keep(options.json, {f"{size} x {n}": row for (size, n), row in times.items()}),
        )
    )


def report(times: dict[tuple[int, int], list[float]]) -> None:
    """Print the table."""
    print(f"{'replicas':>8}{'threads':>9}{'ms per ps':>12}  {'quartiles':>17}{'ps/s':>10}{'of first':>9}")
    first = quartiles(next(iter(times.values())))[1]
    for (size, threads), values in times.items():
        low, middle, high = quartiles(values)
        print(
            f"{size:8}{threads:9}{1e3 * middle:12.5f}  {1e3 * low:8.5f} {1e3 * high:8.5f}"
            f"{1 / middle:10.0f}{first / middle:8.1f}x"
        )
    size, threads = best = min(times, key=lambda row: quartiles(times[row])[1])
    print(
        f"best batch: {size} replicas on {threads} threads, "
        f"{1e-6 / quartiles(times[best])[1]:.4f} microseconds of trajectory per second"
    )


if __name__ == "__main__":
    main()
