"""Bonds, angles, impropers and stereochemistry against an intact molecule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.geometry import (
    bond_angles,
    bond_lengths,
    bonded_angles,
    dihedral_angles,
    handedness,
    stereocentres,
)
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Contribution, Observable, Quantity, Sample, Statistic

GROUP = "Geometry"
BROKEN_BOND_TOLERANCE = 0.2
FITTING_FRAMES = 1000
# Of a bond whose ends are rounded to whole picometres, as trajectory files do: a constrained one seems to
# vibrate by 0.4 pm.
ROUNDING_VARIANCE_NM2 = 2 * 0.001**2 / 12


@dataclass(frozen=True)
class Internal:
    """A bond, angle or improper; those of like names, as the hydrogens of one atom, are one with several
    members.

    Attributes
    ----------
    name : kind, residue and atom names, hydrogens as H
    columns : of its members among the observable's numbers
    unit, tolerance : of its mean and spread
    """

    name: str
    columns: tuple[int, ...]
    unit: str
    tolerance: float


class Geometry(Observable):
    """All bonds, angles and impropers, and the handedness of stereocentres.

    Impropers are those of particles with three neighbours and of stereocentres: three neighbours, then the
    particle.
    """

    name = "geometry"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "Mean and spread over frames; hydrogens of one atom together. An improper is the angle"
            " between the planes of the first three and the last three of its atoms, 0 for a planar"
            " centre, of opposite sign in the mirror image. Broken: any bond off its reference mean by"
            f" more than {100 * BROKEN_BOND_TOLERANCE:g} %. Inverted: any stereocentre of the other"
            " handedness."
        )
    }

    def __init__(self, particles: Particles):
        neighbours = particles.neighbours
        self.bonds = np.array([sorted(bond) for bond in particles.bonds])
        self.angles = np.array(bonded_angles(particles), dtype=int).reshape(-1, 3)
        self.centres = stereocentres(particles)
        flat = [(*bonded, atom) for atom, bonded in enumerate(neighbours) if len(bonded) == 3]
        chiral = [(*bonded, atom) for atom, *bonded in self.centres.tolist()]
        self.impropers = np.array(flat + chiral, dtype=int).reshape(-1, 4)
        self.internals = _pooled(particles, self.bonds, self.angles, self.impropers)

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Geometry | None":
        """As `Observable.of`."""
        return cls(particles) if particles.bonds else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Lengths of all bonds, nm, angles and impropers, degrees, and signs of stereocentres, (T, F)."""
        return np.concatenate(
            [
                bond_lengths(positions, self.bonds),
                bond_angles(positions, self.angles),
                np.degrees(dihedral_angles(positions, self.impropers)),
                handedness(positions, self.centres),
            ],
            axis=1,
        )

    def fit(self, sample: Sample) -> dict:
        """Mean length of each bond, nm, and usual sign of each stereocentre."""
        frames = sample.values[:: max(1, len(sample.values) // FITTING_FRAMES)].astype(np.float64)
        signs = np.sign(frames[:, frames.shape[1] - len(self.centres) :].sum(axis=0))
        return {
            "bond_lengths_nm": frames[:, : len(self.bonds)].mean(axis=0).tolist(),
            "signs": signs.tolist(),
        }

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Mean and spread of every coordinate; shares of frames with a broken bond or an inverted centre."""
        expected, signs = np.array(fitted["bond_lengths_nm"]), np.array(fitted["signs"])
        first, number = sample.values.shape[1] - len(signs), len(self.internals)

        def contribution(piece: slice) -> np.ndarray:
            values = sample.values[piece].astype(np.float64)
            members = [values[:, one.columns] for one in self.internals]
            broken = np.abs(values[:, : len(expected)] - expected) > BROKEN_BOND_TOLERANCE * expected
            return np.stack(
                [
                    *(member.mean(axis=1) for member in members),
                    *((member**2).mean(axis=1) for member in members),
                    broken.any(axis=1),
                    (values[:, first:] != signs).any(axis=1),
                ],
                axis=1,
            )

        quantities = [
            Quantity(GROUP, f"{one.name}, {what}", one.unit, absolute_tolerance=one.tolerance, of_frames=True)
            for one in self.internals
            for what in ("mean", "spread")
        ]
        quantities += [
            Quantity(GROUP, name, "", of_frames=True)
            for name in ("frames with a broken bond", "frames with an inverted centre")
        ]
        lengths = np.array([one.unit == "nm" for one in self.internals])
        yield Statistic(
            tuple(quantities),
            (Contribution(np.arange(len(sample.values)), contribution),),
            _estimate(number),
            variance=_variance,
            least_error=_rounding(lengths),
        )


def _estimate(number: int) -> Callable[[np.ndarray], np.ndarray]:
    """From sums to mean and spread of each of a number of coordinates, then the two shares of frames."""

    def estimate(sums: np.ndarray) -> np.ndarray:
        averages = sums[..., :-1] / sums[..., -1:]
        mean, square = averages[..., :number], averages[..., number : 2 * number]
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        moments = np.stack([mean, spread], axis=-1).reshape(*mean.shape[:-1], 2 * number)
        return np.concatenate([moments, averages[..., 2 * number :]], axis=-1)

    return estimate


def _variance(values: np.ndarray) -> np.ndarray:
    spread, shares = values[1:-2:2], values[-2:]
    moments = np.stack([spread**2, spread**2 / 2], axis=-1).ravel()
    return np.concatenate([moments, shares * (1 - shares)])


def _rounding(lengths: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Of which coordinates are lengths, the least errors of their spreads."""

    def least_error(values: np.ndarray) -> np.ndarray:
        result = np.zeros(len(values))
        spread = values[1:-2:2]
        unrounded = np.sqrt(np.maximum(spread**2 - ROUNDING_VARIANCE_NM2, 0.0))
        result[1:-2:2] = np.where(lengths, spread - unrounded, 0.0)
        return result

    return least_error


def _pooled(particles: Particles, *tables: np.ndarray) -> tuple[Internal, ...]:
    """Bonds, angles and impropers by name."""
    found: dict[tuple[str, str, float], list[int]] = {}
    column = 0
    kinds = (("bond", "nm", 0.0005), ("angle", "deg", 0.5), ("improper", "deg", 0.5))
    for (kind, unit, tolerance), table in zip(kinds, tables, strict=True):
        for atoms in table.tolist():
            name = f"{kind} {_label(particles, atoms)}"
            found.setdefault((name, unit, tolerance), []).append(column)
            column += 1
    return tuple(Internal(name, tuple(c), unit, limit) for (name, unit, limit), c in found.items())


def _label(particles: Particles, atoms: Sequence[int]) -> str:
    names = [
        f"{particles.residue_names[a]}:{'H' if particles.types[a] == 'H' else particles.atom_names[a]}"
        for a in atoms
    ]
    return "-".join(names if names[0].split(":")[1] != "H" else names[::-1])


OBSERVABLES = (Geometry,)
