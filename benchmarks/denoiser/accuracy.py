"""Accuracy of CNA and PTM on thermal crystals and melts, raw and denoised, beside averaging and minimisation.

    python benchmarks/denoiser/accuracy.py data [--model metals] [--iterations 8] [--json accuracy.json]

`data` is the folder of crystals.py. Accuracy is the part of the atoms, in per cent, that get the structure the crystal was
built with; of a melt the part that is taken for any crystal is shown instead.
"""

import argparse
import json
import time
from pathlib import Path

import ase.io
import numpy as np
import torch

from openmm_scoredyn.denoising.classify import FIXED_CUTOFF, STRUCTURES, classify
from openmm_scoredyn.denoising.model import load_denoiser

CRYSTALS = ("fcc", "hcp", "bcc", "sc", "diamond")


def share(positions: np.ndarray, atoms: ase.Atoms, method: str, cutoff: float | None = None) -> float:
    """Per cent of the atoms in the structure they were built in; of a melt, in any crystal."""
    found = classify(positions, atoms.cell[:], atoms.pbc, method, cutoff)
    wanted = CRYSTALS if atoms.info["structure"] == "liquid" else (atoms.info["structure"],)
    return 100 * float(np.isin(found, [STRUCTURES.index(name) for name in wanted]).mean())


def shares(positions: np.ndarray, atoms: ase.Atoms, spacing: float) -> dict[str, float]:
    """By all methods; PTM without a limit of its mismatch too, which is how it is best on hot crystals."""
    return {
        "cna": share(positions, atoms, "cna"),
        "cna-fixed": share(positions, atoms, "cna-fixed", FIXED_CUTOFF * spacing),
        "ptm": share(positions, atoms, "ptm"),
        "ptm-any": share(positions, atoms, "ptm", 0.0),
    }


def measure(path: Path, model, iterations: int | None) -> dict:
    """One file: raw and denoised over its thermal frames, and what else it holds."""
    frames = ase.io.read(path, ":")
    thermal = [atoms for atoms in frames if atoms.info.get("made", "thermal") == "thermal"]
    raw, clean, seconds = [], [], []
    for atoms in thermal:
        start = time.perf_counter()
        result = model.denoise_frame(atoms.positions / 10, atoms.cell[:] / 10, iterations, periodic=atoms.pbc)
        seconds.append(time.perf_counter() - start)
        spacing = 10 * result.spacing_nm
        raw.append(shares(atoms.positions, atoms, spacing))
        clean.append(shares(10 * result.positions, atoms, spacing))
    row = {
        "file": path.stem,
        "structure": frames[0].info["structure"],
        "fraction": float(frames[0].info["fraction"]),
        "atoms": len(frames[0]),
        "frames": len(thermal),
        "raw": _mean(raw),
        "denoised": _mean(clean),
        "seconds": float(np.median(seconds)),
    }
    for atoms in frames:
        if atoms.info.get("made") in ("averaged", "minimised"):
            row[atoms.info["made"]] = shares(atoms.positions, atoms, spacing) | {
                "seconds": float(atoms.info["seconds"])
            }
    return row


def _mean(rows: list[dict]) -> dict:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def as_table(rows: list[dict]) -> str:
    """Markdown."""
    head = ["", "of melting", "CNA", "PTM", "PTM, best", "CNA", "PTM", "CNA", "CNA"]
    above = ["", "", "raw", "raw", "raw", "**denoised**", "**denoised**", "averaged", "minimised"]
    lines = ["| " + " | ".join(above) + " |", "|---" * len(above) + "|", "| " + " | ".join(head) + " |"]
    for row in rows:
        raw, clean = row["raw"], row["denoised"]
        others = [f"{row[name]['cna']:.1f}" if name in row else "" for name in ("averaged", "minimised")]
        lines.append(
            f"| {row['file'].split('-')[0]} {row['structure']} | {row['fraction']:.2f} | {raw['cna']:.1f} | {raw['ptm']:.1f} | "
            f"{max(raw['ptm'], raw['ptm-any']):.1f} | {clean['cna']:.2f} | {clean['ptm']:.2f} | {others[0]} | {others[1]} |"
        )
    return "\n".join(lines)


def main() -> None:
    """All files of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="metals")
    parser.add_argument("--iterations", type=int, help="default: what the model recommends")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_denoiser(arguments.model)
    rows = [measure(path, model, arguments.iterations) for path in sorted(arguments.data.glob("*.extxyz"))]
    print(as_table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
