"""GROMACS inputs and calls for an alkane in TIP3P water with GROMACS' own OPLS-AA files."""

import sys
from pathlib import Path

import numpy as np
from molecules import Alkane

sys.path.append(str(Path(__file__).resolve().parents[1]))
from gromacs_calls import (
    angles_and_torsions,
    box_vectors,
    gmx,
    mdp,
    mdrun,
    remove_parts,
    run_chunk,
    set_box,
    speed_ns_per_day,
    version,
)

__all__ = [
    "box_vectors",
    "gmx",
    "mdp",
    "mdrun",
    "remove_parts",
    "run_chunk",
    "set_box",
    "speed_ns_per_day",
    "version",
]

HYDROGEN_MASS_AMU = 3.0
TIMESTEP_PS = 0.004
TEMPERATURE_K = 300.0
_MASS_AMU = {"C": 12.011, "H": 1.008}
_CARBON_TYPES = ("opls_139", "opls_137", "opls_136", "opls_135")  # by the number of hydrogens
_CHARGE = {"opls_139": 0.0, "opls_137": -0.06, "opls_136": -0.12, "opls_135": -0.18, "opls_140": 0.06}

COMMON = {
    "cutoff-scheme": "Verlet",
    "nstlist": 20,
    "coulombtype": "PME",
    "rcoulomb": 0.8,
    "rvdw": 0.8,
    "vdw-modifier": "None",
    "DispCorr": "EnerPres",
    "fourierspacing": 0.12,
    "pme-order": 4,
    "constraints": "h-bonds",
    "lincs-order": 6,
    "nstcalcenergy": 100,
    "nstenergy": 1000,
    "nstlog": 0,
    "comm-mode": "None",
}
LANGEVIN = COMMON | {
    "integrator": "sd",
    "dt": TIMESTEP_PS,
    "tc-grps": "System",
    "tau-t": 1.0,
    "ref-t": TEMPERATURE_K,
}
VELOCITIES = {"gen-vel": "yes", "gen-temp": TEMPERATURE_K}
BAROSTAT = {"pcoupl": "C-rescale", "tau-p": 1.0, "ref-p": 1.0, "compressibility": 4.5e-5}


def topology(molecule: Alkane) -> str:
    """The .top file of a molecule: OPLS-AA types and charges, hydrogens of 3 amu; water is added by `gmx
    solvate`.
    """
    neighbours = molecule.neighbours
    atoms, masses = [], [_MASS_AMU[e] for e in molecule.elements]
    for i, j in molecule.bonds:
        if "H" in (molecule.elements[i], molecule.elements[j]):
            carbon, hydrogen = (i, j) if molecule.elements[i] == "C" else (j, i)
            masses[carbon] -= HYDROGEN_MASS_AMU - masses[hydrogen]
            masses[hydrogen] = HYDROGEN_MASS_AMU
    for i, (element, name) in enumerate(zip(molecule.elements, molecule.names)):
        hydrogens = sum(molecule.elements[k] == "H" for k in neighbours[i])
        kind = _CARBON_TYPES[hydrogens] if element == "C" else "opls_140"
        atoms.append(f"{i + 1} {kind} 1 ALK {name} {i + 1} {_CHARGE[kind]} {masses[i]:.6f}")
    angles, dihedrals = angles_and_torsions(molecule.bonds, neighbours)
    sections = {
        "atoms": atoms,
        "bonds": [f"{i + 1} {j + 1} 1" for i, j in molecule.bonds],
        "pairs": [f"{i + 1} {l + 1} 1" for i, _, _, l in dihedrals],
        "angles": [f"{i + 1} {j + 1} {k + 1} 1" for i, j, k in angles],
        "dihedrals": [f"{i + 1} {j + 1} {k + 1} {l + 1} 3" for i, j, k, l in dihedrals],
    }
    body = "\n".join(f"[ {name} ]\n" + "\n".join(lines) + "\n" for name, lines in sections.items() if lines)
    return f"""#include "oplsaa.ff/forcefield.itp"

[ moleculetype ]
ALK 3

{body}
#include "oplsaa.ff/tip3p.itp"

[ system ]
{molecule.name} in water

[ molecules ]
ALK 1
"""


def gro(molecule: Alkane) -> str:
    """The .gro file of the molecule alone."""
    lines = [molecule.name, str(len(molecule.elements))]
    for i, (name, (x, y, z)) in enumerate(zip(molecule.names, molecule.positions_nm)):
        lines.append(f"{1:5d}{'ALK':<5s}{name:>5s}{i + 1:5d}{x:8.3f}{y:8.3f}{z:8.3f}")
    return "\n".join([*lines, "   1.0 1.0 1.0", ""])


def box_width_nm(molecule: Alkane) -> float:
    """Distance of periodic images: the longest extent and 1.1 nm, at least 2.2 nm (OpenMM's rule for a
    padding of 1.1 nm).
    """
    radii = np.linalg.norm(molecule.positions_nm - molecule.positions_nm.mean(axis=0), axis=1)
    return max(2 * radii.max() + 1.1, 2.2)
