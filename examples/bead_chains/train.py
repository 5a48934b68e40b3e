#!/usr/bin/env python3
"""The shipped model of bead chains from the committed trajectories: one network for any sequence.

    python train.py runs/chains            # goes on where it was interrupted
    python train.py runs/chains --updates 200   # a look at how it works

Patterned chains alone are trained on, four of them held out to choose the best update; random chains are for
the report. Writes runs/chains/bead-chains.scoredyn.
"""

import argparse
from pathlib import Path

from trajectories import FRICTION_PER_PS, TAU_PS, load, names

from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, train
from openmm_scoredyn.training.checkpoint import best_checkpoint

NAME = "bead-chains"
GROUP, LAG_TAU = 10, 25  # beads of a super-bead, and tau of a step


def configuration(updates: int, lag_tau: float, radial: bool = True) -> TrainingConfig:
    """How the shipped model was trained."""
    return TrainingConfig(
        name=NAME,
        network=NetworkChoice.of(
            "chain_flow", width=24, layers=2, friction_per_ps=FRICTION_PER_PS, radial=radial
        ),
        optimization=OptimizationConfig(
            updates=updates,
            batch_size=64,
            learning_rate=2e-3,
            warmup_updates=100,
            ema_decay=0.99,
            validation_every=100,
        ),
        lag_time_ps=lag_tau * TAU_PS,
        split="molecule",
        validation_fraction=1 / 6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chains", default="n100/patterned")
    parser.add_argument("--group", type=int, default=GROUP)
    parser.add_argument("--lag-tau", type=float, default=LAG_TAU)
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--normal", action="store_true", help="bond vectors without a radial map")
    given = parser.parse_args()
    trajectories = [load(name, given.group) for name in names(given.chains)]
    train(trajectories, given.folder, configuration(given.updates, given.lag_tau, not given.normal))
    checkpoint = best_checkpoint(given.folder)
    TransferableModel(checkpoint.card, checkpoint.weights).save(given.folder / f"{NAME}.scoredyn")
    print(f"update {checkpoint.update}; {given.folder / NAME}.scoredyn")


if __name__ == "__main__":
    main()
