"""Langevin dynamics of copies of one small molecule side by side in the processor's vectors: some 20 times as
fast a core as OpenMM's Reference platform on a copy after the other.

lanes.cpp is compiled with g++ when it is first used. It knows harmonic bonds and angles, periodic torsions,
`NonbondedForce` without cutoff, `GBSAOBCForce`, and constraints of hydrogens to heavy atoms; another System
is refused.
"""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import unit

SOURCE = Path(__file__).with_name("lanes.cpp")
FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-shared", "-fPIC"]
COULOMB = 138.935456  # kJ nm / mol / e^2, as in OpenMM
HARMONICS = 6
GAS_KJ_PER_MOL_K = 0.00831446262

_POINTERS = {
    "mass": np.float32,
    "bond_atoms": np.int32,
    "bond": np.float32,
    "angle_atoms": np.int32,
    "angle": np.float32,
    "torsion_atoms": np.int32,
    "torsion": np.float32,
    "pair": np.float32,
    "gb": np.float32,
    "constraint": np.int32,
    "length": np.float32,
}


class _Molecule(ctypes.Structure):
    """`Molecule` of lanes.cpp."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("atoms", "bonds", "angles", "torsions", "constraints", "born")),
        *((name, ctypes.c_void_p) for name in _POINTERS),
        ("charge_factor", ctypes.c_float),
        ("surface", ctypes.c_float),
    ]


@cache
def _library() -> ctypes.CDLL:
    """lanes.cpp, compiled for this processor into the folder of temporary files."""
    processor = subprocess.run(
        ["g++", "-march=native", "-Q", "--help=target"], check=True, capture_output=True
    )
    name = hashlib.sha256(SOURCE.read_bytes() + processor.stdout).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"lanes-{os.getuid()}-{name}.so"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        subprocess.run(["g++", *FLAGS, str(SOURCE), "-o", str(part), "-lmvec"], check=True)
        part.rename(path)
    library = ctypes.CDLL(str(path))
    library.simulate.restype = ctypes.c_int64
    return library


def number_of_lanes() -> int:
    """Copies that are simulated at once: 16 with AVX-512, 8 with AVX2."""
    return _library().lanes()


class Lanes:
    """Copies of the molecule of a System.

    Parameters
    ----------
    system : openmm.System

    Raises
    ------
    ValueError
        If it has a force, a cutoff, virtual sites or constraints that lanes.cpp does not know.
    """

    def __init__(self, system: mm.System):
        values = _parameters(system)
        self._kept = {name: np.ascontiguousarray(values[name], kind) for name, kind in _POINTERS.items()}
        counts = {"atoms": len(values["mass"]), "born": int(values["gb"].any())}
        counts |= {f"{name}s": len(values[name]) for name in ("bond", "angle", "torsion", "constraint")}
        pointers = {name: array.ctypes.data for name, array in self._kept.items()}
        self._molecule = _Molecule(
            **counts, **pointers, charge_factor=values["charge_factor"], surface=values["surface"]
        )
        self.atoms = counts["atoms"]

    def evaluate(self, positions_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (C,), kJ/mol, without what is constant, and forces (C, N, 3), kJ/mol/nm, of C copies."""
        positions = self._copies(positions_nm)
        energies, forces = np.empty(len(positions), np.float32), np.empty_like(positions)
        for group in self._groups(len(positions)):
            parts = (positions[group], energies[group], forces[group])
            _library().evaluate(ctypes.byref(self._molecule), *map(_pointer, parts))
        return energies, forces

    def simulate(
        self,
        positions_nm: np.ndarray,
        velocities_nm_per_ps: np.ndarray,
        frames: int,
        *,
        steps_per_frame: int,
        timestep_ps: float,
        friction_per_ps: float,
        temperature_K: float,
        seed: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames (C, T, N, 3), nm, float32, and the last velocities (C, N, 3), nm/ps, of C copies, by
        `LangevinMiddle` steps. The noise of a copy depends on the seed and its number.

        Raises
        ------
        FloatingPointError
            If a copy blew up.
        """
        positions, velocities = self._copies(positions_nm), self._copies(velocities_nm_per_ps)
        out = np.empty((len(positions), frames, self.atoms, 3), np.float32)
        for group in self._groups(len(positions)):
            drawn = np.empty((frames, group.stop - group.start, self.atoms, 3), np.float32)
            made = _library().simulate(
                ctypes.byref(self._molecule),
                _pointer(positions[group]),
                _pointer(velocities[group]),
                ctypes.c_int64(frames),
                ctypes.c_int64(steps_per_frame),
                ctypes.c_double(timestep_ps),
                ctypes.c_double(friction_per_ps),
                ctypes.c_double(GAS_KJ_PER_MOL_K * temperature_K),
                ctypes.c_uint64(seed),
                ctypes.c_uint64(group.start),
                _pointer(drawn),
            )
            if made < frames:
                raise FloatingPointError(f"A copy blew up in frame {made} of {frames}.")
            out[group] = drawn.swapaxes(0, 1)
        return out, velocities

    def velocities(self, copies: int, temperature_K: float, seed: int) -> np.ndarray:
        """Maxwell's (C, N, 3), nm/ps; the first step takes out what constraints forbid."""
        normal = np.random.default_rng(seed).standard_normal((copies, self.atoms, 3))
        scale = np.sqrt(GAS_KJ_PER_MOL_K * temperature_K / self._kept["mass"])
        return (normal * scale[:, None]).astype(np.float32)

    def _copies(self, values: np.ndarray) -> np.ndarray:
        lanes, shape = number_of_lanes(), np.shape(values)
        if shape[1:] != (self.atoms, 3) or not shape[0] or shape[0] % lanes:
            raise ValueError(f"Lanes: expected {lanes} n copies of ({self.atoms}, 3), found {shape}.")
        return np.array(values, np.float32)

    @staticmethod
    def _groups(copies: int) -> list[slice]:
        lanes = number_of_lanes()
        return [slice(first, first + lanes) for first in range(0, copies, lanes)]


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _parameters(system: mm.System) -> dict:
    """Arrays of `Molecule` of lanes.cpp, by field."""
    readers = {
        mm.HarmonicBondForce: _bonds,
        mm.HarmonicAngleForce: _angles,
        mm.PeriodicTorsionForce: _torsions,
        mm.NonbondedForce: _pairs,
        mm.GBSAOBCForce: _born,
    }
    count = system.getNumParticles()
    found = {
        "mass": np.array([system.getParticleMass(k).value_in_unit(unit.dalton) for k in range(count)]),
        "bond_atoms": np.zeros((0, 2)),
        "bond": np.zeros((0, 2)),
        "angle_atoms": np.zeros((0, 3)),
        "angle": np.zeros((0, 2)),
        "torsion_atoms": np.zeros((0, 4)),
        "torsion": np.zeros((0, 2 * HARMONICS)),
        "pair": np.zeros((count * (count - 1) // 2, 3)),
        "gb": np.zeros((count, 3)),
        "charge_factor": 0.0,
        "surface": 0.0,
    }
    for force in system.getForces():
        if type(force) not in readers:
            known = ", ".join(kind.__name__ for kind in readers)
            raise ValueError(f"Lanes: expected forces among {known}, found {type(force).__name__}.")
        found |= readers[type(force)](force)
    if not (found["mass"] > 0).all() or any(system.isVirtualSite(k) for k in range(count)):
        raise ValueError("Lanes: expected particles with masses, found a virtual site or a mass of zero.")
    return found | _constraints(system, found["mass"])


def _bonds(force: mm.HarmonicBondForce) -> dict:
    rows = [force.getBondParameters(k) for k in range(force.getNumBonds())]
    lengths = [[r.value_in_unit(unit.nanometer), k._value] for *_, r, k in rows]
    return {
        "bond_atoms": np.reshape([row[:2] for row in rows], (-1, 2)),
        "bond": np.reshape(lengths, (-1, 2)),
    }


def _angles(force: mm.HarmonicAngleForce) -> dict:
    rows = [force.getAngleParameters(k) for k in range(force.getNumAngles())]
    angles = [[a.value_in_unit(unit.radian), k._value] for *_, a, k in rows]
    return {
        "angle_atoms": np.reshape([row[:3] for row in rows], (-1, 3)),
        "angle": np.reshape(angles, (-1, 2)),
    }


def _torsions(force: mm.PeriodicTorsionForce) -> dict:
    by_atoms: dict[tuple, np.ndarray] = {}
    for k in range(force.getNumTorsions()):
        *atoms, period, phase, constant = force.getTorsionParameters(k)
        if not 1 <= period <= HARMONICS:
            raise ValueError(f"Lanes: expected periods of 1 to {HARMONICS}, found {period}.")
        terms = by_atoms.setdefault(tuple(atoms), np.zeros((HARMONICS, 2)))
        angle = phase.value_in_unit(unit.radian)
        terms[period - 1] += constant._value * np.array([np.cos(angle), np.sin(angle)])
    return {
        "torsion_atoms": np.reshape(list(by_atoms), (-1, 4)),
        "torsion": np.reshape(list(by_atoms.values()), (-1, 2 * HARMONICS)),
    }


def _pairs(force: mm.NonbondedForce) -> dict:
    if force.getNonbondedMethod() != mm.NonbondedForce.NoCutoff:
        raise ValueError("Lanes: expected a NonbondedForce without cutoff; create the System with NoCutoff.")
    count = force.getNumParticles()
    own = np.array([[v._value for v in force.getParticleParameters(k)] for k in range(count)])
    i, j = np.triu_indices(count, 1)
    sigma, epsilon = (own[i, 1] + own[j, 1]) / 2, np.sqrt(own[i, 2] * own[j, 2])
    rows = np.stack([own[i, 0] * own[j, 0], sigma, epsilon], 1)
    place = np.zeros((count, count), int)
    place[i, j] = place[j, i] = np.arange(len(i))
    for k in range(force.getNumExceptions()):
        a, b, *values = force.getExceptionParameters(k)
        rows[place[a, b]] = [value._value for value in values]
    product, sigma, epsilon = rows.T
    return {"pair": np.stack([COULOMB * product, 4 * epsilon * sigma**6, 4 * epsilon * sigma**12], 1)}


def _born(force: mm.GBSAOBCForce) -> dict:
    if force.getNonbondedMethod() != mm.GBSAOBCForce.NoCutoff:
        raise ValueError("Lanes: expected a GBSAOBCForce without cutoff.")
    rows = [force.getParticleParameters(k) for k in range(force.getNumParticles())]
    values = [[q._value, radius._value, scale] for q, radius, scale in rows]
    contrast = 1 / force.getSoluteDielectric() - 1 / force.getSolventDielectric()
    return {
        "gb": np.array(values),
        "charge_factor": -COULOMB * contrast,
        "surface": 4 * np.pi * force.getSurfaceAreaEnergy()._value,
    }


def _constraints(system: mm.System, mass: np.ndarray) -> dict:
    """Bonds of hydrogens, those of one heavy atom together."""
    rows = []
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        rows.append((*sorted((i, j), key=lambda atom: -mass[atom]), length._value))
    ends = [row[1] for row in rows]
    if len(set(ends)) < len(ends) or set(ends) & {row[0] for row in rows}:
        raise ValueError("Lanes: expected constraints of hydrogens to one heavy atom each, found others.")
    rows.sort()
    return {
        "constraint": np.reshape([row[:2] for row in rows], (-1, 2)),
        "length": np.array([row[2] for row in rows]),
    }
