"""A step over the number of particles: time, and peak memory, of a network whose cost is linear in them.

    python benchmarks/atoms.py [--rounds 5] [--platforms Reference OpenCL] [--particles 22 100 ...]

The program is the synthetic one of the tests: two rounds of messages along six edges from each particle, with
random weights, and two evaluations a step, in a periodic box of diatomic molecules at one density. What grows
is what the plugin, OpenMM and torch do with positions. Times are processor times on one thread, all sizes in
turn; the peak is what the memory of a process of its own grows by from before the program is loaded to the
end of the third step.
"""

import argparse
import ctypes
import os
import sys
import tempfile
from pathlib import Path

import openmm
import torch
from turns import quartiles, take_turns

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python" / "support"))
import bulk

import openmm_scoredyn as sd

PARTICLES = (22, 100, 500, 2_000, 10_000, 20_000)
MOLECULES_PER_NM3 = 100 / bulk.BOX**3
PARTICLE_STEPS = 40_000  # about this many steps of a particle a call


def box_of(particles: int) -> float:
    """Edge of the cube, nm."""
    return (particles / 2 / MOLECULES_PER_NM3) ** (1 / 3)


def save(folder: Path, particles: int) -> Path:
    """Write the program for a number of particles."""
    path = folder / f"messages{particles}.pt"
    bulk.save_bulk_program(
        path, bulk.Messages(particles), particles // 2, box_of(particles), denoising_steps=2
    )
    return path


def make(path: Path, particles: int, platform: str):
    """A context, and its integrator."""
    integrator, edge = sd.ScoreDynamicsIntegrator(path), box_of(particles)
    system = bulk.make_system(particles // 2, edge)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))
    context.setPositions(bulk.start(particles // 2, edge))
    return context, integrator


def memory(key: str) -> int:
    """A figure of /proc/self/status, bytes: VmRSS, the memory in use, or VmHWM, its peak."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith(key)).split()[1])


def peak_of(path: Path, particles: int, platform: str) -> int:
    """Bytes, measured in a process of its own."""
    receive, send = os.pipe()
    if (child := os.fork()) == 0:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
        before = memory("VmRSS")
        _context, integrator = make(path, particles, platform)
        integrator.step(3)
        os.write(send, str(memory("VmHWM") - before).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError(f"atoms.py: {platform} did not step {particles} particles; see the error above.")
    return int(text)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--platforms", nargs="+", default=["Reference"])
    arguments.add_argument("--particles", type=int, nargs="+", default=PARTICLES)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = {count: save(Path(folder), count) for count in options.particles}
        cases = [(platform, count) for platform in options.platforms for count in options.particles]
        # What the saving left free would not count when it is used again.
        ctypes.CDLL(None).malloc_trim(0)
        # Before this process makes a context: threads do not survive the making of a child.
        peaks = {(platform, count): peak_of(paths[count], count, platform) for platform, count in cases}
        candidates, contexts = {}, []
        for platform, count in cases:
            context, integrator = make(paths[count], count, platform)
            contexts.append(context)
            steps = max(1, min(PARTICLE_STEPS // count, 400))
            candidates[platform, count] = (lambda i=integrator, k=steps: i.step(k), steps)
        times = take_turns(candidates, options.rounds)
    print(
        f"{'':10}{'particles':>10}{'CPU ms/step':>13}  {'quartiles':>17}{'us/particle':>13}"
        f"{'peak MB':>9}{'kB/particle':>13}"
    )
    for (platform, count), values in times.items():
        low, middle, high = quartiles(values)
        peak = peaks[platform, count]
        print(
            f"{platform:10}{count:10}{1e3 * middle:13.3f}  {1e3 * low:8.3f} {1e3 * high:8.3f}"
            f"{1e6 * middle / count:13.2f}{1e-6 * peak:9.1f}{1e-3 * peak / count:13.2f}"
        )


if __name__ == "__main__":
    main()
