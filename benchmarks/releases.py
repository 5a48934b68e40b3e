"""Speed of a step in two installations of the package, which take turns in one run.

    python benchmarks/releases.py OLD_PYTHON NEW_PYTHON [MODEL] [--turns 150]

Each interpreter has a release installed, and runs a process of its own. Processor time of one thread; turns
are short, and every ratio is of two neighbours in time, so that other jobs on the machine hit both.
"""

import argparse
import subprocess
import sys

import numpy as np
from turns import quartiles

SINGLE_STEPS, BATCH_STEPS, BATCH = 40, 2, 256
# What either release understands; it answers every line "single N" or "batch N" with microseconds.
WORKER = """
import sys, time
import numpy as np, torch
from openmm import unit
from openmm.app import PDBFile
import openmm_scoredyn as sd
torch.set_num_threads(1)
path = sd.pretrained(sys.argv[1])
structure = str(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))
simulation, model = sd.prepare(structure, path, platform="Reference", seed=1), sd.ScoreModel(path)
start = PDBFile(structure).getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32)
replicas = model.sample(np.repeat(start[None], BATCH, 0), 20, seed=2)[-1]
work = {
    "single": (simulation.step, 1), "batch": (lambda steps: model.sample(replicas, steps, seed=3), BATCH)
}
simulation.step(500)
print(sd.__version__, flush=True)
for line in sys.stdin:
    name, steps = line.split()
    call, count = work[name]
    begin = time.process_time()
    call(int(steps))
    print(1e6 * (time.process_time() - begin) / int(steps) / count, flush=True)
""".replace("BATCH", str(BATCH))


def start(python: str, model: str) -> subprocess.Popen:
    """A worker that is warmed up."""
    pipe = subprocess.PIPE
    worker = subprocess.Popen([python, "-c", WORKER, model], stdin=pipe, stdout=pipe, text=True, bufsize=1)
    print(f"{python}: release {worker.stdout.readline().strip()}")
    return worker


def ask(worker: subprocess.Popen, name: str, steps: int) -> float:
    """Microseconds of a step and replica."""
    print(name, steps, file=worker.stdin, flush=True)
    return float(worker.stdout.readline())


def standard_error_of_median(values: np.ndarray, samples: int = 2000) -> float:
    """By bootstrap."""
    drawn = np.random.default_rng(1).choice(values, (samples, len(values)))
    return float(np.median(drawn, axis=1).std())


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("python", nargs=2)
    arguments.add_argument("model", nargs="?", default="alanine-dipeptide-tip3p")
    arguments.add_argument("--turns", type=int, default=150)
    options = arguments.parse_args()
    workers = [start(python, options.model) for python in options.python]
    for name, steps in (("single", SINGLE_STEPS), ("batch", BATCH_STEPS)):
        times = np.empty((options.turns, 2))
        for turn in range(options.turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                times[turn, which] = ask(workers[which], name, steps)
        ratio = times[:, 1] / times[:, 0]
        low, middle, high = quartiles(ratio.tolist())
        old, new = np.median(times, axis=0)
        print(
            f"{name}: {old:.1f} and {new:.1f} us, ratio {middle:.3f} +- {standard_error_of_median(ratio):.3f}"
            f" ({low:.2f} to {high:.2f})"
        )
    for worker in workers:
        worker.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
