"""Accuracy of CNA and PTM on thermal crystals and melts, raw and denoised, beside averaging and minimisation.

    python benchmarks/denoiser/accuracy.py data [--only Al,Fe] [--model metals] [--iterations 8] [--json
    accuracy.json]

`data` is the folder of crystals.py. Accuracy is the part of the atoms, in per cent, that get the structure
the crystal was built with; of a melt the part that is taken for any crystal is shown instead. Rock salt is
simple cubic to PTM, which sees all ions, and fcc to CNA, which sees the ions of one element; CNA of diamond
is OVITO's, which looks at second neighbours.
"""

import argparse
import json
import time
from pathlib import Path

import ase.io
import numpy as np
import torch
from ovito.io.ase import ase_to_ovito
from ovito.modifiers import IdentifyDiamondModifier

from openmm_scoredyn.crystals.classify import FIXED_CUTOFF, STRUCTURES, classify
from openmm_scoredyn.crystals.model import load_denoiser

CRYSTALS = ("fcc", "hcp", "bcc", "sc", "diamond")


def share(positions: np.ndarray, atoms: ase.Atoms, method: str, cutoff: float | None = None) -> float:
    """Per cent of the atoms in the structure they were built in; of a melt, in any crystal."""
    structure, symbols = atoms.info["structure"], np.array(atoms.symbols)
    if structure == "diamond" and method == "cna":
        return _diamond(positions, atoms)
    one_by_one = method != "ptm" and len(set(symbols)) > 1
    groups = [symbols == symbol for symbol in set(symbols)] if one_by_one else [np.ones(len(symbols), bool)]
    rock_salt = "fcc" if one_by_one else "sc"
    if one_by_one and cutoff:
        cutoff *= 2**0.5
    names = {"liquid": CRYSTALS, "rocksalt": (rock_salt,)}.get(structure, (structure,))
    wanted = [STRUCTURES.index(name) for name in names]
    right = [
        np.isin(classify(positions[group], atoms.cell[:], atoms.pbc, method, cutoff), wanted).sum()
        for group in groups
    ]
    return 100 * float(sum(right) / len(symbols))


def _diamond(positions: np.ndarray, atoms: ase.Atoms) -> float:
    moved = atoms.copy()
    moved.positions = positions
    data = ase_to_ovito(moved)
    data.apply(IdentifyDiamondModifier())
    found = np.asarray(data.particles["Structure Type"])
    return 100 * float((found == int(IdentifyDiamondModifier.Type.CUBIC_DIAMOND)).mean())


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
    raw, clean, seconds, done = [], [], [], []
    for atoms in thermal:
        start = time.perf_counter()
        elements = list(atoms.symbols) if model.card.elements else None
        result = model.denoise_frame(
            atoms.positions / 10, atoms.cell[:] / 10, iterations, elements=elements, periodic=atoms.pbc
        )
        seconds.append(time.perf_counter() - start)
        done.append(result.iterations)
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
        "iterations": float(np.mean(done)),
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


HEAD = (
    ("", "", "", *["raw"] * 3, *["**denoised**"] * 3, "averaged", "minimised"),
    ("", "of melting", "atoms", "CNA", "PTM", "PTM, best", "CNA", "PTM", "iterations", "CNA", "CNA"),
)


def as_line(row: dict) -> str:
    """A line of the table, Markdown."""
    raw, clean = row["raw"], row["denoised"]
    others = [f"{row[name]['cna']:.1f}" if name in row else "" for name in ("averaged", "minimised")]
    return (
        f"| {row['file'].split('-')[0]} {row['structure']} | {row['fraction']:.2f} | {row['frames']} x"
        f" {row['atoms']:,} | {raw['cna']:.1f} | {raw['ptm']:.1f} | {max(raw['ptm'], raw['ptm-any']):.1f} |"
        f" {clean['cna']:.2f} | {clean['ptm']:.2f} | {row['iterations']:g} | {others[0]} | {others[1]} |"
    )


def main() -> None:
    """All files of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="metals")
    parser.add_argument("--only", default="", help="default: all")
    parser.add_argument("--iterations", type=int, help="default: until atoms settle")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_denoiser(arguments.model)
    above, head = ("| " + " | ".join(titles) + " |" for titles in HEAD)
    print(above, "|---" * len(HEAD[0]) + "|", head, sep="\n")
    rows = []
    for path in sorted(arguments.data.glob("*.extxyz")):
        if arguments.only and path.stem.split("-")[0] not in arguments.only.split(","):
            continue
        rows.append(measure(path, model, arguments.iterations))
        print(as_line(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
