"""What a force field says of particles, read from an OpenMM System: parameters, not energies."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from openmm_scoredyn.errors import MoleculeError

Terms = tuple[tuple[float, ...], ...]  # rows of particles and parameters


@dataclass(frozen=True)
class ForceField:
    """Parameters of N particles, in OpenMM's own conventions (k/2 (x - x0)^2, k (1 + cos(n d - d0))).

    Attributes
    ----------
    charges_e : tuple of float, (N,)
    sigma_nm, epsilon_kj : tuple of float, (N,), Lennard-Jones; kJ/mol
    bonds : tuple of (i, j, length nm, constant kJ/mol/nm^2)
    angles : tuple of (i, j, k, angle rad, constant kJ/mol/rad^2)
    torsions : tuple of (i, j, k, l, periodicity, phase rad, constant kJ/mol), impropers included
    constraints : tuple of (i, j, length nm); a bond that a constraint holds need not stand among the bonds

    Notes
    -----
    Of the forces of a System, NonbondedForce, HarmonicBondForce, HarmonicAngleForce and PeriodicTorsionForce
    are read. `other_forces` names the rest, so that nobody takes the parameters for the whole of it.
    """

    charges_e: tuple[float, ...]
    sigma_nm: tuple[float, ...]
    epsilon_kj: tuple[float, ...]
    bonds: Terms
    angles: Terms
    torsions: Terms
    constraints: Terms
    other_forces: tuple[str, ...] = ()

    @classmethod
    def from_system(cls, system, count: int) -> "ForceField":
        """The parameters of the first `count` particles of an `openmm.System`; terms that reach beyond them,
        as to a solvent, are left out.

        Raises
        ------
        MoleculeError
            If the System has fewer particles.
        """
        if system.getNumParticles() < count:
            raise MoleculeError(
                f"ForceField: the System has fewer particles than the topology; expected at least {count},"
                f" found {system.getNumParticles()}; give the System that was made for this topology."
            )
        read = _Reader(count)
        for force in system.getForces():
            getattr(read, f"read_{type(force).__name__}", read.read_other)(force)
        constraints = (system.getConstraintParameters(k) for k in range(system.getNumConstraints()))
        read.terms["constraints"] = read.within(2, constraints)
        charges, sigma, epsilon = zip(*read.nonbonded)
        return cls(charges, sigma, epsilon, other_forces=read.other, **read.terms)

    def subset(self, atoms: Sequence[int]) -> "ForceField":
        """The parameters of some particles, in that order, with the terms among them."""
        new = {atom: index for index, atom in enumerate(atoms)}
        ends = {"bonds": 2, "angles": 3, "torsions": 4, "constraints": 2}
        terms: dict[str, Any] = {
            name: tuple(
                (*(new[int(i)] for i in term[:end]), *term[end:])
                for term in getattr(self, name)
                if all(int(i) in new for i in term[:end])
            )
            for name, end in ends.items()
        }
        numbers = {name: tuple(getattr(self, name)[atom] for atom in atoms) for name in _PER_PARTICLE}
        return replace(self, **numbers, **terms)

    def to_dict(self) -> dict:
        """Plain lists, ready for JSON."""
        return {
            name: [list(x) if isinstance(x, tuple) else x for x in value]
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict) -> "ForceField":
        """Inverse of `to_dict`.

        Raises
        ------
        MoleculeError
            If a field is missing or no list.
        """
        try:
            read: dict[str, Any] = {
                field.name: tuple(tuple(x) if isinstance(x, list) else x for x in values[field.name])
                for field in fields(cls)
            }
            return cls(**read)
        except (KeyError, TypeError) as error:
            raise MoleculeError(
                "ForceField: cannot read the description; expected the lists of `ForceField.to_dict`, found"
                f" field {error} missing or not a list; make the file again."
            ) from None


_PER_PARTICLE = ("charges_e", "sigma_nm", "epsilon_kj")


class _Reader:
    """Collects the terms among the first `count` particles of a System, as numbers in OpenMM's units."""

    def __init__(self, count: int):
        self.count = count
        self.nonbonded: list[tuple[float, ...]] = [(0.0, 0.0, 0.0)] * count
        self.terms: dict[str, Terms] = {"bonds": (), "angles": (), "torsions": ()}
        self.other: tuple[str, ...] = ()

    def within(self, ends: int, rows) -> Terms:
        """Rows whose first `ends` entries are particles that are read."""
        return tuple(
            (*row[:ends], *(_plain(value) for value in row[ends:]))
            for row in map(tuple, rows)
            if all(particle < self.count for particle in row[:ends])
        )

    def read_NonbondedForce(self, force) -> None:
        self.nonbonded = [
            tuple(_plain(value) for value in force.getParticleParameters(k)) for k in range(self.count)
        ]

    def read_HarmonicBondForce(self, force) -> None:
        rows = (force.getBondParameters(k) for k in range(force.getNumBonds()))
        self.terms["bonds"] += self.within(2, rows)

    def read_HarmonicAngleForce(self, force) -> None:
        rows = (force.getAngleParameters(k) for k in range(force.getNumAngles()))
        self.terms["angles"] += self.within(3, rows)

    def read_PeriodicTorsionForce(self, force) -> None:
        rows = (force.getTorsionParameters(k) for k in range(force.getNumTorsions()))
        self.terms["torsions"] += self.within(4, rows)

    def read_CMMotionRemover(self, force) -> None:
        """No parameter of a particle."""

    def read_other(self, force) -> None:
        self.other += (type(force).__name__,)


def _plain(value) -> float:
    """A number in OpenMM's own units (nm, kJ/mol, rad, e)."""
    from openmm import unit

    return float(value.value_in_unit_system(unit.md_unit_system) if unit.is_quantity(value) else value)
