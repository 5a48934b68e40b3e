"""Train the shipped crystal denoiser, `metals`: about two minutes on one free core.

    python examples/train_metals.py [--out metals.pt]

The second stage goes on from the first with more weight on small noise; see docs/denoising.md.
"""

import argparse
from pathlib import Path

import torch

from openmm_scoredyn.denoising.export import export_denoiser
from openmm_scoredyn.denoising.training import DenoiserTraining, train_denoiser

LATTICES = ("fcc", "bcc", "hcp", "sc", "diamond")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("metals.pt"))
out = parser.parse_args().out
torch.set_num_threads(1)


def show(done: int, total: int, loss: float) -> None:
    """One line per 100 updates."""
    print(f"{done} of {total} updates, {loss:.3f} of the noise left", flush=True)


first = DenoiserTraining(name="metals", lattices=LATTICES, updates=1250, noise_floor=0.02, strain=0.01)
second = DenoiserTraining(
    name="metals",
    lattices=(*LATTICES, "hcp"),  # hcp twice: its two sites make it the hardest
    updates=700,
    warm_up=50,
    learning_rate=1.5e-3,
    seed=5,
)
run = train_denoiser(first, out.with_suffix(".first"), progress=show, save_every=100)
run = train_denoiser(second, out.with_suffix(".second"), progress=show, save_every=100, start_from=run)
export_denoiser(run, out)
