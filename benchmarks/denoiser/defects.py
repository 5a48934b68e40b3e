"""Defects in hot aluminium, counted after a quench (energy minimisation), in a time average, and after
denoising.

    python benchmarks/denoiser/defects.py --potentials POTENTIALS --out defects [--model metals] [--json
    defects.json]

Potential and engine are those of crystals.py. Each crystal is relaxed, heated to 0.6 of melting for 2 ps (the
vacancy also to 0.95, the dislocations to 0.4 and 0.8) and then cleaned from the same frame; the average is
over the picosecond after it. Vacancies and interstitials are counted by Wigner-Seitz cells, dislocations by
OVITO's DXA, the rest by adaptive CNA. Dislocations: length of perfect lines (1/2<110>) and of Shockley
partials (1/6<112>); a perfect line that has split counts twice, as two partials, so the length of Burgers
vector 1/2<110> is that of the perfect lines and half of the partials'.
"""

import argparse
import json
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from ase.build import bulk
from ase.lattice.cubic import FaceCenteredCubic
from crystals import average, dynamics, frame, place, start_lammps
from ovito.io.ase import ase_to_ovito
from ovito.modifiers import DislocationAnalysisModifier, WignerSeitzAnalysisModifier
from ovito.pipeline import StaticSource
from substances import SUBSTANCES

from openmm_scoredyn.crystals.classify import classify, count
from openmm_scoredyn.crystals.model import load_denoiser

LATTICE_CONSTANT = 4.05
ALUMINIUM = SUBSTANCES["Al"]


def perfect() -> ase.Atoms:
    """2,048 atoms of fcc aluminium."""
    return bulk("Al", "fcc", a=LATTICE_CONSTANT, cubic=True).repeat(8)


def vacancy() -> ase.Atoms:
    """One atom taken out."""
    atoms = perfect()
    del atoms[1000]
    return atoms


def interstitial() -> ase.Atoms:
    """One atom split into a dumbbell along [100]."""
    atoms = perfect()
    position = atoms.positions[1000].copy()
    shift = np.array([0.3 * LATTICE_CONSTANT, 0, 0])
    atoms.positions[1000] = position + shift
    atoms.append("Al")
    atoms.positions[-1] = position - shift
    return atoms


def stacking_fault() -> ase.Atoms:
    """An intrinsic stacking fault: one (111) layer left out, ABCABCAB|ABC..., seen by CNA as two layers of
    hcp.
    """
    atoms = FaceCenteredCubic(
        directions=[[1, -1, 0], [1, 1, -2], [1, 1, 1]],
        size=(9, 5, 5),
        symbol="Al",
        latticeconstant=LATTICE_CONSTANT,
        pbc=True,
    )
    spacing = LATTICE_CONSTANT / 3**0.5
    layers = np.rint((atoms.positions[:, 2] - atoms.positions[:, 2].min()) / spacing).astype(int)
    del atoms[layers == layers.max()]
    cell = atoms.cell[:].copy()
    cell[2, 2] -= spacing
    atoms.set_cell(cell)
    return atoms


def grain_boundary() -> ase.Atoms:
    """Two symmetric tilt boundaries, Sigma 5 (310)[001]."""
    grain = FaceCenteredCubic(
        directions=[[3, 1, 0], [-1, 3, 0], [0, 0, 1]],
        size=(3, 3, 5),
        symbol="Al",
        latticeconstant=LATTICE_CONSTANT,
        pbc=True,
    )
    other = grain.copy()
    other.positions[:, 0] *= -1
    other.positions[:, 0] -= other.positions[:, 0].min()
    grain.positions[:, 0] -= grain.positions[:, 0].min()
    length = grain.cell[0, 0]
    other.positions[:, 0] += length
    both = grain + other
    both.set_cell([2 * length, grain.cell[1, 1], grain.cell[2, 2]])
    both.pbc = True
    close = np.argwhere(np.triu(both.get_all_distances(mic=True) < 0.6 * LATTICE_CONSTANT / 2**0.5, 1))
    del both[sorted({int(second) for _, second in close})]
    return both


def dislocation() -> ase.Atoms:
    """Two edge dislocations of opposite sign: half of two neighbouring (220) layers taken out of the middle
    of the crystal.
    """
    atoms = FaceCenteredCubic(
        directions=[[1, 1, 0], [-1, 1, 1], [1, -1, 2]],
        size=(20, 10, 2),
        symbol="Al",
        latticeconstant=LATTICE_CONSTANT,
        pbc=True,
    )
    burgers = LATTICE_CONSTANT / 2**0.5
    x, y = (atoms.positions[:, axis] / atoms.cell[axis, axis] for axis in (0, 1))
    half = (y > 0.27) & (y < 0.73)
    across = (x - 0.5) * atoms.cell[0, 0]
    gone = half & (across > -burgers / 2 - 0.01) & (across < burgers / 2 - 0.01)
    # The rest of these layers closes the gap, and stretches over the length of the crystal.
    side = np.where(x < 0.5, 1.0, -1.0)
    atoms.positions[half, 0] += (side * burgers * np.minimum(x, 1 - x))[half]
    del atoms[gone]
    return atoms


