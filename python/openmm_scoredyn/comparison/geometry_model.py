"""Bonds, angles and impropers of trajectories against an intact molecule; broken bonds and
inverted centres.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.bootstrap import Estimate, mean_estimate, standard_error
from openmm_scoredyn.comparison.geometry import (
    chiral_centres,
    coordinates_of,
    handedness,
    improper_angles,
)
from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.molecule.geometry import bond_angles, bond_lengths
from openmm_scoredyn.molecule.particles import Particles

BROKEN_BOND_TOLERANCE = 0.2
CHUNK_FRAMES = 20_000
# Of a bond whose ends are rounded to whole picometres, as trajectory files do: a constrained one seems to
# vibrate by 0.4 pm.
ROUNDING_VARIANCE_NM2 = 2 * 0.001**2 / 12


@dataclass(frozen=True)
class GeometryModel:
    """What an intact molecule looks like, fitted on the reference.

    Attributes
    ----------
    molecule : Particles
    bond_lengths_nm : tuple of float, mean length of each of `molecule.bonds`
    signs : tuple of float, usual handedness of each chiral centre
    """

    molecule: Particles
    bond_lengths_nm: tuple[float, ...]
    signs: tuple[float, ...]

    @classmethod
    def fit(cls, reference: Sequence[Trajectory]) -> "GeometryModel":
        """Mean bond lengths and usual signs of reference trajectories."""
        molecule = reference[0].molecule
        frames = np.concatenate([t.positions[:: max(1, t.n_frames // 1000)] for t in reference])
        lengths = bond_lengths(frames, np.array(molecule.bonds)).mean(axis=0)
        signs = np.sign(handedness(frames, chiral_centres(molecule)).sum(axis=0))
        return cls(molecule, tuple(map(float, lengths)), tuple(map(float, signs)))

    def evaluate(
        self, trajectories: Sequence[Trajectory], blocks: Blocks, seed: int = 0
    ) -> dict[str, Estimate]:
        """Mean and spread of every bond (nm), angle and improper (degrees), fractions of broken and inverted
        frames, by name.

        Parameters
        ----------
        trajectories : unsteered, of the molecule
        blocks : of all their segments, one after the other
        """
        coordinates = coordinates_of(self.molecule)
        bonds = coordinates[0]
        segments = [segment for trajectory in trajectories for segment in trajectory.segments]
        sums = sum(
            blocks.sum_part(first, self._moments(part, *coordinates)) for first, part in _chunks(segments)
        )
        kinds = zip(("bond", "angle", "improper"), coordinates, strict=True)
        names = [f"{kind} {coordinate.label}" for kind, members in kinds for coordinate in members]
        value, error = standard_error(sums, lambda s: _mean_and_spread(s, len(names)), blocks, seed)
        result = {}
        for k, name in enumerate(names):
            spread, spread_error = value[len(names) + k], error[len(names) + k]
            if k < len(bonds):
                spread_error = np.fmax(
                    spread_error, spread - np.sqrt(max(spread**2 - ROUNDING_VARIANCE_NM2, 0.0))
                )
            result[f"{name}, mean"] = mean_estimate(value[k], error[k], spread**2)
            result[f"{name}, spread"] = mean_estimate(spread, spread_error, spread**2 / 2)
        for name, p, e in zip(
            ("frames with a broken bond", "frames with an inverted centre"),
            value[-2:],
            error[-2:],
            strict=True,
        ):
            result[name] = mean_estimate(p, e, p * (1 - p))
        return result

    def _moments(self, positions: np.ndarray, bonds, angles, impropers) -> np.ndarray:
        """Per frame: first and second moments of every coordinate about the reference, broken, inverted, and
        one.
        """
        all_bonds = np.array(self.molecule.bonds)
        lengths = bond_lengths(positions, all_bonds)
        expected = np.array(self.bond_lengths_nm)
        index = {tuple(sorted(bond)): k for k, bond in enumerate(self.molecule.bonds)}
        first, second = [], []
        for coordinate in bonds:
            values = lengths[:, [index[tuple(member)] for member in coordinate.members]]
            first.append(values.mean(axis=1))
            second.append((values**2).mean(axis=1))
        for coordinates, measure in ((angles, bond_angles), (impropers, improper_angles)):
            for coordinate in coordinates:
                values = measure(positions, coordinate.members)
                first.append(values.mean(axis=1))
                second.append((values**2).mean(axis=1))
        broken = (np.abs(lengths - expected) > BROKEN_BOND_TOLERANCE * expected).any(axis=1)
        inverted = (handedness(positions, chiral_centres(self.molecule)) != np.array(self.signs)).any(axis=1)
        return np.stack([*first, *second, broken, inverted, np.ones(len(positions))], axis=1)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "molecule": self.molecule.to_dict(),
            "bond_lengths_nm": list(self.bond_lengths_nm),
            "signs": list(self.signs),
        }

    @classmethod
    def from_dict(cls, fields: dict) -> "GeometryModel":
        """Inverse of `to_dict`."""
        return cls(
            Particles.from_dict(fields["molecule"]), tuple(fields["bond_lengths_nm"]), tuple(fields["signs"])
        )


def _chunks(segments: Sequence[np.ndarray]):
    """Pieces that fit into memory with all that is made of them, each with the number of its first frame."""
    first = 0
    for segment in segments:
        for start in range(0, len(segment), CHUNK_FRAMES):
            yield first + start, segment[start : start + CHUNK_FRAMES]
        first += len(segment)


def _mean_and_spread(sums: np.ndarray, coordinates: int) -> np.ndarray:
    frames = sums[..., -1:]
    mean = sums[..., :coordinates] / frames
    variance = sums[..., coordinates : 2 * coordinates] / frames - mean**2
    return np.concatenate([mean, np.sqrt(np.maximum(variance, 0.0)), sums[..., -3:-1] / frames], axis=-1)
