"""Rules of the guard for molecules that were not trained on: those of the molecules in training, by class."""

from dataclasses import asdict, dataclass

from openmm_scoredyn.molecule.geometry import bonded_angles, bonds_apart
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.guard_rules import GuardRules


@dataclass(frozen=True)
class GuardStatistics:
    """What the guard allows, by class of particles, joined as in "C4-H1".

    Attributes
    ----------
    bonds_nm : dict of float, mean length
    bond_tolerance : float, relative
    angles_deg : dict of (least, largest)
    contacts_nm : dict of float, closest approach of particles four bonds or more apart
    max_displacement_nm : float
        Of the molecules in training; more is allowed to a longer one, in proportion.
    longest_bonds : int, bonds between the farthest particles of the longest molecule in training
    """

    bonds_nm: dict[str, float]
    bond_tolerance: float
    angles_deg: dict[str, tuple[float, float]]
    contacts_nm: dict[str, float]
    max_displacement_nm: float
    longest_bonds: int

    @classmethod
    def of(cls, parts: list[tuple[Particles, tuple[str, ...], GuardRules]]) -> "GuardStatistics":
        """Of particles, the class of each, and their own rules; the widest rule of a class counts."""
        bonds: dict[str, list[float]] = {}
        angles: dict[str, tuple[float, float]] = {}
        contacts: dict[str, float] = {}
        for particles, kinds, rules in parts:
            for (i, j), length in zip(particles.bonds, rules.bond_lengths_nm, strict=True):
                bonds.setdefault(_key(kinds[i], kinds[j]), []).append(length)
            for (i, j, k), (low, high) in zip(rules.angles, rules.angle_limits_deg, strict=True):
                key = _key(kinds[i], kinds[j], kinds[k])
                least, largest = angles.get(key, (low, high))
                angles[key] = (min(low, least), max(high, largest))
            members: dict[int, set[str]] = {}
            for number, kind in zip(rules.contact_classes, kinds, strict=True):
                members.setdefault(number, set()).add(kind)
            for a, b, nearest in rules.contacts:
                for key in {_key(one, other) for one in members[a] for other in members[b]}:
                    contacts[key] = min(nearest, contacts.get(key, nearest))
        means = {key: sum(lengths) / len(lengths) for key, lengths in sorted(bonds.items())}
        return cls(
            means,
            max(
                _covering(rules.bond_tolerance, length, means[_key(kinds[i], kinds[j])])
                for particles, kinds, rules in parts
                for (i, j), length in zip(particles.bonds, rules.bond_lengths_nm, strict=True)
            ),
            dict(sorted(angles.items())),
            dict(sorted(contacts.items())),
            max(rules.max_displacement_nm for _, _, rules in parts),
            max(_length_bonds(particles) for particles, _, _ in parts),
        )

    def rules(self, particles: Particles, kinds: tuple[str, ...], **more) -> GuardRules:
        """The rules for particles of known classes; `more` are those that classes do not say."""
        angles = bonded_angles(particles)
        numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
        contacts = ((key.split("-"), nearest) for key, nearest in self.contacts_nm.items())
        return GuardRules(
            bond_lengths_nm=tuple(self.bonds_nm[_key(kinds[i], kinds[j])] for i, j in particles.bonds),
            bond_tolerance=self.bond_tolerance,
            angles=tuple(angles),
            angle_limits_deg=tuple(
                tuple(self.angles_deg[_key(kinds[i], kinds[j], kinds[k])]) for i, j, k in angles
            ),
            contact_classes=tuple(numbers[kind] for kind in kinds),
            contacts=tuple(
                (min(numbers[a], numbers[b]), max(numbers[a], numbers[b]), nearest)
                for (a, b), nearest in contacts
                if a in numbers and b in numbers
            ),
            max_displacement_nm=self.max_displacement_nm
            * max(1.0, _length_bonds(particles) / self.longest_bonds),
            **more,
        )

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)


def _covering(tolerance: float, length: float, mean: float) -> float:
    """The tolerance about the mean of a class that allows what one about a bond of its own did."""
    return max((1 + tolerance) * length / mean - 1, 1 - (1 - tolerance) * length / mean)


def _length_bonds(particles: Particles) -> int:
    """Bonds between the two particles that are farthest apart along bonds."""
    return int(bonds_apart(particles, len(particles)).max())


def _key(*kinds: str) -> str:
    return "-".join(min(kinds, kinds[::-1]))
