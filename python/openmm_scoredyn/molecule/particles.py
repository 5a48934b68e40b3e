"""What a model, a trajectory and a System must agree on: the particles, in order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.composition import is_group
from openmm_scoredyn.molecule.force_field import ForceField


@dataclass(frozen=True)
class Particles:
    """Atoms or beads in the order of a model or a trajectory.

    Attributes
    ----------
    types : tuple of str, (N,)
        The symbol of an element for an atom, any other word for a bead.
    masses_amu : tuple of float, (N,), as in the System that made the data (repartitioned hydrogens included)
    atom_names, residue_names : tuple of str, (N,)
    residue_indices : tuple of int, (N,), 0-based
    bonds : tuple of (int, int)
    force_field : ForceField or None
        What a System says of the particles, where one was given.

    Raises
    ------
    MoleculeError
        If the fields contradict each other.
    """

    types: tuple[str, ...]
    masses_amu: tuple[float, ...]
    atom_names: tuple[str, ...]
    residue_names: tuple[str, ...]
    residue_indices: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]
    force_field: ForceField | None = None

    def __post_init__(self):
        for name in ("masses_amu", "atom_names", "residue_names", "residue_indices"):
            if len(getattr(self, name)) != len(self.types):
                raise MoleculeError(
                    f"Particles: {name} has the wrong length; expected {len(self.types)} (one per"
                    f" type), found {len(getattr(self, name))}; give one entry per particle."
                )
        for i, j in self.bonds:
            if not (0 <= i < len(self.types) and 0 <= j < len(self.types) and i != j):
                raise MoleculeError(
                    f"Particles: bond ({i}, {j}) names no pair of its particles; expected two different"
                    f" indices below {len(self.types)}; correct the bond list."
                )
        if self.force_field is not None and len(self.force_field.charges_e) != len(self.types):
            raise MoleculeError(
                f"Particles: the force field is of other particles; expected {len(self.types)}, found"
                f" {len(self.force_field.charges_e)}; read it from the System of these particles."
            )

    def __len__(self) -> int:
        return len(self.types)

    @property
    def residues_text(self) -> str:
        """Names of the residues in their order, such as "CYS-CYS"; of beads that stand for several particles,
        each name once; of several molecules their numbers, such as "20 DIM + 9 ION".
        """
        if len(self.parts) > 1:
            counts = Counter(self._residues_of(part) for part in self.parts)
            return " + ".join(f"{number} {name}" for name, number in counts.items())
        return self._residues_of(range(len(self)))

    def _residues_of(self, particles: Iterable[int]) -> str:
        indices, kinds = self.residue_indices, [self.types[k] for k in particles]
        names = list({indices[k]: self.residue_names[k] for k in particles}.values())
        return "-".join(dict.fromkeys(names) if all(map(is_group, kinds)) else names)

    @property
    def neighbours(self) -> list[list[int]]:
        """Bonded particles of each particle, ascending."""
        found: list[set[int]] = [set() for _ in self.types]
        for i, j in self.bonds:
            found[i].add(j)
            found[j].add(i)
        return [sorted(bonded) for bonded in found]

    @property
    def parts(self) -> list[list[int]]:
        """Particles that bonds connect, ascending, part by part."""
        neighbours, left, parts = self.neighbours, set(range(len(self))), []
        while left:
            reached, frontier = set(), {min(left)}
            while frontier:
                reached |= frontier
                frontier = {n for particle in frontier for n in neighbours[particle]} - reached
            parts.append(sorted(reached))
            left -= reached
        return parts

    def without_force_field(self) -> "Particles":
        """The same particles, nothing said of a force field."""
        return replace(self, force_field=None)

    def with_system(self, system) -> "Particles":
        """The same with masses and force field of an openmm.System whose first particles these are."""
        force_field = ForceField.from_system(system, len(self.types))
        masses = (_in_amu(system.getParticleMass(index)) for index in range(len(self.types)))
        return replace(self, masses_amu=tuple(masses), force_field=force_field)

    def subset(self, atoms: Sequence[int]) -> "Particles":
        """Some of the particles, in that order, with the bonds among them."""
        new = {atom: index for index, atom in enumerate(atoms)}
        picked = {name: tuple(getattr(self, name)[atom] for atom in atoms) for name in _PER_PARTICLE}
        return replace(
            self,
            **picked,
            bonds=tuple((new[i], new[j]) for i, j in self.bonds if i in new and j in new),
            force_field=self.force_field and self.force_field.subset(atoms),
        )

    @classmethod
    def from_topology(
        cls, topology, system=None, masses_amu: Mapping[str, float] | None = None
    ) -> "Particles":
        """Read an `openmm.app.Topology`, and the System that was made for it.

        Parameters
        ----------
        topology : openmm.app.Topology
            An atom without an element is a bead, whose type is its name.
        system : openmm.System, optional
            Its first particles are those of the topology; it gives masses and force field. Without one the
            masses are those of the elements.
        masses_amu : dict of str to float, optional
            Masses of beads by type, for a topology of beads without a System.

        Raises
        ------
        MoleculeError
            If a bead is named as an element, or has no mass because there is no System that says it.
        """
        atoms = list(topology.atoms())
        force_field = None if system is None else ForceField.from_system(system, len(atoms))
        return cls(
            types=tuple(_type_of(atom) for atom in atoms),
            masses_amu=tuple(_mass_amu(atom, system, masses_amu or {}) for atom in atoms),
            atom_names=tuple(atom.name for atom in atoms),
            residue_names=tuple(atom.residue.name for atom in atoms),
            residue_indices=tuple(atom.residue.index for atom in atoms),
            bonds=tuple((bond[0].index, bond[1].index) for bond in topology.bonds()),
            force_field=force_field,
        )

    def to_dict(self) -> dict:
        """Plain lists, ready for JSON; the force field is left out where there is none."""
        values = {name: list(getattr(self, name)) for name in _PER_PARTICLE}
        values["bonds"] = [list(bond) for bond in self.bonds]
        return values if self.force_field is None else values | {"force_field": self.force_field.to_dict()}

    @classmethod
    def from_dict(cls, values: dict) -> "Particles":
        """Inverse of `to_dict`.

        Raises
        ------
        MoleculeError
            If a field is missing or no list.
        """
        try:
            picked = {name: tuple(values[name]) for name in _PER_PARTICLE}
            bonds = tuple((int(i), int(j)) for i, j in values["bonds"])
            described = values.get("force_field")
        except (KeyError, TypeError, ValueError) as error:
            raise MoleculeError(
                "Particles: cannot read the description; expected the lists of `Particles.to_dict`, found"
                f" field {error} missing or not a list; make the file again."
            ) from None
        return cls(
            **picked, bonds=bonds, force_field=None if described is None else ForceField.from_dict(described)
        )


_PER_PARTICLE = tuple(f.name for f in fields(Particles) if f.name not in ("bonds", "force_field"))


def _type_of(atom) -> str:
    if atom.element is not None:
        return atom.element.symbol
    if is_element(atom.name):
        raise MoleculeError(
            f"Particles: atom {atom.index} has no element, but the name {atom.name} of one; expected an"
            " element, or for a bead a name that is no element's symbol; give the element, or rename it."
        )
    return atom.name


def is_element(name: str) -> bool:
    """Whether a type of particles is the symbol of an element; any other is a bead."""
    return mass_of_element(name) is not None


def mass_of_element(name: str) -> float | None:
    """Mass, amu, of the element with this symbol; None where it is no element's."""
    from openmm.app import element

    try:
        return _in_amu(element.get_by_symbol(name).mass)
    except KeyError:
        return None


def _mass_amu(atom, system, known: Mapping[str, float]) -> float:
    if system is None and atom.element is None:
        if atom.name in known:
            return float(known[atom.name])
        raise MoleculeError(
            f"Particles: bead {atom.index} ({atom.name}) has no mass; expected a System, which says the"
            " masses of beads, found none; give it."
        )
    return _in_amu(atom.element.mass if system is None else system.getParticleMass(atom.index))


def _in_amu(mass) -> float:
    from openmm import unit

    return float(mass.value_in_unit(unit.dalton))
