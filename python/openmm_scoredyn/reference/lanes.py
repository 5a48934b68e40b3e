"""Langevin dynamics of copies of one small molecule side by side in the processor's vectors (`lanes.cpp`)."""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.lanes_forces import parameters_of, refusal

GAS_KJ_PER_MOL_K = 0.00831446262
_LIBRARIES = ("_lanes_avx512", "_lanes_avx2")  # the first that the processor can run is taken

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
    """`Molecule` of `lanes.cpp`."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("atoms", "bonds", "angles", "torsions", "constraints", "born")),
        *((name, ctypes.c_void_p) for name in _POINTERS),
        ("charge_factor", ctypes.c_float),
        ("surface", ctypes.c_float),
    ]


class _Pull(ctypes.Structure):
    """`Pull` of `lanes.cpp`."""

    _fields_ = [
        ("torsions", ctypes.c_int32),
        ("atoms", ctypes.c_void_p),
        ("constant", ctypes.c_void_p),
    ]


@dataclass(frozen=True, eq=False)
class Pull:
    """Energies `constant (1 - cos(theta - target))` of torsions, kJ/mol.

    Attributes
    ----------
    atoms : (K, 4)
    targets : (C, K), radians, of each copy
    constant : kJ/mol
    """

    atoms: np.ndarray
    targets: np.ndarray
    constant: float


def load_library(name: str) -> ctypes.CDLL | None:
    """A library of `lanes.cpp`; None where it is not built or the processor cannot run it."""
    path = Path(__file__).parents[1] / f"{name}.so"
    if not path.exists():
        return None
    library = ctypes.CDLL(str(path))
    return library if library.supported() else None


@cache
def _library() -> ctypes.CDLL | None:
    return next((found for name in _LIBRARIES if (found := load_library(name)) is not None), None)


def copies_at_once() -> int:
    """Copies that are simulated at once: 16 with AVX-512, 8 with AVX2, 0 on other processors."""
    library = _library()
    return 0 if library is None else library.width()


class Lanes:
    """Copies of the molecule of a System. Any number C of them; multiples of `copies_at_once` cost least.

    Parameters
    ----------
    system : openmm.System

    Attributes
    ----------
    masses : (N,) float32, amu

    Raises
    ------
    SamplingError
        If it has a force, a cutoff, virtual sites or constraints that `lanes.cpp` does not know, or the
        processor has no vectors for it.
    """

    def __init__(self, system):
        library = _library()
        if library is None:
            raise refusal("an x86-64 processor with AVX2 and FMA", "another one")
        self._library = library
        values = parameters_of(system)
        self._kept = {name: np.ascontiguousarray(values[name], kind) for name, kind in _POINTERS.items()}
        counts = {"atoms": len(values["mass"]), "born": int(values["gb"].any())}
        counts |= {f"{name}s": len(values[name]) for name in ("bond", "angle", "torsion", "constraint")}
        pointers = {name: array.ctypes.data for name, array in self._kept.items()}
        self._molecule = _Molecule(
            **counts, **pointers, charge_factor=values["charge_factor"], surface=values["surface"]
        )
        self.masses = self._kept["mass"]

    def evaluate(self, positions_nm: np.ndarray, pull: Pull | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Energies (C,), kJ/mol, without what is constant, and forces (C, N, 3), kJ/mol/nm, of C copies."""
        positions = self._filled(positions_nm)
        energies, forces = np.empty(len(positions), np.float32), np.empty_like(positions)
        for group in self._groups(positions):
            parts = (positions[group], energies[group], forces[group])
            pulled = self._pull(pull, group)
            self._library.evaluate(ctypes.byref(self._molecule), ctypes.byref(pulled), *map(_pointer, parts))
        return energies[: len(positions_nm)], forces[: len(positions_nm)]

    def advance(
        self,
        positions_nm: np.ndarray,
        velocities_nm_per_ps: np.ndarray,
        steps: int,
        *,
        timestep_ps: float,
        friction_per_ps: float,
        temperature_K: float,
        seed: int,
        pull: Pull | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities (C, N, 3), float32, after `LangevinMiddle` steps.

        In single precision: positions should be near the origin. The noise of a copy depends on the seed, of
        64 bits, and its number alone.

        Raises
        ------
        SamplingError
            If a copy blew up: a position is not finite, or constraints were not met in 100 turns.
        """
        positions, velocities = self._filled(positions_nm), self._filled(velocities_nm_per_ps)
        for group in self._groups(positions):
            pulled = self._pull(pull, group)
            sound = self._library.advance(
                ctypes.byref(self._molecule),
                ctypes.byref(pulled),
                _pointer(positions[group]),
                _pointer(velocities[group]),
                ctypes.c_int64(steps),
                ctypes.c_double(timestep_ps),
                ctypes.c_double(friction_per_ps),
                ctypes.c_double(GAS_KJ_PER_MOL_K * temperature_K),
                ctypes.c_uint64(seed),
                ctypes.c_uint64(group.start),
            )
            if not sound:
                raise SamplingError(
                    "simulate: a position is not finite or a constraint is not met, so the dynamics have"
                    " blown up; check the structure and its System, or use a shorter time step."
                )
        return positions[: len(positions_nm)], velocities[: len(velocities_nm_per_ps)]

    def velocities(self, copies: int, temperature_K: float, seed: int) -> np.ndarray:
        """Maxwell's (C, N, 3), nm/ps, float32; the first step takes out what constraints forbid."""
        normal = np.random.default_rng(seed).standard_normal((copies, len(self.masses), 3))
        scale = np.sqrt(GAS_KJ_PER_MOL_K * temperature_K / self.masses)
        return (normal * scale[:, None]).astype(np.float32)

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """Values (C, N, 3), float32, of as many copies as whole groups hold."""
        values = np.asarray(values, np.float32)
        if values.ndim != 3 or values.shape[1:] != (len(self.masses), 3) or not len(values):
            raise ValueError(f"Lanes: expected (C, {len(self.masses)}, 3), found {values.shape}.")
        return self._repeated(values)

    def _repeated(self, values: np.ndarray) -> np.ndarray:
        """A copy (C', ...) of values (C, ...), the last repeated up to a multiple of the width."""
        missing = -len(values) % self._library.width()
        return np.concatenate([values, np.repeat(values[-1:], missing, 0)])

    def _groups(self, values: np.ndarray) -> list[slice]:
        width = self._library.width()
        return [slice(first, first + width) for first in range(0, len(values), width)]

    def _pull(self, pull: Pull | None, group: slice) -> _Pull:
        """The pull of a group of copies."""
        if pull is None:
            return _Pull(0, None, None)
        targets = self._repeated(pull.targets)[group].T
        constant = -pull.constant * np.stack([np.cos(targets), np.sin(targets)], axis=1)
        arrays = [np.ascontiguousarray(pull.atoms, np.int32), np.ascontiguousarray(constant, np.float32)]
        found = _Pull(len(targets), *(array.ctypes.data for array in arrays))
        found.kept = arrays  # what it points into
        return found


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
