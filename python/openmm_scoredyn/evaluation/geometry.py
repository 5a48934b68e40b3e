"""Bond lengths, bond angles, broken bonds and inverted centres."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.evaluation.blocks import cut_lengths
from openmm_scoredyn.evaluation.bootstrap import Estimate, mean_estimate, standard_error
from openmm_scoredyn.molecule import Molecule

BROKEN_BOND_TOLERANCE = 0.2
CHUNK_FRAMES = 20_000


@dataclass(frozen=True)
class Coordinate:
    """A bond or angle; hydrogens on one atom are one coordinate with several members.

    Attributes
    ----------
    label : residue and atom names, hydrogens as H
    members : (K, 2) or (K, 3) int array
    """

    label: str
    members: np.ndarray


def neighbours_of(molecule: Molecule) -> list[list[int]]:
    """Bonded atoms of each atom, ascending."""
    neighbours: list[list[int]] = [[] for _ in range(len(molecule))]
    for i, j in molecule.bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    return [sorted(bonded) for bonded in neighbours]


def coordinates_of(molecule: Molecule) -> tuple[list[Coordinate], list[Coordinate]]:
    """All bonds and all angles of a molecule, hydrogens of one atom pooled."""
    neighbours = neighbours_of(molecule)
    bonds = [tuple(sorted(bond)) for bond in molecule.bonds]
    angles = [(a, c, b) for c, bonded in enumerate(neighbours) for a in bonded for b in bonded if a < b]
    return _pooled(molecule, bonds), _pooled(molecule, angles)


def _pooled(molecule: Molecule, tuples: Sequence[tuple[int, ...]]) -> list[Coordinate]:
    members: dict[str, list[tuple[int, ...]]] = {}
    for atoms in tuples:
        names = [
            f"{molecule.residue_names[a]}:{'H' if molecule.elements[a] == 'H' else molecule.atom_names[a]}" for a in atoms
        ]
        label = "-".join(names if names[0].split(":")[1] != "H" else names[::-1])
        members.setdefault(label, []).append(atoms)
    return [Coordinate(label, np.array(group)) for label, group in members.items()]


def chiral_centres(molecule: Molecule) -> np.ndarray:
    """Carbons with four neighbours of which at most one is hydrogen, with three heavy ones: (n, 4) int."""
    centres = []
    for atom, bonded in enumerate(neighbours_of(molecule)):
        heavy = [other for other in bonded if molecule.elements[other] != "H"]
        if molecule.elements[atom] == "C" and len(bonded) == 4 and len(heavy) >= 3:
            centres.append((atom, *heavy[:3]))
    return np.array(centres, dtype=int).reshape(-1, 4)


def bond_lengths(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Lengths of (K, 2) bonds, (T, K) float64, in the unit of the positions."""
    return np.linalg.norm(positions[:, bonds[:, 1]].astype(np.float64) - positions[:, bonds[:, 0]], axis=-1)


def bond_angles(positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Angles of (K, 3) atoms, the middle one the vertex, (T, K) float64, degrees."""
    left, right = (positions[:, angles[:, k]].astype(np.float64) - positions[:, angles[:, 1]] for k in (0, 2))
    cosine = np.sum(left * right, axis=-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def handedness(positions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Sign of (a-c).((b-c)x(d-c)) at each centre (c, a, b, d), (T, n)."""
    a, b, d = (positions[:, centres[:, k]].astype(np.float64) - positions[:, centres[:, 0]] for k in (1, 2, 3))
    return np.sign(np.sum(a * np.cross(b, d), axis=-1))


@dataclass(frozen=True)
class GeometryModel:
    """What an intact molecule looks like, fitted on the reference.

    Attributes
    ----------
    molecule : Molecule
    bond_lengths_nm : tuple of float, mean length of each of `molecule.bonds`
    signs : tuple of float, usual handedness of each chiral centre
    """

    molecule: Molecule
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

    def evaluate(self, trajectories: Sequence[Trajectory], seed: int = 0) -> dict[str, Estimate]:
        """Mean and spread of every bond (nm) and angle (degrees), fractions of broken and inverted frames, by name."""
        bonds, angles = coordinates_of(self.molecule)
        segments = [segment for trajectory in trajectories for segment in trajectory.segments]
        moments = np.concatenate([self._moments(part, bonds, angles) for part in _chunks(segments)])
        names = [*(f"bond {b.label}" for b in bonds), *(f"angle {a.label}" for a in angles)]
        blocks = cut_lengths([len(segment) for segment in segments])
        value, error = standard_error(blocks.sum(moments), lambda s: _mean_and_spread(s, len(names)), seed)
        result = {}
        for k, name in enumerate(names):
            spread = value[len(names) + k]
            result[f"{name}, mean"] = mean_estimate(value[k], error[k], spread**2)
            result[f"{name}, spread"] = mean_estimate(spread, error[len(names) + k], spread**2 / 2)
        for name, p, e in zip(("frames with a broken bond", "frames with an inverted centre"), value[-2:], error[-2:], strict=True):
            result[name] = mean_estimate(p, e, p * (1 - p))
        return result

    def _moments(self, positions: np.ndarray, bonds, angles) -> np.ndarray:
        """Per frame: first and second moments of every coordinate about the reference, broken, inverted, and one."""
        all_bonds = np.array(self.molecule.bonds)
        lengths = bond_lengths(positions, all_bonds)
        expected = np.array(self.bond_lengths_nm)
        index = {tuple(sorted(bond)): k for k, bond in enumerate(self.molecule.bonds)}
        first, second = [], []
        for coordinate in bonds:
            values = lengths[:, [index[tuple(member)] for member in coordinate.members]]
            first.append(values.mean(axis=1))
            second.append((values**2).mean(axis=1))
        for coordinate in angles:
            values = bond_angles(positions, coordinate.members)
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
        return cls(Molecule.from_dict(fields["molecule"]), tuple(fields["bond_lengths_nm"]), tuple(fields["signs"]))


def _chunks(segments: Sequence[np.ndarray]):
    for segment in segments:
        for start in range(0, len(segment), CHUNK_FRAMES):
            yield segment[start : start + CHUNK_FRAMES]


def _mean_and_spread(sums: np.ndarray, coordinates: int) -> np.ndarray:
    frames = sums[..., -1:]
    mean = sums[..., :coordinates] / frames
    variance = sums[..., coordinates : 2 * coordinates] / frames - mean**2
    return np.concatenate([mean, np.sqrt(np.maximum(variance, 0.0)), sums[..., -3:-1] / frames], axis=-1)
