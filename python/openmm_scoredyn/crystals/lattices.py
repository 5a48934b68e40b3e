"""Ideal lattices, scaled so that nearest neighbours are one apart."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.crystals.neighbours import closest_distances
from openmm_scoredyn.errors import LatticeError, MissingDependencyError

# Narrower cells would show an atom its own images, and with them its own noise.
NARROWEST = 4.1

# Built by ASE with any element and lattice constant: only the shape matters.
_BULK = {
    "fcc": {"name": "Cu", "crystalstructure": "fcc", "a": 1.0, "cubic": True},
    "bcc": {"name": "Fe", "crystalstructure": "bcc", "a": 1.0, "cubic": True},
    "hcp": {"name": "Mg", "crystalstructure": "hcp", "a": 1.0, "covera": (8 / 3) ** 0.5},
    "sc": {"name": "Po", "crystalstructure": "sc", "a": 1.0},
    "diamond": {"name": "C", "crystalstructure": "diamond", "a": 1.0, "cubic": True},
    "NaCl": {"name": "NaCl", "crystalstructure": "rocksalt", "a": 1.0, "cubic": True},
    "CsCl": {"name": "CsCl", "crystalstructure": "cesiumchloride", "a": 1.0, "cubic": True},
    "ZnS": {"name": "ZnS", "crystalstructure": "zincblende", "a": 1.0, "cubic": True},
}
NAMES = (*_BULK, "quartz")


@dataclass(frozen=True, eq=False)
class Lattice:
    """A periodic piece of an ideal lattice.

    Attributes
    ----------
    name : str
    positions : (N, 3) float64, in nearest-neighbour distances
    cell : (3, 3) float64, rows are the vectors, same unit
    elements : tuple of str, (N,); empty strings where all atoms count as alike
    periodic : three bools, which vectors of the cell repeat
    """

    name: str
    positions: np.ndarray
    cell: np.ndarray
    elements: tuple[str, ...]
    periodic: tuple[bool, bool, bool] = (True, True, True)


def read_lattice(source, narrowest: float = NARROWEST) -> Lattice:
    """A lattice from its name, a structure file or an ASE structure, repeated until it is wide enough.

    Parameters
    ----------
    source : one of `NAMES`, path of a file that ASE reads (cif), or ase.Atoms with a periodic cell
    narrowest : least distance between opposite faces, in nearest-neighbour distances

    Raises
    ------
    LatticeError
        If it is no lattice: unknown name, unreadable file, no cell.
    """
    crystal = unit_cell(source)
    counts = repetitions(crystal.cell, narrowest)
    shifts = np.array(list(np.ndindex(*counts))) @ crystal.cell
    positions = (crystal.positions[None] + shifts[:, None]).reshape(-1, 3)
    return Lattice(crystal.name, positions, counts[:, None] * crystal.cell, crystal.elements * len(shifts))


def unit_cell(source) -> Lattice:
    """The cell of a lattice as it is stored, not repeated; arguments and errors as `read_lattice`."""
    name, atoms = _atoms(source)
    if not atoms.pbc.all() or atoms.cell.rank < 3 or len(atoms) == 0:
        raise LatticeError(
            f"read_lattice: {name} is not periodic in three directions; expected a cell of three vectors,"
            f" found {atoms.cell.rank} and {len(atoms)} atoms; give the unit cell of a crystal."
        )
    cell = np.asarray(atoms.cell[:])
    spacing = float(closest_distances(atoms.positions, cell, (True,) * 3).min())
    alike = len(set(atoms.symbols)) == 1
    elements = ("",) * len(atoms) if alike else tuple(atoms.symbols)
    return Lattice(name, atoms.positions / spacing, cell / spacing, elements)


def repetitions(cell: np.ndarray, narrowest: float = NARROWEST) -> np.ndarray:
    """How often (3,) each vector of a cell (3, 3) is to be repeated to make it that wide."""
    return np.ceil(narrowest / face_distances(cell) - 1e-9).astype(int)


def face_distances(cell: np.ndarray) -> np.ndarray:
    """Distances (3,) between opposite faces of a cell (3, 3) of row vectors."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _atoms(source):
    ase_atoms, bulk, read = _ase()
    if isinstance(source, ase_atoms):
        return source.get_chemical_formula(), source
    if source in _BULK:
        return source, bulk(**_BULK[source])
    if source == "quartz":
        return source, _quartz()
    path = Path(source)
    if not path.is_file():
        raise LatticeError(
            f"read_lattice: unknown lattice; expected one of {', '.join(NAMES)} or a structure file, found"
            f" {source!s}; name one of them, or check the path."
        )
    try:
        return path.stem, read(path)
    except Exception as error:  # every format of ASE has errors of its own
        raise LatticeError(
            f"read_lattice: cannot read {path}; expected a structure file that ASE reads, found "
            f"{type(error).__name__}: {str(error)[:80]}; check the file."
        ) from error


def _quartz():
    """beta-quartz, P6_2 22: Si 3c, O 6j with x = 0.2072 (Wright and Lehmann 1981), a = 4.9977, c = 5.4601
    Angstrom.
    """
    from ase.spacegroup import crystal

    return crystal(
        ("Si", "O"),
        basis=[(0.5, 0.0, 0.0), (0.2072, 0.4144, 0.5)],
        spacegroup=180,
        cellpar=[4.9977, 4.9977, 5.4601, 90, 90, 120],
    )


def _ase():
    try:
        from ase import Atoms
        from ase.build import bulk
        from ase.io import read
    except ImportError:
        raise MissingDependencyError(
            "read_lattice: lattices are built with ASE, which is not installed; expected ase, found none; "
            "install it with pip install 'openmm-scoredyn[denoise]'."
        ) from None
    return Atoms, bulk, read
