"""A periodic box: copies of the solute first, then the water around them."""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.atomic import write_atomically
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.reference.copies import cell_edge, contact_distance, lattice, random_rotation
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.system import add_solvent

_ION_ELEMENTS = {"NA": "Na", "CL": "Cl"}  # what Modeller neutralises with


@dataclass(frozen=True, eq=False)
class SolvatedBox:
    """Solute and water in a periodic box.

    Attributes
    ----------
    positions : (M, 3) float64, nm; the copies of the solute first
    vectors : (3, 3) float64, nm, of the box
    residues : names of the residues after the solute, water and ions
    copies : of the solute
    contact_nm : nm, centres of copies nearer than this repel each other
    """

    positions: np.ndarray
    vectors: np.ndarray
    residues: tuple[str, ...]
    copies: int
    contact_nm: float

    def topology(self, solute):
        """The Topology of everything, from that of one solute."""
        from openmm import Vec3, app, unit

        whole = app.Topology()
        for _ in range(self.copies):
            _append(whole, solute)
        chain = whole.addChain()
        for name in self.residues:
            _add_solvent(whole, chain, name)
        whole.setPeriodicBoxVectors([Vec3(*map(float, vector)) for vector in self.vectors] * unit.nanometer)
        return whole

    def equals(self, other: "SolvatedBox") -> bool:
        """Whether another box is the same to the last bit."""
        return (self.residues, self.copies, self.contact_nm) == (
            other.residues,
            other.copies,
            other.contact_nm,
        ) and all(
            np.array_equal(own, its)
            for own, its in ((self.positions, other.positions), (self.vectors, other.vectors))
        )

    def save(self, path: Path) -> None:
        """Write as npz, atomically."""
        write_atomically(
            path,
            lambda file: np.savez(
                file,
                positions_nm=self.positions,
                vectors_nm=self.vectors,
                residues=np.array(self.residues),
                copies=self.copies,
                contact_nm=self.contact_nm,
            ),
        )

    @classmethod
    def load(cls, path: Path) -> "SolvatedBox":
        """Inverse of `save`.

        Raises
        ------
        TrajectoryError
            If the file is not readable.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(
                    stored["positions_nm"],
                    stored["vectors_nm"],
                    tuple(map(str, stored["residues"])),
                    int(stored["copies"]),
                    float(stored["contact_nm"]),
                )
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TrajectoryError(
                f"simulate: the box in {path} cannot be read ({error}); expected what `scoredyn simulate`"
                " wrote; delete it to make it again."
            ) from None


def solvate(solute, positions: np.ndarray, physics: Physics, copies: int, seed: int) -> SolvatedBox:
    """Put water around the solute: a truncated octahedron around one, a box of cells for several.

    Parameters
    ----------
    solute : openmm.app.Topology of one solute
    positions : (N, 3), nm
    copies : number of solutes; each gets as much water as one alone, and an orientation of its own
    seed : of the orientations
    """
    from openmm import Vec3, app, unit

    positions = positions - positions.mean(0)
    radius = float(np.linalg.norm(positions, axis=1).max())
    width = max(2 * radius + physics.padding_nm, 2 * physics.padding_nm)
    contact = contact_distance(radius)
    whole, placed = app.Topology(), positions
    for _ in range(copies):
        _append(whole, solute)
    if copies == 1:
        vectors = np.array(
            [[1, 0, 0], [1 / 3, math.sqrt(8) / 3, 0], [-1 / 3, math.sqrt(2) / 3, math.sqrt(6) / 3]]
        )
        vectors *= width
    else:
        sites, extent = lattice(copies, cell_edge(width, contact))
        generator = np.random.default_rng([seed, copies])
        placed = np.concatenate([positions @ random_rotation(generator).T + site for site in sites])
        vectors = np.diag(extent)
    modeller = app.Modeller(whole, placed * unit.nanometer)
    add_solvent(
        modeller,
        physics,
        boxVectors=[Vec3(*map(float, vector)) for vector in vectors] * unit.nanometer,
    )
    filled = np.array(modeller.positions.value_in_unit(unit.nanometer), dtype=float)
    residues = list(modeller.topology.residues())[copies * solute.getNumResidues() :]
    return SolvatedBox(filled, vectors, tuple(residue.name for residue in residues), copies, contact)


def _append(whole, solute) -> None:
    """Add the chains, atoms and bonds of a Topology to another."""
    new = {}
    for chain in solute.chains():
        own_chain = whole.addChain()
        for residue in chain.residues():
            own = whole.addResidue(residue.name, own_chain, residue.id, residue.insertionCode)
            for atom in residue.atoms():
                new[atom] = whole.addAtom(atom.name, atom.element, own)
    for first, second in solute.bonds():
        whole.addBond(new[first], new[second])


def _add_solvent(whole, chain, name: str) -> None:
    from openmm.app import Element

    residue = whole.addResidue(name, chain)
    if name != "HOH":
        whole.addAtom(name, Element.getBySymbol(_ION_ELEMENTS[name]), residue)
        return
    oxygen, *hydrogens = [
        whole.addAtom(atom, Element.getBySymbol(atom[0]), residue) for atom in ("O", "H1", "H2")
    ]
    for hydrogen in hydrogens:
        whole.addBond(oxygen, hydrogen)
