"""What the guard's rules are made of: statistics of training data by class, applied to particles."""

from dataclasses import asdict, dataclass

import numpy as np

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.guard_rules import GuardRules

BOND_TOLERANCE = 0.15  # relative: 1.25 to 1.7 Angstrom for a C-C bond, seven deviations of its vibration
ANGLE_MARGIN = (5.0, 0.25)  # degrees, and share of the range that was seen, beyond which an angle is refused
CONTACT_SHARE = 0.9  # of the closest approach that was seen
_NUMBERS_AT_ONCE = 2**24


@dataclass(frozen=True)
class GuardStatistics:
    """Statistics of frames that are right, by class of particles.

    Attributes
    ----------
    bonds_nm : dict of float, mean length by "a-b"
    angles_deg : dict of (least, largest) by "a-b-c"
    contacts_nm : dict of float, closest approach by "a-b" of particles four bonds or more apart
    max_displacement_nm : float
    """

    bonds_nm: dict[str, float]
    angles_deg: dict[str, tuple[float, float]]
    contacts_nm: dict[str, float]
    max_displacement_nm: float

    @classmethod
    def measured(cls, parts, max_displacement_nm: float) -> "GuardStatistics":
        """Of frames of one molecule or several.

        Parameters
        ----------
        parts : list of (particles, labels, kinds, frames (P, N, 3), boxes (P, 3, 3)), nm
            Bonds and angles are told apart by labels, contacts by kinds, both (N,) str.
        """
        bonds: dict[str, list] = {}
        angles: dict[str, list] = {}
        contacts: dict[str, float] = {}
        for particles, labels, kinds, frames, boxes in parts:
            for i, j in particles.bonds:
                length = np.linalg.norm(frames[:, i] - frames[:, j], axis=1)
                bonds.setdefault(_key(labels, i, j), []).append(length)
            for i, j, k in bonded_angles(particles):
                found = _angles_deg(frames, i, j, k)
                angles.setdefault(_key(labels, i, j, k), []).append((found.min(), found.max()))
            for key, nearest in _contacts(particles, kinds, frames, boxes).items():
                contacts[key] = min(nearest, contacts.get(key, np.inf))
        return cls(
            {key: float(np.concatenate(lengths).mean()) for key, lengths in bonds.items()},
            {key: _widened(np.array(limits)) for key, limits in angles.items()},
            {key: CONTACT_SHARE * float(nearest) for key, nearest in contacts.items()},
            max_displacement_nm,
        )

    def rules(self, particles: Particles, labels, kinds, **more) -> GuardRules:
        """The rules for particles; `more` are those that do not come from statistics.

        Raises
        ------
        KeyError
            If a bond or an angle is of no known class.
        """
        angles = bonded_angles(particles)
        numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
        contacts = (
            (numbers[a], numbers[b], nearest)
            for key, nearest in self.contacts_nm.items()
            for a, b in [key.split("-")]
            if a in numbers and b in numbers
        )
        return GuardRules(
            bond_lengths_nm=tuple(self.bonds_nm[_key(labels, i, j)] for i, j in particles.bonds),
            bond_tolerance=BOND_TOLERANCE,
            angles=angles,
            angle_limits_deg=tuple(tuple(self.angles_deg[_key(labels, *angle)]) for angle in angles),
            contact_classes=tuple(numbers[kind] for kind in kinds),
            contacts=tuple(contacts),
            max_displacement_nm=self.max_displacement_nm,
            **more,
        )

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)


def bonded_angles(particles: Particles) -> tuple[tuple[int, int, int], ...]:
    """All (i, j, k) with bonds i-j and j-k, i < k."""
    near = particles.neighbours
    return tuple((i, j, k) for j, around in enumerate(near) for i in around for k in around if i < k)


def _key(labels, *atoms: int) -> str:
    words = [labels[atom] for atom in atoms]
    return "-".join(min(words, words[::-1]))


def _angles_deg(frames: np.ndarray, i: int, j: int, k: int) -> np.ndarray:
    one, other = frames[:, i] - frames[:, j], frames[:, k] - frames[:, j]
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.degrees(np.arccos(np.clip((one * other).sum(1) / lengths, -1, 1)))


def _widened(limits: np.ndarray) -> tuple[float, float]:
    least, largest = limits[:, 0].min(), limits[:, 1].max()
    margin = ANGLE_MARGIN[0] + ANGLE_MARGIN[1] * (largest - least)
    return max(0.0, float(least - margin)), min(180.0, float(largest + margin))


def _contacts(particles: Particles, kinds, frames: np.ndarray, boxes: np.ndarray) -> dict[str, float]:
    """Closest approach of each pair of kinds, four bonds or more apart, nm; nearest images in a box."""
    first, second = np.nonzero(np.triu(_apart(particles), 1))
    if not len(first):
        return {}
    keys = np.array([_key(kinds, i, j) for i, j in zip(first, second)])
    at_once = max(1, _NUMBERS_AT_ONCE // len(first))
    nearest = np.full(len(first), np.inf)
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), 64 * at_once)).astype(int)
    for begin in range(0, len(chosen), at_once):
        block = chosen[begin : begin + at_once]
        arm = frames[block][:, first] - frames[block][:, second]
        box = boxes[block]
        for axis in (2, 1, 0):  # reduced box vectors, as OpenMM has them
            edge = box[:, axis]
            length = np.where(edge[:, axis] > 0, edge[:, axis], np.inf)
            arm = arm - np.round(arm[:, :, axis] / length[:, None])[..., None] * edge[:, None]
        nearest = np.minimum(nearest, np.sqrt((arm * arm).sum(2).min(0)))
    return {key: float(nearest[keys == key].min()) for key in np.unique(keys)}


def _apart(particles: Particles) -> np.ndarray:
    """Whether two particles are four bonds or more apart, or in different parts, (N, N) bool."""
    count = len(particles)
    bonded = np.eye(count, dtype=bool)
    for i, j in particles.bonds:
        bonded[i, j] = bonded[j, i] = True
    reached = np.eye(count, dtype=bool)
    for _ in range(3):
        reached = (reached.astype(np.int32) @ bonded.astype(np.int32)) > 0
    return ~reached
