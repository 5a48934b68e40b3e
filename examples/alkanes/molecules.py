"""The alkanes of the data set: carbon skeletons, what they are for, how long each is simulated, and a first
structure.
"""

from dataclasses import dataclass

import numpy as np
from openmm import app

# Bonds between carbons. Training and held-out molecules are disjoint, for good: change nothing after a run.
TRAINING = {
    "ethane": ((0, 1),),
    "propane": ((0, 1), (1, 2)),
    "pentane": ((0, 1), (1, 2), (2, 3), (3, 4)),
    "hexane": ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5)),
    "heptane": ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)),
    "isobutane": ((0, 1), (1, 2), (1, 3)),
    "neopentane": ((0, 1), (1, 2), (1, 3), (1, 4)),
    "methylhexane": ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (1, 6)),  # 2-methylhexane
    "dimethylpentane": ((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (1, 6)),  # 2,2-dimethylpentane
}
HELD_OUT = {
    "butane": ((0, 1), (1, 2), (2, 3)),
    "octane": tuple((i, i + 1) for i in range(7)),
    "isopentane": ((0, 1), (1, 2), (2, 3), (1, 4)),
    "dimethylbutane": ((0, 1), (1, 2), (2, 3), (1, 4), (1, 5)),  # 2,2-dimethylbutane
    "decane": tuple((i, i + 1) for i in range(9)),
}
_CC_NM, _CH_NM = 0.1529, 0.109


@dataclass(frozen=True)
class Alkane:
    """Atoms of an alkane: each carbon is followed by its hydrogens.

    Attributes
    ----------
    elements, names : (N,) of "C" and "H"; "C1", "H11", "H12", ...
    bonds : (N - 1, 2), atom indices
    positions_nm : (N, 3), tetrahedral angles, staggered, every unbranched chain all-trans
    """

    name: str
    elements: tuple[str, ...]
    names: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions_nm: np.ndarray

    @property
    def neighbours(self) -> list[list[int]]:
        """Bonded atoms of each atom."""
        found = [[] for _ in self.elements]
        for i, j in self.bonds:
            found[i].append(j)
            found[j].append(i)
        return found

    def topology(self) -> app.Topology:
        """As one residue, ALK."""
        made = app.Topology()
        residue = made.addResidue("ALK", made.addChain())
        atoms = [
            made.addAtom(name, app.Element.getBySymbol(element), residue)
            for name, element in zip(self.names, self.elements)
        ]
        for i, j in self.bonds:
            made.addBond(atoms[i], atoms[j])
        return made


def alkane(name: str) -> Alkane:
    """The alkane of this name, with a first structure."""
    skeleton = (TRAINING | HELD_OUT)[name]
    carbons = 1 + max(max(bond) for bond in skeleton)
    hydrogens = [4 - sum(c in bond for bond in skeleton) for c in range(carbons)]
    first = np.cumsum([0] + [1 + h for h in hydrogens])
    elements, names, bonds = [], [], [(int(first[i]), int(first[j])) for i, j in skeleton]
    for c in range(carbons):
        elements += ["C"] + ["H"] * hydrogens[c]
        names += [f"C{c + 1}"] + [f"H{c + 1}{'abc'[h]}" for h in range(hydrogens[c])]
        bonds += [(int(first[c]), int(first[c]) + 1 + h) for h in range(hydrogens[c])]
    positions = _grow(elements, bonds)
    return Alkane(name, tuple(elements), tuple(names), tuple(bonds), positions)


def _grow(elements, bonds) -> np.ndarray:
    """Tetrahedral positions (N, 3), nm, grown from atom 0; an atom's first neighbour goes anti to the atom
    before.
    """
    positions = np.full((len(elements), 3), np.nan)
    positions[0] = 0
    neighbours = [[] for _ in elements]
    for i, j in bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    waiting = [(0, None, np.array([1.0, 0, 0]), np.array([0.0, 1.0, 0]))]
    while waiting:
        atom, parent, back, side = waiting.pop(0)
        children = sorted((k for k in neighbours[atom] if k != parent), key=lambda k: elements[k] != "C")
        directions = _tetrahedron(back, side)
        for child, direction in zip(children, directions if parent is not None else [back, *directions]):
            length = _CC_NM if elements[child] == elements[atom] == "C" else _CH_NM
            positions[child] = positions[atom] + length * direction
            # Seen from the child, its parent lies along -direction; anti to `back`, or to any other bond, is
            # staggered.
            reference = back if parent is not None or child != children[0] else directions[0]
            waiting.append((child, atom, -direction, -reference))
    return positions - positions.mean(axis=0)


def _tetrahedron(back: np.ndarray, side: np.ndarray) -> list[np.ndarray]:
    """Three unit vectors at tetrahedral angles to `back` and to each other, the first in the half plane of
    `side`.
    """
    u = side - (side @ back) * back
    u /= np.linalg.norm(u)
    v = np.cross(back, u)
    azimuths = (0, 2 * np.pi / 3, -2 * np.pi / 3)
    return [-back / 3 + np.sqrt(8) / 3 * (np.cos(a) * u + np.sin(a) * v) for a in azimuths]
