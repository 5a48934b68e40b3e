"""Glymes and LiTFSI: atoms, the force field as a topology of GROMACS, compositions of the boxes.

Ethers are OPLS-AA (Briggs, Matsui, Jorgensen, J. Comput. Chem. 11, 958, 1990; Jorgensen et al., J. Am. Chem.
Soc. 118, 11225, 1996), TFSI is that of Canongia Lopes and Padua (J. Phys. Chem. B 108, 16893, 2004), lithium
that of Aqvist (J. Phys. Chem. 94, 8021, 1990). Both Lennard-Jones parameters mix geometrically, as OPLS-AA
has it; interactions of atoms three bonds apart are halved. Charges of the ions are scaled by 0.75 for the
polarisability that such a force field lacks.
"""

from dataclasses import dataclass

import numpy as np

ION_CHARGE_SCALE = 0.75
HYDROGEN_MASS_AMU = 3.0
MASS_AMU = {"H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "S": 32.06, "Li": 6.94}

# Of each type: element, bonded type, charge (e), sigma (nm), epsilon (kJ/mol).
TYPES = {
    "OS": ("O", "OS", -0.40, 0.29, 0.58576),
    "C2": ("C", "CT", 0.14, 0.35, 0.276144),
    "C3": ("C", "CT", 0.11, 0.35, 0.276144),
    "HE": ("H", "HC", 0.03, 0.25, 0.12552),
    "CB": ("C", "CF", 0.35, 0.35, 0.27614),
    "SB": ("S", "SB", 1.02, 0.355, 1.046),
    "NB": ("N", "NB", -0.66, 0.325, 0.71128),
    "OB": ("O", "OB", -0.53, 0.315, 0.83736),
    "FB": ("F", "FB", -0.16, 0.3118, 0.2554),
    "LI": ("Li", "LI", 1.0, 0.2126, 0.07648),
}
# Length (nm) and force constant (kJ/mol/nm^2), angle (degrees) and its constant (kJ/mol/rad^2), and the first
# four coefficients of Ryckaert and Bellemans (kJ/mol; the others are 0), by bonded types.
BONDS = {
    ("CT", "CT"): (0.1529, 224262.4),
    ("CT", "HC"): (0.109, 284512.0),
    ("CT", "OS"): (0.141, 267776.0),
    ("CF", "FB"): (0.1323, 369800.0),
    ("CF", "SB"): (0.1818, 195000.0),
    ("OB", "SB"): (0.1437, 533100.0),
    ("NB", "SB"): (0.1570, 313700.0),
}
ANGLES = {
    ("CT", "CT", "HC"): (110.7, 313.8),
    ("CT", "CT", "OS"): (109.5, 418.4),
    ("HC", "CT", "HC"): (107.8, 276.144),
    ("HC", "CT", "OS"): (109.5, 292.88),
    ("CT", "OS", "CT"): (109.5, 502.08),
    ("FB", "CF", "FB"): (107.1, 781.0),
    ("FB", "CF", "SB"): (111.7, 694.0),
    ("OB", "SB", "OB"): (118.5, 969.0),
    ("CF", "SB", "OB"): (102.6, 870.0),
    ("NB", "SB", "OB"): (113.6, 789.0),
    ("CF", "SB", "NB"): (103.5, 764.0),
    ("SB", "NB", "SB"): (125.6, 671.0),
}


def _fourier(v1: float, v2: float, v3: float) -> tuple[float, float, float, float]:
    """Coefficients of Ryckaert and Bellemans of a Fourier series, kJ/mol."""
    return v2 + 0.5 * (v1 + v3), 0.5 * (-v1 + 3 * v3), -v2, -2 * v3


TORSIONS = {
    ("CT", "CT", "OS", "CT"): (1.71544, 2.84512, 1.046, -5.60656),
    ("CT", "OS", "CT", "HC"): (1.58992, 4.76976, 0.0, -6.35968),
    ("HC", "CT", "CT", "HC"): (0.6276, 1.8828, 0.0, -2.5104),
    ("HC", "CT", "CT", "OS"): (0.97905, 2.93716, 0.0, -3.91622),
    ("OS", "CT", "CT", "OS"): (-1.1506, 1.1506, 0.0, 0.0),
    ("FB", "CF", "SB", "OB"): _fourier(0, 0, 1.451),
    ("FB", "CF", "SB", "NB"): _fourier(0, 0, 1.322),
    ("OB", "SB", "NB", "SB"): _fourier(0, 0, -0.015),
    ("CF", "SB", "NB", "SB"): _fourier(32.773, -10.42, -3.195),
}


def parameters_of(table: dict, types: tuple[str, ...]) -> tuple[float, ...]:
    """Of bonded types, in either order."""
    return table[types] if types in table else table[types[::-1]]


@dataclass(frozen=True)
class Molecule:
    """Of one residue.

    Attributes
    ----------
    name : of the residue
    types : (N,) of `TYPES`
    bonds : (N - 1, 2), atom indices
    positions_nm : (N, 3), to be minimised
    """

    name: str
    types: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions_nm: np.ndarray

    @property
    def elements(self) -> tuple[str, ...]:
        return tuple(TYPES[kind][0] for kind in self.types)

    @property
    def atom_names(self) -> tuple[str, ...]:
        """Element and number, as C1, H2."""
        return tuple(f"{element}{number + 1}" for number, element in enumerate(self.elements))

    @property
    def charges(self) -> tuple[float, ...]:
        scale = 1.0 if self.name == "PEO" else ION_CHARGE_SCALE
        return tuple(scale * TYPES[kind][2] for kind in self.types)

    @property
    def masses_amu(self) -> tuple[float, ...]:
        """Hydrogens of 3 amu at the cost of their carbons."""
        masses = [MASS_AMU[element] for element in self.elements]
        for i, j in self.bonds:
            if "H" in (self.elements[i], self.elements[j]):
                heavy, hydrogen = (i, j) if self.elements[j] == "H" else (j, i)
                masses[heavy] -= HYDROGEN_MASS_AMU - masses[hydrogen]
                masses[hydrogen] = HYDROGEN_MASS_AMU
        return tuple(masses)

    @property
    def neighbours(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self.types]
        for i, j in self.bonds:
            found[i].append(j)
            found[j].append(i)
        return found


def glyme(units: int) -> Molecule:
    """CH3-O-(CH2-CH2-O)n-CH3, a carbon followed by its hydrogens, all-trans."""
    heavy = ["C3", "OS", *["C2", "C2", "OS"] * units, "C3"]
    types: list[str] = []
    bonds: list[tuple[int, int]] = []
    positions: list[tuple[float, float, float]] = []
    last = None
    for number, kind in enumerate(heavy):
        side = (-1) ** number
        here, x, y = len(types), 0.124 * number, 0.042 * side
        if last is not None:
            bonds.append((last, here))
        outward = -0.09 if number == 0 else 0.09
        places = [(x, y + 0.06 * side, 0.09), (x, y + 0.06 * side, -0.09), (x + outward, y - 0.03 * side, 0)]
        places = places[: {"C3": 3, "C2": 2, "OS": 0}[kind]]
        types += [kind, *["HE"] * len(places)]
        bonds += [(here, here + 1 + k) for k in range(len(places))]
        positions += [(x, y, 0.0), *places]
        last = here
    return Molecule("PEO", tuple(types), tuple(bonds), np.array(positions))


def tfsi() -> Molecule:
    """CF3-SO2-N-SO2-CF3, of charge -1 before scaling."""
    half = ("CB", "FB", "FB", "FB", "SB", "OB", "OB")
    one_half = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6)]
    bonds = [*one_half, (4, 7), (7, 10), *[(14 - j, 14 - i) for i, j in one_half]]
    left = np.array(
        [
            (-0.28, 0, 0),
            (-0.33, 0.12, 0),
            (-0.33, -0.06, 0.11),
            (-0.33, -0.06, -0.11),
            (-0.13, 0, 0),
            (-0.09, 0.09, 0.11),
            (-0.09, 0.04, -0.13),
        ]
    )
    right = left[::-1] * (-1, 1, 1)
    return Molecule(
        "TFS", (*half, "NB", *half[::-1]), tuple(bonds), np.concatenate([left, [(0, -0.09, 0)], right])
    )


def lithium() -> Molecule:
    return Molecule("LI", ("LI",), (), np.zeros((1, 3)))
