"""Single chains of four kinds of beads, implicit solvent, reduced units (mass, sigma, kT = 1): model and
sequences.

A stand-in for the polymers of Webb et al., Sci. Adv. 6, eabc6216 (2020), whose parameters are not published
in full: the same kind of system, with parameters of our own. Ten constitutional units: a backbone bead (B1
flexible, B2 stiff) with a side chain of none, S1, S2, S1-S1 or S2-S2; S1 attracts itself (poor solvent), S2
repels itself (good solvent).
"""

from dataclasses import dataclass

import numpy as np

TYPES = ("B1", "B2", "S1", "S2")
UNITS = tuple((backbone, side) for backbone in (0, 1) for side in ((), (2,), (3,), (2, 2), (3, 3)))
# Lennard-Jones depths, kT, cut at 2.5 sigma and shifted; 0: the repulsive part alone, of depth 1 kT.
EPSILON = np.array(
    [
        [0.30, 0.30, 0.45, 0.20],
        [0.30, 0.30, 0.45, 0.20],
        [0.45, 0.45, 1.00, 0.20],
        [0.20, 0.20, 0.20, 0.00],
    ]
)
CUTOFF = 2.5
BOND_CONSTANT, BOND_LENGTH = 400.0, 1.0  # U = k / 2 (r - r0)^2
BENDING = (0.0, 3.0)  # U = k (1 + cos(theta)) of backbone angles centred on B1, B2
DAMPING, TIMESTEP = 1.0, 0.01  # tau


@dataclass(frozen=True)
class Chain:
    """A chain: beads in the order of growth, each unit's backbone bead followed by its side chain.

    Attributes
    ----------
    units : indices into UNITS
    types : (N,) indices into TYPES
    bonds : (N - 1, 2)
    angles : (A, 4): three backbone beads and the type of the middle one
    """

    units: tuple[int, ...]
    types: np.ndarray
    bonds: np.ndarray
    angles: np.ndarray


def chain(units) -> Chain:
    """The chain of a sequence of constitutional units."""
    types, bonds, backbone = [], [], []
    for unit in units:
        kind, side = UNITS[unit]
        if backbone:
            bonds.append((backbone[-1], len(types)))
        backbone.append(len(types))
        types.append(kind)
        for bead in side:
            bonds.append((len(types) - 1, len(types)))
            types.append(bead)
    angles = [(i, j, k, types[j]) for i, j, k in zip(backbone, backbone[1:], backbone[2:])]
    return Chain(tuple(units), np.array(types), np.array(bonds), np.array(angles).reshape(-1, 4))


def sequence(beads: int, rng: np.random.Generator, pattern=None) -> list[int]:
    """Units of a chain of exactly this number of beads: a repeated pattern, or random; bare B1 fills what is
    left over.
    """
    units, left = [], beads
    while True:
        unit = int(rng.integers(len(UNITS))) if pattern is None else int(pattern[len(units) % len(pattern)])
        size = 1 + len(UNITS[unit][1])
        if size > left:
            return units + [0] * left
        units.append(unit)
        left -= size


def patterns(number: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Different patterns of four units; the same sequence begun elsewhere or read backwards is the same
    pattern.
    """
    found = []
    while len(found) < number:
        pattern = tuple(int(u) for u in rng.integers(len(UNITS), size=4))
        turns = [pattern[k:] + pattern[:k] for k in range(4)]
        smallest = min(turns + [turn[::-1] for turn in turns])
        if smallest not in found:
            found.append(smallest)
    return found


def grown(this: Chain, rng: np.random.Generator) -> np.ndarray:
    """A first structure (N, 3): a random walk along the bonds that avoids itself where it can."""
    positions = np.zeros((len(this.types), 3))
    for parent, bead in this.bonds:
        trials = rng.normal(size=(20, 3))
        trials = positions[parent] + BOND_LENGTH * trials / np.linalg.norm(trials, axis=1, keepdims=True)
        others = np.delete(positions[:bead], parent, axis=0)
        gaps = np.linalg.norm(trials[:, None] - others, axis=-1).min(axis=1, initial=np.inf)
        free = np.flatnonzero(gaps > 0.95)
        positions[bead] = trials[free[0] if len(free) else gaps.argmax()]
    return positions - positions.mean(axis=0)


def lammps_data(this: Chain, positions: np.ndarray, velocities: np.ndarray | None = None) -> str:
    """The LAMMPS data file of one chain; the box is only what the beads span."""
    low, high = positions.min(axis=0) - 1, positions.max(axis=0) + 1
    lines = ["beads\n", f"{len(this.types)} atoms", f"{len(this.bonds)} bonds", f"{len(this.angles)} angles"]
    lines += ["4 atom types", "1 bond types", "2 angle types"]
    lines += [f"{a:.3f} {b:.3f} {axis}lo {axis}hi" for a, b, axis in zip(low, high, "xyz")]
    lines += ["\nMasses\n"] + [f"{t + 1} 1.0" for t in range(4)]
    lines += ["\nAtoms\n"] + [
        f"{i + 1} 1 {t + 1} {x:.7g} {y:.7g} {z:.7g}"
        for i, (t, (x, y, z)) in enumerate(zip(this.types, positions))
    ]
    if velocities is not None:
        lines += ["\nVelocities\n"] + [
            f"{i + 1} {x:.7g} {y:.7g} {z:.7g}" for i, (x, y, z) in enumerate(velocities)
        ]
    lines += ["\nBonds\n"] + [f"{n + 1} 1 {i + 1} {j + 1}" for n, (i, j) in enumerate(this.bonds)]
    if len(this.angles):
        lines += ["\nAngles\n"]
        lines += [f"{n + 1} {t + 1} {i + 1} {j + 1} {k + 1}" for n, (i, j, k, t) in enumerate(this.angles)]
    return "\n".join(lines) + "\n"


def lammps_force_field() -> str:
    """The commands of the force field."""
    lines = [f"bond_coeff 1 {BOND_CONSTANT / 2} {BOND_LENGTH}", "special_bonds lj 0.0 1.0 1.0"]
    lines += [f"angle_coeff {t + 1} {k}" for t, k in enumerate(BENDING)]
    for i in range(4):
        for j in range(i, 4):
            depth = EPSILON[i, j]
            cutoff = CUTOFF if depth > 0 else 2 ** (1 / 6)
            lines.append(f"pair_coeff {i + 1} {j + 1} {depth if depth > 0 else 1.0} 1.0 {cutoff:.6f}")
    return "\n".join(lines)
