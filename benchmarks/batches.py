"""Picoseconds of trajectory per second, over replicas in one batch.

    python benchmarks/batches.py [MODEL] [--rounds 5] [--sizes 1 4 16 ...] [--gpu]

One process, one thread, all sizes in turn. On the processor it counts processor time; on a GPU, wall time.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from openmm.app import PDBFile
from turns import quartiles, take_turns

import openmm_scoredyn as sd
from openmm_scoredyn.native import scoredyn

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
    history = np.repeat(replicas[:, None], model.card.history_length, axis=1)
    return np.resize(history, (count, *history.shape[1:]))


def candidates(path: Path, sizes, gpu: bool) -> dict:
    """Draws of every size, with the picoseconds of trajectory that a call makes."""
    model = sd.ScoreModel(path)
    card, program = model.card, scoredyn.Program(str(path), **({"gpu": 0} if gpu else {}))
    replicas, box = start_of(model, max(sizes)), np.zeros((3, 3))

    def draw(size, steps):
        program.sample(replicas[:size], box, steps, steps, 3, 0, 0, card.solver, card.denoising_steps)

    found = {}
    for size in sizes:
        steps = GPU_STEPS if gpu else max(1, REPLICA_STEPS // size)
        found[size] = (lambda n=size, k=steps: draw(n, k), size * steps * card.lag_time_ps)
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", nargs="?", default="alanine-dipeptide-obc2")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--sizes", type=int, nargs="+")
    arguments.add_argument("--gpu", action="store_true", help="draw on the first GPU")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    path = Path(options.model) if Path(options.model).exists() else sd.pretrained(options.model)
    sizes = options.sizes or (GPU_SIZES if options.gpu else SIZES)
    clock = time.perf_counter if options.gpu else time.process_time
    times = take_turns(candidates(path, sizes, options.gpu), options.rounds, clock)
    print(f"{'replicas':>8}{'ms per ps':>12}  {'quartiles':>17}{'ps/s':>10}{'of one':>9}")
    one = quartiles(next(iter(times.values())))[1]
    for size, values in times.items():
        low, middle, high = quartiles(values)
        print(
            f"{size:8}{1e3 * middle:12.5f}  {1e3 * low:8.5f} {1e3 * high:8.5f}{1 / middle:10.0f}{one / middle:8.1f}x"
        )
    best = min(times, key=lambda size: quartiles(times[size])[1])
    print(
        f"best batch: {best} replicas, {1e-6 / quartiles(times[best])[1]:.4f} microseconds of trajectory per second"
    )


if __name__ == "__main__":
    main()
