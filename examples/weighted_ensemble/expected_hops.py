"""The rate into phi > 0 without waiting for an event: the mean probability that the model gives it.

    python expected_hops.py [--model alanine-dipeptide-tip3p] [--replicas 256] [--length 400] [--seed 1]

A model with gates (docs/concepts/rare_events.md) says of every frame how probable a hop of phi within the
next step is. Its mean over frames with phi < 0 is the rate of hops; the error is that over replicas.
"""

import argparse

import numpy as np
import torch
from brute_force import start_frame
from coordinate import phi_degrees

import openmm_scoredyn as sd

EQUILIBRATION = 100  # steps
SPACING = 10  # steps between two frames looked at


def hop_probabilities(program, card, frames: np.ndarray) -> np.ndarray:
    """P(phi changes sides within the next step) of frames (T, N, 3), nm: (T,)."""
    history, count = torch.from_numpy(np.ascontiguousarray(frames))[:, None], len(frames)
    known = torch.full([count], card.lag_time_ps), torch.full([count], card.temperature_K)
    with torch.no_grad():
        condition = program.condition(history, torch.zeros(count, 3, 3), *known)[0]
    # The last two columns are the thresholds of the two events, hops of phi first, of a standard normal.
    return torch.special.ndtr(condition[:, -2].double()).numpy()


def main() -> None:
    """Run and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="alanine-dipeptide-tip3p")
    arguments.add_argument("--replicas", type=int, default=256)
    arguments.add_argument("--length", type=int, default=400, help="of each replica, steps")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    model = sd.ScoreModel(options.model)
    program = torch.jit.load(str(sd.pretrained(options.model)))
    start = np.repeat(start_frame()[None], options.replicas, axis=0)
    frames = model.sample(start, options.length, save_every=SPACING, seed=options.seed)
    frames = frames[EQUILIBRATION // SPACING :]
    flat = frames.reshape(-1, *frames.shape[2:])
    before = phi_degrees(flat)[:, 0] < 0
    chances = np.where(before, hop_probabilities(program, model.card, flat), 0).reshape(frames.shape[:2])
    per_ns = 1000 / model.card.lag_time_ps
    rates = per_ns * chances.mean(axis=0) / before.mean()
    rate, error = rates.mean(), rates.std(ddof=1) / np.sqrt(len(rates))
    uneven = chances[chances > 0].mean() / np.sqrt(chances[chances > 0]).mean() ** 2
    cost = options.replicas * options.length * model.card.lag_time_ps / 1000
    print(
        f"{cost:.1f} ns, {rate:.5f} +- {error:.5f} per ns, once in {1 / rate:.1f} +- {error / rate**2:.1f} ns"
    )
    print(f"the best choice of frames to go on from would make counted events {uneven:.2f} times cheaper")


if __name__ == "__main__":
    main()
