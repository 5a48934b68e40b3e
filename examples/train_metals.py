"""Train the shipped crystal denoiser, `metals`: ten minutes on one free core.

    python examples/train_metals.py [--out metals.pt] [--short]

The second stage goes on from the first with more weight on small noise, the third with half of the examples
slabs, particles, wires and voids; see docs/how_to/denoise_crystals.md. `--short`
makes a twentieth of the updates: it shows in seconds that everything works, and its model is good for nothing
else.
"""

import argparse
from pathlib import Path

import torch

from openmm_scoredyn.crystals.checkpoint import DenoiserTraining
from openmm_scoredyn.crystals.export import export_denoiser
from openmm_scoredyn.crystals.training import train_denoiser

LATTICES = ("fcc", "bcc", "hcp", "sc", "diamond")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("metals.pt"))
parser.add_argument("--short", action="store_true", help="a twentieth of the updates")
arguments = parser.parse_args()
out, part = arguments.out, 20 if arguments.short else 1
torch.set_num_threads(1)


def show(done: int, total: int, loss: float) -> None:
    """One line per 100 updates, or fewer of a short run."""
    print(f"{done} of {total} updates, {loss:.3f} of the noise left", flush=True)


first = DenoiserTraining(
    name="metals",
    lattices=LATTICES,
    updates=1250 // part,
    warm_up=200 // part,
    noise_floor=0.02,
    strain=0.01,
)
second = DenoiserTraining(
    name="metals",
    lattices=(*LATTICES, "hcp"),  # hcp twice: its two sites make it the hardest
    updates=700 // part,
    warm_up=50 // part,
    learning_rate=1.5e-3,
    seed=5,
)
third = DenoiserTraining(
    name="metals",
    lattices=second.lattices,
    updates=5000 // part,
    warm_up=50 // part,
    learning_rate=1.5e-3,
    surfaces=0.5,
    seed=9,
)
options = {"progress": show, "save_every": 100 // part}
run = train_denoiser(first, out.with_suffix(".first"), **options)
run = train_denoiser(second, out.with_suffix(".second"), start_from=run, **options)
run = train_denoiser(third, out.with_suffix(".third"), start_from=run, **options)
print("model:", export_denoiser(run, out))
