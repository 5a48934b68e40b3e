"""Atoms per second of the denoiser, and how time and memory grow with the number of atoms.

    python benchmarks/denoiser/speed.py [--model metals] [--largest 256000] [--rounds 3] [--json speed.json]

fcc crystals with correlated displacements on one thread; one iteration is measured: neighbour list, table and
network. Sizes take turns, round after round, after one of warm-up; medians of the processor time, so that
other jobs disturb little. Memory is what a process of its own needs above that for 500 atoms (Linux).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk

from openmm_scoredyn.crystals.model import load_denoiser
from openmm_scoredyn.crystals.neighbours import find_neighbours

SPACING = 0.2556


def crystal(n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """About n atoms with displacements of a seventh of the distance between neighbours in the mean; nm."""
    side = round((n_atoms / 4) ** (1 / 3))
    atoms = bulk("Cu", "fcc", a=SPACING * 2**0.5, cubic=True).repeat(side)
    moved = atoms.positions + 0.08 * SPACING * np.random.default_rng(0).normal(size=atoms.positions.shape)
    return moved, np.array(atoms.cell[:])


def one_iteration(model, positions: np.ndarray, cell: np.ndarray) -> tuple[float, float]:
    """Processor seconds of the neighbour list, and of all."""
    start = time.process_time()
    find_neighbours(positions, cell, (True,) * 3, model.card.cutoff * SPACING)
    listed = time.process_time()
    model.predict(positions, cell, (True,) * 3, SPACING, np.zeros(len(positions), dtype=np.int64))
    return listed - start, time.process_time() - listed


def memory_MB(model: str, n_atoms: int) -> float:
    """Largest resident size, of a process that does one iteration, above that of one that does
    a small one.
    """
    code = (
        "import sys; sys.path.insert(0, sys.argv[3]); import speed, torch; torch.set_num_threads(1)\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "model = speed.load_denoiser(sys.argv[1])\n"
        "speed.one_iteration(model, *speed.crystal(500))\n"
        "before = peak()\n"
        "speed.one_iteration(model, *speed.crystal(int(sys.argv[2])))\n"
        "print((peak() - before) / 1024)"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, model, str(n_atoms), folder], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """All sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="metals")
    parser.add_argument("--largest", type=int, default=256_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_denoiser(arguments.model)
    sizes = [n for n in (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000) if n <= arguments.largest]
    systems = [crystal(n) for n in sizes]
    times: list[list[tuple[float, float]]] = [[] for _ in sizes]
    for turn in range(arguments.rounds + 1):
        for index, system in enumerate(systems):
            seconds = one_iteration(model, *system)
            if turn:
                times[index].append(seconds)
    rows = []
    for system, seconds, n in zip(systems, times, sizes):
        listed, total = (statistics.median(column) for column in zip(*seconds))
        n_atoms = len(system[0])
        rows.append(
            {
                "atoms": n_atoms,
                "list_s": listed,
                "iteration_s": total,
                "memory_MB": memory_MB(arguments.model, n),
            }
        )
        print(
            f"{n_atoms:>9,} atoms: {1e6 * total / n_atoms:6.1f} us per atom and iteration, of which neighbour"
            f" list {1e6 * listed / n_atoms:5.1f}; {n_atoms / total:8,.0f} atoms/s;"
            f" {rows[-1]['memory_MB']:6,.0f} MB",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