DEFECTS = {
    "vacancy": (vacancy, 0.6),
    "vacancy near melting": (vacancy, 0.95),
    "interstitial": (interstitial, 0.6),
    "stacking fault": (stacking_fault, 0.6),
    "grain boundary": (grain_boundary, 0.6),
    "dislocations": (dislocation, 0.6),
    "dislocations colder": (dislocation, 0.4),
    "dislocations hotter": (dislocation, 0.8),
}


def simulate(atoms: ase.Atoms, fraction: float, potentials: Path) -> tuple[ase.Atoms, ...]:
    """The hot frame, the same quenched, and the average of the dynamics after it."""
    temperature = fraction * ALUMINIUM.melting_K
    data = potentials.parent / "defect.data"
    ase.io.write(data, atoms, format="lammps-data", atom_style="charge")
    engine = start_lammps()
    engine.commands_string(
        f"""
        units metal
        timestep {ALUMINIUM.timestep_fs / 1000}
        atom_style charge
        atom_modify map array
        read_data {data}
        {ALUMINIUM.commands(potentials)}
        minimize 0 1e-3 200 400
        reset_timestep 0
        velocity all create {2 * temperature} 815 dist gaussian
        """
    )
    dynamics(engine, ALUMINIUM, temperature, 2.0)
    hot = frame(engine, ALUMINIUM.symbols)
    mean = average(engine, ALUMINIUM, temperature)
    place(engine, hot)
    engine.command("minimize 0 1e-4 1000 2000")
    return hot, frame(engine, ALUMINIUM.symbols), mean


def find(atoms: ase.Atoms, defect: str) -> dict:
    """What is counted of a defect."""
    found = count(classify(atoms.positions, atoms.cell[:], atoms.pbc))
    counts = {name: found.get(name, 0) for name in ("fcc", "hcp", "other")}
    if defect.startswith(("vacancy", "interstitial")):
        reference = perfect()
        reference.set_cell(atoms.cell, scale_atoms=True)
        counts |= wigner_seitz(atoms, reference)
    if defect.startswith("dislocations"):
        data = ase_to_ovito(atoms)
        data.apply(DislocationAnalysisModifier())
        for key, family in (("perfect, A", "1/2<110>"), ("partials, A", "1/6<112>")):
            counts[key] = round(float(data.attributes[f"DislocationAnalysis.length.{family}"]), 1)
    return counts


def wigner_seitz(atoms: ase.Atoms, reference: ase.Atoms) -> dict:
    """Empty and doubly filled cells of a perfect crystal laid over the atoms as well as can be."""
    phases = np.exp(2j * np.pi * atoms.get_scaled_positions() * 16).mean(axis=0)
    shift = np.angle(phases) / (2 * np.pi * 16)
    reference.positions += shift @ atoms.cell[:]
    modifier = WignerSeitzAnalysisModifier(reference=StaticSource(data=ase_to_ovito(reference)))
    data = ase_to_ovito(atoms)
    data.apply(modifier)
    return {
        "vacancies": int(data.attributes["WignerSeitz.vacancy_count"]),
        "interstitials": int(data.attributes["WignerSeitz.interstitial_count"]),
    }


def main() -> None:
    """All defects."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--potentials", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("defects"))
    parser.add_argument("--model", default="metals")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = load_denoiser(arguments.model)
    results = {}
    for name, (build, fraction) in DEFECTS.items():
        path = arguments.out / f"{name.replace(' ', '-')}.extxyz"
        if not path.exists():
            ase.io.write(path, simulate(build(), fraction, arguments.potentials.absolute()))
        hot, quenched, mean = ase.io.read(path, ":")
        ways = {"raw": hot, "quenched": quenched, "averaged": mean}
        for iterations in (None, 3, 8):
            result = model.denoise_frame(hot.positions / 10, hot.cell[:] / 10, iterations)
            clean = hot.copy()
            clean.positions = 10 * result.positions
            ways[f"denoised, {result.iterations} iterations{'' if iterations else ' (default)'}"] = clean
        results[name] = {way: find(atoms, name) for way, atoms in ways.items()}
        print(f"{name} at {fraction} of melting, {len(hot)} atoms")
        for way, counts in results[name].items():
            print(f"    {way}: {counts}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
