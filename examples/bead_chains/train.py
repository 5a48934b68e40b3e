#!/usr/bin/env python3
"""A model of bead chains from the committed trajectories: one network for any sequence.

    python train.py runs/chains                 # chains of 100 beads; goes on where it was interrupted
    python train.py runs/long --beads 400
    python train.py runs/look --updates 200     # a look at how it works

Patterned chains alone are trained on, a sixth of them held out to choose the best update; random chains are
for the report. Writes bead-chains.scoredyn, or bead-chains-400.scoredyn, in the folder.
"""

import argparse
from pathlib import Path

from models import MODELS
from trajectories import load, names

from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import train
from openmm_scoredyn.training.checkpoint import best_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beads", type=int, choices=sorted(MODELS), default=100, help="of a chain")
    parser.add_argument("--updates", type=int, default=0, help="instead of those of models.py")
    given = parser.parse_args()
    model = MODELS[given.beads]
    trajectories = [load(name, model.group) for name in names(f"{model.folder}/patterned")]
    train(trajectories, given.folder, model.configuration(given.updates))
    checkpoint = best_checkpoint(given.folder)
    file = given.folder / f"{model.name}.scoredyn"
    TransferableModel(checkpoint.card, checkpoint.weights).save(file)
    print(f"update {checkpoint.update}; {file}")


if __name__ == "__main__":
    main()
