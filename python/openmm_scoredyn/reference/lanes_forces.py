"""The forces of a System as `lanes.cpp` knows them."""

import re

import numpy as np

from openmm_scoredyn.errors import SamplingError

COULOMB = 138.935456  # kJ nm / mol / e^2, as in OpenMM
HARMONICS = 6
# The angle is found by Newton's method from its rest, which a straight one defeats.
_ANGLES_DEGREES = (40, 150)
_LENNARD_JONES = "acoef(type1,type2)/r^12-bcoef(type1,type2)/r^6;"
_LENNARD_JONES_BOND = re.compile(r"([0-9.e+-]+)\*epsilon\*\(\(sigma/r\)\^12-\(sigma/r\)\^6\);?")


def refusal(expected: str, found: object) -> SamplingError:
    """The error for a System or processor that copies side by side cannot be simulated on."""
    return SamplingError(
        "simulate: copies in vacuum or implicit solvent are simulated side by side in the processor's"
        f" vectors; expected {expected}, found {found}; simulate with one copy."
    )


def parameters_of(system) -> dict:
    """Arrays of `Molecule` of `lanes.cpp` by field.

    Raises
    ------
    SamplingError
        If the System has a force, a cutoff, virtual sites or constraints that `lanes.cpp` does not know.
    """
    count = system.getNumParticles()
    mass = np.array([system.getParticleMass(k)._value for k in range(count)])
    if not (mass > 0).all() or any(system.isVirtualSite(k) for k in range(count)):
        raise refusal("particles with masses", "a virtual site or a mass of zero")
    found = {"mass": mass, **_constraints(system, mass)} | _none(count)
    for force in system.getForces():
        kind = type(force).__name__
        if kind not in _READERS:
            raise refusal(f"forces among {', '.join(_READERS)}", kind)
        if force.usesPeriodicBoundaryConditions() or getattr(force, "getNonbondedMethod", int)():
            raise refusal(f"a {kind} without cutoff", "one with a cutoff or a periodic box")
        for name, value in _READERS[kind](force, count).items():
            found[name] = found[name] + value if name in _ADDED else np.concatenate([found[name], value])
    if sum(type(force).__name__ == "GBSAOBCForce" for force in system.getForces()) > 1:
        raise refusal("one GBSAOBCForce", "several")
    return found


# What is added up where several forces have it; of the others every force has terms of its own.
_ADDED = ("pair", "gb", "charge_factor", "surface")


