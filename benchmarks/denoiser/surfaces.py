"""Structure counts of crystals with free surfaces, cold and hot: raw, and denoised by one model or several.

    python benchmarks/denoiser/surfaces.py [--models metals,other.pt] [--only particle] [--json surfaces.json]

Particles are truncated octahedra. Hot copper is Langevin dynamics with ASE's effective-medium theory, 2 ps at
600 K (particles of 147 atoms and less: 300 K) from the perfect crystal; iron and magnesium have no such
potential, their atoms are displaced by Gaussian noise of 0.06 nearest-neighbour distances per coordinate. The
structure an atom was built with is what CNA finds in the perfect crystal; the table counts the atoms that are
crystalline there, and how many of them have that structure in the raw and in the denoised frames. Lost are
atoms that the raw frame shows as built and the denoised one does not: there should be none.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import ase.build
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron, Octahedron
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from openmm_scoredyn.crystals.classify import classify
from openmm_scoredyn.crystals.model import load_denoiser

NOISE = 0.06
COPPER, IRON = 3.61, 2.87


def objects() -> dict[str, Atoms]:
    """What is looked at, perfect, by name; lengths in Angstrom."""
    made = {
        f"Cu particle, {len(atoms)} atoms": atoms
        for atoms in (
            Octahedron("Cu", 3, 1),
            Octahedron("Cu", 6, 1),
            Octahedron("Cu", 10, 3),
            Octahedron("Cu", 16, 5),
        )
    }
    made["Cu icosahedron, 147 atoms"] = Icosahedron("Cu", 4, COPPER)
    for face, build, size in (
        ("100", ase.build.fcc100, (6, 6, 8)),
        ("110", ase.build.fcc110, (5, 6, 10)),
        ("111", ase.build.fcc111, (6, 6, 8)),
    ):
        made[f"Cu fcc slab ({face})"] = build("Cu", size, a=COPPER, vacuum=8.0, orthogonal=True)
    made["Fe bcc slab (100)"] = ase.build.bcc100("Fe", (6, 6, 9), a=IRON, vacuum=8.0, orthogonal=True)
    made["Fe bcc slab (110)"] = ase.build.bcc110("Fe", (6, 6, 8), a=IRON, vacuum=8.0, orthogonal=True)
    made["Mg hcp slab (0001)"] = ase.build.hcp0001(
        "Mg", (6, 6, 8), a=3.2, c=3.2 * (8 / 3) ** 0.5, vacuum=8.0, orthogonal=True
    )
    wire = ase.build.bulk("Cu", cubic=True, a=COPPER).repeat((8, 8, 6))
    centre = wire.cell[:].sum(axis=0)[:2] / 2
    wire = wire[np.linalg.norm(wire.positions[:, :2] - centre, axis=1) < 9.5]
    wire.pbc = (False, False, True)
    made["Cu wire along [001]"] = wire
    for name, size, symbol, lattice in (("Cu", COPPER, "Cu", "fcc"), ("Fe", IRON, "Fe", "bcc")):
        block = ase.build.bulk(symbol, lattice, cubic=True, a=size).repeat(7)
        centre = block.cell[:].sum(axis=0) / 2 + 0.3
        made[f"{name} {lattice} with a void"] = block[np.linalg.norm(block.positions - centre, axis=1) > 5.5]
    for atoms in made.values():
        atoms.calc = None
    return made


def heat(atoms: Atoms, temperature_K: float, picoseconds: float = 2.0) -> Atoms:
    """The same atoms after Langevin dynamics with effective-medium theory."""
    hot = atoms.copy()
    hot.calc = EMT()
    generator = np.random.default_rng(1)
    MaxwellBoltzmannDistribution(hot, temperature_K=2 * temperature_K, rng=generator)
    dynamics = Langevin(hot, 5 * units.fs, temperature_K=temperature_K, friction=0.02, rng=generator)
    dynamics.run(int(200 * picoseconds))
    hot.calc = None
    return hot


def shake(atoms: Atoms, spacing: float) -> Atoms:
    """The same atoms with Gaussian noise."""
    hot = atoms.copy()
    hot.positions += NOISE * spacing * np.random.default_rng(1).normal(size=hot.positions.shape)
    return hot


def structures(positions: np.ndarray, atoms: Atoms) -> np.ndarray:
    """CNA of every atom; OVITO wants a cell even of a particle."""
    cell = atoms.cell[:] if atoms.cell.rank == 3 else np.diag(np.ptp(positions, axis=0) + 20)
    return classify(positions, cell, atoms.pbc, "cna")


def measure(name: str, frame: str, atoms: Atoms, perfect: Atoms, models: dict) -> dict:
    """One frame: counts raw and by each model."""
    built, raw = structures(perfect.positions, perfect), structures(atoms.positions, atoms)
    crystalline = built > 0
    row = {
        "name": name,
        "frame": frame,
        "atoms": len(atoms),
        "built": int(crystalline.sum()),
        "raw": {"crystalline": int((raw > 0).sum()), "as built": int((raw == built)[crystalline].sum())},
    }
    for label, model in models.items():
        clean = model.denoise_frame(atoms.positions / 10, atoms.cell[:] / 10, periodic=atoms.pbc)
        positions = 10 * clean.positions
        found = structures(positions, atoms)
        lost = crystalline & (raw == built) & (found != built)
        row[label] = {
            "crystalline": int((found > 0).sum()),
            "as built": int((found == built)[crystalline].sum()),
            "lost": int(lost.sum()),
            "spacing": 10 * clean.spacing_nm,
            "moved": 10 * clean.moved_nm,
            "moved most": float(np.linalg.norm(positions - atoms.positions, axis=1).max()),
            "iterations": clean.iterations,
        }
    return row


def frames(folder: Path | None, only: str) -> Iterator[tuple[str, str, Atoms, Atoms]]:
    """Name, temperature, frame and perfect crystal of all that is looked at; the folder keeps hot frames."""
    for name, perfect in objects().items():
        if only not in name:
            continue
        yield name, "0 K", perfect, perfect
        if perfect.symbols[0] == "Cu":
            temperature = 300 if len(perfect) < 150 else 600
            hot = kept(folder, f"{name}-{temperature}", lambda p=perfect, t=temperature: heat(p, t))
            yield name, f"{temperature} K", hot, perfect
        else:
            spacing = perfect.get_all_distances(mic=True)[0, 1:].min()
            yield name, f"noise {NOISE}", shake(perfect, spacing), perfect


def kept(folder: Path | None, name: str, make) -> Atoms:
    """What `make` gives, from the folder where it lies already."""
    import ase.io

    if folder is None:
        return make()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name.replace(" ", "_").replace(",", "") + ".traj")
    if not path.exists():
        ase.io.write(path, make())
    return ase.io.read(path)


def as_line(row: dict, labels: list[str]) -> str:
    """A line of the table, Markdown."""
    cells = [row["name"], row["frame"], f"{row['atoms']:,}", row["built"], row["raw"]["as built"]]
    for label in labels:
        found = row[label]
        cells += [found["as built"], found["lost"], f"{found['spacing']:.3f}", f"{found['moved most']:.2f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """All objects, cold and hot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="metals", help="names or paths, by commas")
    parser.add_argument("--only", default="", help="part of a name; default: all")
    parser.add_argument("--hot", type=Path, help="folder in which the hot frames are kept")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    labels = arguments.models.split(",")
    models = {label: load_denoiser(label) for label in labels}
    columns = ["", "", "atoms", "crystalline", "raw: as built"]
    for label in labels:
        columns += [f"{Path(label).stem}: as built", "lost", "spacing, A", "moved most, A"]
    print("| " + " | ".join(columns) + " |", "|---" * len(columns) + "|", sep="\n")
    rows = []
    for name, frame, atoms, perfect in frames(arguments.hot, arguments.only):
        rows.append(measure(name, frame, atoms, perfect, models))
        print(as_line(rows[-1], labels), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
