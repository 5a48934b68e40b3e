"""What the guard holds every frame to: rules of the particles, as they stand in a card."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GuardRules:
    """Rules for particles in the order of a program; an empty list checks nothing. Lengths in nm.

    Attributes
    ----------
    bond_lengths_nm : tuple of float, one per bond of the particles
    bond_tolerance : float
        A bond keeps |r - r0| <= bond_tolerance * r0.
    angles : tuple of (i, j, k);  angle_limits_deg : tuple of (least, largest), in the same order
    stereocentres : tuple of (centre, a, b, c)
        Ordered so that (a - centre) . ((b - centre) x (c - centre)) > 0.
    double_bonds : tuple of (i, j, k, l);  double_bonds_cis : tuple of bool, in the same order
        The dihedral stays nearer to 0 (cis) or to 180 degrees (trans).
    contact_classes : tuple of int, one per particle, or empty
    contacts : tuple of (class, class, least distance)
        For particles four bonds or more apart, or in different molecules.
    max_displacement_nm : float
        Largest distance that a particle may move in one step.
    """

    bond_lengths_nm: tuple[float, ...] = ()
    bond_tolerance: float = 0.25
    angles: tuple[tuple[int, ...], ...] = ()
    angle_limits_deg: tuple[tuple[float, ...], ...] = ()
    stereocentres: tuple[tuple[int, ...], ...] = ()
    double_bonds: tuple[tuple[int, ...], ...] = ()
    double_bonds_cis: tuple[bool, ...] = ()
    contact_classes: tuple[int, ...] = ()
    contacts: tuple[tuple[int, int, float], ...] = ()
    max_displacement_nm: float = 2.0

    def to_dict(self) -> dict:
        """As in the card's JSON."""
        return vars(self) | {
            "contacts": [{"classes": [a, b], "min_distance_nm": nearest} for a, b, nearest in self.contacts]
        }

    @classmethod
    def from_dict(cls, fields: dict) -> "GuardRules":
        """Inverse of `to_dict`."""
        values = {name: _frozen(value) for name, value in fields.items()}
        values["contacts"] = tuple(
            (*entry["classes"], entry["min_distance_nm"]) for entry in fields.get("contacts", ())
        )
        return cls(**values)


def _frozen(value):
    """Lists, and lists in lists, as tuples."""
    return tuple(_frozen(entry) for entry in value) if isinstance(value, (list, tuple)) else value