def _none(count: int) -> dict:
    """The arrays of a System without forces."""
    return {
        "bond_atoms": np.zeros((0, 2), int),
        "bond": np.zeros((0, 2)),
        "angle_atoms": np.zeros((0, 3), int),
        "angle": np.zeros((0, 2)),
        "torsion_atoms": np.zeros((0, 4), int),
        "torsion": np.zeros((0, 2 * HARMONICS)),
        "pair": np.zeros((count * (count - 1) // 2, 3)),
        "gb": np.zeros((count, 3)),
        "charge_factor": 0.0,
        "surface": 0.0,
    }


def _bonds(force, count: int) -> dict:
    rows = [force.getBondParameters(k) for k in range(force.getNumBonds())]
    return {
        "bond_atoms": np.reshape([row[:2] for row in rows], (-1, 2)).astype(int),
        "bond": np.reshape([[value._value for value in row[2:]] for row in rows], (-1, 2)),
    }


def _angles(force, count: int) -> dict:
    rows = [force.getAngleParameters(k) for k in range(force.getNumAngles())]
    values = np.reshape([[value._value for value in row[3:]] for row in rows], (-1, 2))
    least, most = _ANGLES_DEGREES
    outside = [angle for angle in np.degrees(values[:, 0]) if not least <= angle <= most]
    if outside:
        raise refusal(f"angles of {least} to {most} degrees", f"one of {outside[0]:.1f}")
    return {"angle_atoms": np.reshape([row[:3] for row in rows], (-1, 3)).astype(int), "angle": values}


def _torsions(force, count: int) -> dict:
    by_atoms: dict[tuple, np.ndarray] = {}
    for k in range(force.getNumTorsions()):
        *atoms, period, phase, constant = force.getTorsionParameters(k)
        if not 1 <= period <= HARMONICS:
            raise refusal(f"torsions of periods 1 to {HARMONICS}", period)
        terms = by_atoms.setdefault(tuple(atoms), np.zeros((HARMONICS, 2)))
        terms[period - 1] += constant._value * np.array([np.cos(phase._value), np.sin(phase._value)])
    return _by_atoms(by_atoms)


def _ryckaert_bellemans(force, count: int) -> dict:
    """Sums over C_n cos^n(phi - 180 degrees), as sums over cos(n phi)."""
    by_atoms: dict[tuple, np.ndarray] = {}
    for k in range(force.getNumTorsions()):
        *atoms, c0, c1, c2, c3, c4, c5 = force.getTorsionParameters(k)
        powers = [(-1) ** n * c._value for n, c in enumerate((c0, c1, c2, c3, c4, c5))]
        multiples = np.polynomial.chebyshev.poly2cheb(powers)[1:]
        terms = by_atoms.setdefault(tuple(atoms), np.zeros((HARMONICS, 2)))
        terms[: len(multiples), 0] += multiples
    return _by_atoms(by_atoms)


def _by_atoms(terms: dict[tuple, np.ndarray]) -> dict:
    return {
        "torsion_atoms": np.reshape(list(terms), (-1, 4)).astype(int),
        "torsion": np.reshape(list(terms.values()), (-1, 2 * HARMONICS)),
    }


def _pairs(force, count: int) -> dict:
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise refusal("a NonbondedForce of fixed parameters", "one with offsets")
    own = np.array([[value._value for value in force.getParticleParameters(k)] for k in range(count)])
    i, j = np.triu_indices(count, 1)
    sigma, epsilon = (own[i, 1] + own[j, 1]) / 2, np.sqrt(own[i, 2] * own[j, 2])
    rows = np.stack([own[i, 0] * own[j, 0], sigma, epsilon], 1)
    place = _places(count)
    for k in range(force.getNumExceptions()):
        a, b, *values = force.getExceptionParameters(k)
        rows[place[a, b]] = [value._value for value in values]
    product, sigma, epsilon = rows.T
    return {"pair": np.stack([COULOMB * product, 4 * epsilon * sigma**6, 4 * epsilon * sigma**12], 1)}


def _lennard_jones(force, count: int) -> dict:
    """What OpenMM makes of LennardJonesForce in a force field file."""
    text = force.getEnergyFunction().replace(" ", "")
    if text != _LENNARD_JONES or force.getNumInteractionGroups():
        raise refusal(f"a CustomNonbondedForce of {_LENNARD_JONES}", text)
    names = [force.getTabulatedFunctionName(k) for k in range(force.getNumTabulatedFunctions())]
    tables = {}
    for k, name in enumerate(names):
        rows, columns, values = force.getTabulatedFunction(k).getFunctionParameters()
        tables[name] = np.reshape(values, (columns, rows)).T
    kind = np.array([round(force.getParticleParameters(k)[0]) for k in range(count)])
    i, j = np.triu_indices(count, 1)
    pair = np.zeros((len(i), 3))
    pair[:, 1], pair[:, 2] = (tables[name][kind[i], kind[j]] for name in ("bcoef", "acoef"))
    place = _places(count)
    for k in range(force.getNumExclusions()):
        pair[place[tuple(force.getExclusionParticles(k))]] = 0
    return {"pair": pair}


def _lennard_jones_bonds(force, count: int) -> dict:
    """Its pairs three bonds apart."""
    text = force.getEnergyFunction().replace(" ", "")
    names = [force.getPerBondParameterName(k) for k in range(force.getNumPerBondParameters())]
    matched = _LENNARD_JONES_BOND.fullmatch(text)
    if matched is None or names != ["sigma", "epsilon"]:
        raise refusal("a CustomBondForce of Lennard-Jones pairs", text)
    pair, place = np.zeros((count * (count - 1) // 2, 3)), _places(count)
    for k in range(force.getNumBonds()):
        a, b, (sigma, epsilon) = force.getBondParameters(k)
        pair[place[a, b]] += float(matched[1]) * epsilon * np.array([0, sigma**6, sigma**12])
    return {"pair": pair}


def _places(count: int) -> np.ndarray:
    """The row (count, count) of each pair of atoms."""
    place = np.zeros((count, count), int)
    i, j = np.triu_indices(count, 1)
    place[i, j] = place[j, i] = np.arange(len(i))
    return place


def _born(force, count: int) -> dict:
    rows = [force.getParticleParameters(k) for k in range(count)]
    contrast = 1 / force.getSoluteDielectric() - 1 / force.getSolventDielectric()
    return {
        "gb": np.array([[charge._value, radius._value, scale] for charge, radius, scale in rows]),
        "charge_factor": -COULOMB * contrast,
        "surface": 4 * np.pi * force.getSurfaceAreaEnergy()._value,
    }


def _constraints(system, mass: np.ndarray) -> dict:
    """Bonds of hydrogens, those of one heavy atom together."""
    rows = []
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        rows.append((*sorted((i, j), key=lambda atom: -mass[atom]), length._value))
    ends = [row[1] for row in rows]
    if len(set(ends)) < len(ends) or set(ends) & {row[0] for row in rows}:
        raise refusal("constraints of hydrogens to one heavy atom each", "others")
    rows.sort()
    return {
        "constraint": np.reshape([row[:2] for row in rows], (-1, 2)).astype(int),
        "length": np.array([row[2] for row in rows]),
    }


_READERS = {
    "HarmonicBondForce": _bonds,
    "HarmonicAngleForce": _angles,
    "PeriodicTorsionForce": _torsions,
    "RBTorsionForce": _ryckaert_bellemans,
    "NonbondedForce": _pairs,
    "CustomNonbondedForce": _lennard_jones,
    "CustomBondForce": _lennard_jones_bonds,
    "GBSAOBCForce": _born,
}
