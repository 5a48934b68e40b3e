"""Torsions of amino acids by their names: chi of side chains, and phi and psi of the ends of a chain.

The names are those of IUPAC-IUB (1970); chi5 is that of arginine.
"""

from dataclasses import dataclass
from itertools import pairwise

from openmm_scoredyn.molecule.geometry import each_backbone
from openmm_scoredyn.molecule.particles import Particles

BACKBONE, SIDE_CHAIN = "backbone", "side chain"
# Atoms of each torsion by name; of names with strokes the first that the residue has.
_CHI = (
    ("N", "CA", "CB", "CG|CG1|OG|OG1|SG"),
    ("CA", "CB", "CG|CG1", "CD|CD1|OD1|ND1|SD"),
    ("CB", "CG", "CD|SD", "CE|NE|OE1"),
    ("CG", "CD", "CE|NE", "NZ|CZ"),
    ("CD", "NE", "CZ", "NH1"),
)


@dataclass(frozen=True)
class NamedTorsion:
    """A torsion of an amino acid.

    Attributes
    ----------
    atoms : four int
    name : with its residue, such as SER2 chi1
    part : BACKBONE or SIDE_CHAIN
    """

    atoms: tuple[int, ...]
    name: str
    part: str


def named_torsions(particles: Particles) -> dict[frozenset[int], NamedTorsion]:
    """Torsions of amino acids with atoms named as in PDB files, by the two atoms of the bond they turn
    about.
    """
    found, neighbours = {}, particles.neighbours
    for residue, phi, psi in each_backbone(particles):
        atoms = {
            name: atom
            for atom, (own, name) in enumerate(
                zip(particles.residue_indices, particles.atom_names, strict=True)
            )
            if own == residue
        }
        torsions = [(name, torsion, BACKBONE) for name, torsion in (("phi", phi), ("psi", psi)) if torsion]
        torsions += [(f"chi{k + 1}", torsion, SIDE_CHAIN) for k, torsion in enumerate(_chis(atoms))]
        label = f"{particles.residue_names[atoms['CA']]}{residue + 1}"
        for name, torsion, part in torsions:
            if all(b in neighbours[a] for a, b in pairwise(torsion)):
                found[frozenset(torsion[1:3])] = NamedTorsion(torsion, f"{label} {name}", part)
    return found


def _chis(atoms: dict[str, int]) -> list[tuple[int, ...]]:
    """chi1, chi2 and so on, as far as the side chain of these atoms reaches."""
    found: list[tuple[int, ...]] = []
    for names in _CHI:
        torsion = [[atoms[name] for name in place.split("|") if name in atoms] for place in names]
        if not all(torsion):
            break
        found.append(tuple(place[0] for place in torsion))
    return found
