"""Time of the three ways to clean a hot frame: denoising, averaging and energy minimisation; and how well
they do.

    python benchmarks/denoiser/cost.py data/Fe-0.95.extxyz --potentials POTENTIALS [--rounds 3] [--model
    metals]

One thread; the ways take turns, round after round, after one of warm-up; medians and ranges of the processor
time, so that other jobs disturb little. Averaging is what crystals.py does: 20 configurations over the time
between its frames.
"""

import argparse
import statistics
import time
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from accuracy import share
from crystals import average, frame, place, set_up
from substances import SUBSTANCES

from openmm_scoredyn.crystals.model import load_denoiser


def ways(atoms: ase.Atoms, name: str, potentials: Path, model) -> dict:
    """Functions that clean the frame, each giving positions, Angstrom."""
    substance = SUBSTANCES[name]
    engine = set_up(substance, potentials)
    temperature = atoms.info["fraction"] * substance.melting_K

    def denoised() -> np.ndarray:
        return 10 * model.denoise_frame(atoms.positions / 10, atoms.cell[:] / 10).positions

    def averaged() -> np.ndarray:
        return average(engine, substance, temperature).positions

    def minimised() -> np.ndarray:
        engine.commands_string("min_modify line forcezero\nminimize 0 1e-3 1000 1000")
        return frame(engine, substance.symbols).positions

    def start() -> None:
        place(engine, atoms)
        engine.command(f"velocity all create {temperature} 815 dist gaussian")

    return {"start": start, "denoised": denoised, "averaged": averaged, "minimised": minimised}


def main() -> None:
    """One frame."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--potentials", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="metals")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    atoms = ase.io.read(arguments.file, 0)
    functions = ways(
        atoms, arguments.file.stem.split("-")[0], arguments.potentials, load_denoiser(arguments.model)
    )
    start = functions.pop("start")
    seconds, right = {way: [] for way in functions}, {}
    for turn in range(arguments.rounds + 1):
        for way, clean in functions.items():
            start()
            begin = time.process_time()
            positions = clean()
            if turn:
                seconds[way].append(time.process_time() - begin)
            # An average is relative to a box of its own, hardly another one.
            right[way] = [share(positions, atoms, method) for method in ("cna", "ptm")]
    base = statistics.median(seconds["denoised"])
    for way, values in seconds.items():
        middle = statistics.median(values)
        print(
            f"{way:>10}: {middle:6.2f} s ({min(values):.2f} to {max(values):.2f}), {middle / base:5.1f} of"
            f" denoising; CNA {right[way][0]:.2f} %, PTM {right[way][1]:.2f} %"
        )


if __name__ == "__main__":
    main()
