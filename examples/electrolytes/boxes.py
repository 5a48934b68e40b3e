"""Compositions of the boxes, and their input for GROMACS."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from molecules import ANGLES, BONDS, TORSIONS, TYPES, Molecule, glyme, lithium, parameters_of, tfsi
from openmm import app

sys.path.append(str(Path(__file__).resolve().parents[1]))
from gromacs_calls import angles_and_torsions

# Chain length (repeating units), chains, pairs of ions. Training and held-out boxes are disjoint, for good:
# change nothing after a run.
TRAINING = {
    "eo04_10": (4, 34, 17),
    "eo04_40": (4, 40, 5),
    "eo08_10": (8, 20, 18),
    "eo08_20": (8, 20, 9),
    "eo25_20": (25, 8, 10),
    "eo25_40": (25, 8, 5),
}
HELD_OUT = {
    "eo12_20": (12, 16, 10),  # a length that training has not
    "eo08_40": (8, 22, 5),  # a content of salt that training has of other lengths
}


@dataclass(frozen=True)
class Composition:
    """Name, such as eo08_20: repeating units and oxygens to a lithium, rounded; numbers of molecules."""

    name: str
    units: int
    chains: int
    salt: int

    @classmethod
    def named(cls, name: str) -> "Composition":
        return cls(name, *(TRAINING | HELD_OUT)[name])

    @property
    def contents(self) -> list[tuple[Molecule, int]]:
        return [(glyme(self.units), self.chains), (tfsi(), self.salt), (lithium(), self.salt)]

    @property
    def mass_amu(self) -> float:
        return sum(number * sum(molecule.masses_amu) for molecule, number in self.contents)

    def topology(self) -> app.Topology:
        """A residue for each molecule, in the order of the box."""
        made = app.Topology()
        for molecule, number in self.contents:
            for _ in range(number):
                residue = made.addResidue(molecule.name, made.addChain())
                atoms = [
                    made.addAtom(name, app.Element.getBySymbol(element), residue)
                    for name, element in zip(molecule.atom_names, molecule.elements)
                ]
                for i, j in molecule.bonds:
                    made.addBond(atoms[i], atoms[j])
        return made


def topology_text(contents: list[tuple[Molecule, int]], title: str) -> str:
    """A .top file of molecules and their numbers."""
    kinds = [
        f"{kind} {bonded} 0 0.0 {charge} A {sigma} {epsilon}"
        for kind, (_, bonded, charge, sigma, epsilon) in TYPES.items()
    ]
    lines = ["[ defaults ]", "1 3 yes 0.5 0.5", "", "[ atomtypes ]", *kinds, ""]
    for molecule, _ in contents:
        lines += [*_molecule_lines(molecule), ""]
    lines += ["[ system ]", title, "", "[ molecules ]"]
    return "\n".join([*lines, *[f"{molecule.name} {number}" for molecule, number in contents], ""])


def _molecule_lines(molecule: Molecule) -> list[str]:
    """Of one [ moleculetype ]."""
    bonded = tuple(TYPES[kind][1] for kind in molecule.types)
    angles, torsions = angles_and_torsions(molecule.bonds, molecule.neighbours)
    atoms = zip(molecule.types, molecule.atom_names, molecule.charges, molecule.masses_amu)
    sections = {
        "atoms": [
            f"{i + 1} {kind} 1 {molecule.name} {name} {i + 1} {charge:.6f} {mass:.6f}"
            for i, (kind, name, charge, mass) in enumerate(atoms)
        ],
        "bonds": [_term(bonded, BONDS, bond, 1) for bond in molecule.bonds],
        "pairs": [f"{i + 1} {l + 1} 1" for i, _, _, l in torsions],
        "angles": [_term(bonded, ANGLES, angle, 1) for angle in angles],
        "dihedrals": [_term(bonded, TORSIONS, torsion, 3) for torsion in torsions],
    }
    found = ["[ moleculetype ]", f"{molecule.name} 3"]
    for name, entries in sections.items():
        found += [f"[ {name} ]", *entries] if entries else []
    return found


def _term(bonded: tuple[str, ...], table: dict, atoms: tuple[int, ...], function: int) -> str:
    """A line of bonded parameters; those of a torsion are filled up to six."""
    parameters = parameters_of(table, tuple(bonded[i] for i in atoms))
    if function == 3:
        parameters = (*parameters, 0.0, 0.0)
    return " ".join(map(str, [*(i + 1 for i in atoms), function, *parameters]))


def gro_text(molecule: Molecule, positions_nm: np.ndarray, box_nm: float = 1.0) -> str:
    """A .gro file of one molecule."""
    lines = [molecule.name, str(len(molecule.types))]
    for i, (name, (x, y, z)) in enumerate(zip(molecule.atom_names, positions_nm)):
        lines.append(f"{1:5d}{molecule.name:<5s}{name:>5s}{i + 1:5d}{x:8.3f}{y:8.3f}{z:8.3f}")
    return "\n".join([*lines, f"{box_nm:10.5f}" * 3, ""])


def bead_rules() -> dict[str, str | int]:
    """What becomes a bead: three heavy atoms of a chain, C-O-C; an ion."""
    return {"PEO": 3, "TFS": "residue", "LI": "residue"}
