"""An evaluation of the `liquid` network over the number of beads, and the pairs it looks for by cells and one
by one.

    python benchmarks/liquid.py [--rounds 5] [--beads 1000 2000 4000 8000]

Scripted, random weights of the default shape, boxes of one density (12 beads a cubic nanometre, 18 neighbours
within the cutoff). Processor times on one thread, all in turn.
"""

import argparse
import sys
from pathlib import Path

import torch
from turns import quartiles, take_turns

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python" / "support"))
import liquids

from openmm_scoredyn.networks.liquid import LiquidConfig
from openmm_scoredyn.networks.neighbours import periodic_graph

MOST_BY_PAIRS = 4000  # beyond that they take a gigabyte


def candidates(beads: int) -> dict:
    """Of one size: an evaluation, the pairs by cells, and one by one."""
    part = liquids.examples(int(0.4 * beads), beads - 2 * int(0.4 * beads), frames=2)[:1]
    network = torch.jit.script(liquids.network([part], **vars(LiquidConfig())))
    condition = network.condition(*part.situation)
    latent, level = torch.randn(1, 3 * beads), torch.zeros(1)
    frame, box, cutoff = condition[0], condition[1], LiquidConfig().cutoff_nm
    found = {
        f"{beads} beads, an evaluation": (lambda: network.predict(latent, level, condition), 1),
        f"{beads} beads, pairs by cells": (lambda: periodic_graph(frame, box, cutoff, few=0), 1),
    }
    if beads <= MOST_BY_PAIRS:
        found[f"{beads} beads, pairs one by one"] = (
            lambda: periodic_graph(frame, box, cutoff, few=beads),
            1,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beads", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    given = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        timed = {name: call for beads in given.beads for name, call in candidates(beads).items()}
        for call, _ in timed.values():
            call()  # torch.jit optimises in the second call
        for name, seconds in take_turns(timed, given.rounds).items():
            low, middle, high = quartiles([1000 * one for one in seconds])
            print(f"{name}: {middle:.1f} ms ({low:.1f} - {high:.1f})")


if __name__ == "__main__":
    main()
