"""The rate into phi > 0 by brute force: replicas run from the start until they arrive, then begin again.

    python brute_force.py [--model alanine-dipeptide-tip3p] [--replicas 512] [--length 10000] [--seed 1]

Prints the rate after every 100 ps: events by the time of all replicas, with the error of a Poisson count. A
mean first passage is far longer than what the basins take to fill, so the start does not matter.
"""

import argparse
from pathlib import Path

import numpy as np
from coordinate import TARGET, phi_degrees
from openmm.app import PDBFile

import openmm_scoredyn as sd

STEPS = 100  # of a batch between two reports


def start_frame() -> np.ndarray:
    """(N, 3), nm."""
    pdb = PDBFile(str(Path(__file__).with_name("start.pdb")))
    return np.asarray(pdb.getPositions(asNumpy=True)._value, np.float32)


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="alanine-dipeptide-tip3p")
    arguments.add_argument("--replicas", type=int, default=512)
    arguments.add_argument("--length", type=int, default=10000, help="of each replica, ps")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    model = sd.ScoreModel(options.model)
    start = start_frame()
    replicas = np.repeat(start[None], options.replicas, axis=0)
    events, steps = 0, 0
    for first in range(0, options.length, STEPS):
        frames = model.sample(replicas, STEPS, first_step=first, seed=options.seed)
        phi = phi_degrees(frames.reshape(-1, *start.shape)).reshape(STEPS, options.replicas)
        arrived = phi >= TARGET[0]
        hit = arrived.any(axis=0)
        events += int(hit.sum())
        steps += int(np.where(hit, arrived.argmax(axis=0) + 1, STEPS).sum())
        replicas = np.where(hit[:, None, None], start, frames[-1])
        time_ns = steps * model.card.lag_time_ps / 1000
        error = np.sqrt(max(events, 1)) / time_ns
        print(f"{time_ns:.1f} ns, {events} events, {events / time_ns:.5f} +- {error:.5f} per ns", flush=True)


if __name__ == "__main__":
    main()
