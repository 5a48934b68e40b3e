"""What a model, a trajectory and a System must agree on: the atoms of one molecule, in order."""

from dataclasses import asdict, dataclass

from openmm_scoredyn.errors import MoleculeError


@dataclass(frozen=True)
class Particles:
    """The atoms of one molecule in the order of a model or a trajectory.

    Attributes
    ----------
    elements, atom_names, residue_names : tuple of str, (N,)
    residue_indices : tuple of int, (N,), 0-based, per atom
    masses_amu : tuple of float, (N,), as in the System that made the data (repartitioned hydrogens included)
    bonds : tuple of (int, int)
    """

    elements: tuple[str, ...]
    masses_amu: tuple[float, ...]
    atom_names: tuple[str, ...]
    residue_names: tuple[str, ...]
    residue_indices: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]

    def __post_init__(self):
        for name in ("masses_amu", "atom_names", "residue_names", "residue_indices"):
            if len(getattr(self, name)) != len(self.elements):
                raise MoleculeError(
                    f"Particles: {name} has the wrong length; expected {len(self.elements)} (one per"
                    f" element), found {len(getattr(self, name))}; give one entry per atom."
                )
        for i, j in self.bonds:
            if not (0 <= i < len(self.elements) and 0 <= j < len(self.elements) and i != j):
                raise MoleculeError(
                    f"Particles: bond ({i}, {j}) names no pair of its atoms; expected two different indices "
                    f"below {len(self.elements)}; correct the bond list."
                )

    def __len__(self) -> int:
        return len(self.elements)

    @property
    def neighbours(self) -> list[list[int]]:
        """Bonded atoms of each atom, ascending."""
        found: list[set[int]] = [set() for _ in self.elements]
        for i, j in self.bonds:
            found[i].add(j)
            found[j].add(i)
        return [sorted(bonded) for bonded in found]

    @classmethod
    def from_topology(cls, topology, system=None) -> "Particles":
        """Read an `openmm.app.Topology`; masses come from the System where one is given, else from the
        elements.
        """
        from openmm import unit

        atoms = list(topology.atoms())
        if any(atom.element is None for atom in atoms):
            missing = next(atom for atom in atoms if atom.element is None)
            raise MoleculeError(
                f"Particles: atom {missing.index} ({missing.name}) has no element; expected an element for"
                " every atom; add the element column to the structure file."
            )
        masses = [
            (system.getParticleMass(atom.index) if system is not None else atom.element.mass).value_in_unit(
                unit.dalton
            )
            for atom in atoms
        ]
        return cls(
            elements=tuple(atom.element.symbol for atom in atoms),
            masses_amu=tuple(float(mass) for mass in masses),
            atom_names=tuple(atom.name for atom in atoms),
            residue_names=tuple(atom.residue.name for atom in atoms),
            residue_indices=tuple(atom.residue.index for atom in atoms),
            bonds=tuple((bond[0].index, bond[1].index) for bond in topology.bonds()),
        )

    def to_dict(self) -> dict:
        """Plain lists, ready for JSON."""
        return {
            key: [list(b) for b in value] if key == "bonds" else list(value)
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, fields: dict) -> "Particles":
        """Inverse of `to_dict`."""
        try:
            values = {name: tuple(fields[name]) for name in cls.__dataclass_fields__}
        except (KeyError, TypeError) as error:
            raise MoleculeError(
                "Particles: cannot read the description; expected the lists of `Particles.to_dict`, found"
                f" field {error} missing or not a list; make the file again."
            ) from None
        values["bonds"] = tuple((int(i), int(j)) for i, j in values["bonds"])
        return cls(**values)
