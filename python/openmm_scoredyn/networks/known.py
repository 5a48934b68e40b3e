"""What a transferable network was trained on, and what of another molecule that does not cover."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.force_field import ForceField
from openmm_scoredyn.molecule.geometry import ring_bonds
from openmm_scoredyn.molecule.particles import Particles

AGREES = 1e-3  # relative, of a parameter of a force field or a mass


def environment(particles: Particles) -> tuple[str, ...]:
    """Type of each particle with the number of its neighbours, (N,), such as "C4"."""
    return tuple(f"{kind}{len(near)}" for kind, near in zip(particles.types, particles.neighbours))


def surroundings(particles: Particles, bonds: int) -> tuple[str, ...]:
    """As `environment`, with that of all particles up to a number of bonds away, (N,), such as
    "C4(C3 H1 H1 H1)" for one.
    """
    names = found = environment(particles)
    for _ in range(bonds):
        found = tuple(
            f"{name}({' '.join(sorted(found[k] for k in near))})"
            for name, near in zip(names, particles.neighbours)
        )
    return found


class Coverage(Protocol):
    """Which molecules a transferable network may be bound to.

    Attributes
    ----------
    largest : int, particles of the largest molecule in training
    """

    @property
    def largest(self) -> int: ...

    def require(self, particles: Particles) -> None:
        """Refuse a molecule of another kind, with a `MoleculeError`."""
        ...

    def require_handedness(self, particles: Particles, centres) -> None:
        """Refuse stereocentres (c, a, b, d), as of `oriented_stereocentres`, of a handedness that no training
        molecule had, with a `MoleculeError`.
        """
        ...

    def require_box(self, particles: Particles, box_nm) -> None:
        """Refuse a box (3, 3), nm, of a shape or density that no training box had, with a `MoleculeError`;
        only asked of networks that see a box.
        """
        ...

    def new_joints(self, particles: Particles) -> tuple[str, ...]:
        """Bonds of a molecule between groups that no training molecule had side by side, sorted."""
        ...

    def beyond(self, particles: Particles) -> str:
        """In what size of a molecule goes beyond those in training, as a phrase."""
        ...

    def mass_of(self, kind: str) -> float | None:
        """Mass, amu, of a bead of this type; None where the network knows of none."""
        ...


@dataclass(frozen=True)
class Known:
    """What the molecules in training have in common with those that a network may be bound to.

    Attributes
    ----------
    environments : tuple of str, kinds of particles, sorted
    masses_amu : dict of (least, largest) by environment
    parameters : dict of lists of tuples of numbers, by a term of the force field such as "bond C4-H1"; empty
        where the training molecules came without a System
    other_forces : tuple of str, forces of the System that are not read, such as an implicit solvent
    joints : tuple of str
        Kinds of bonds between particles of several bonds, each with its own neighbours, such as
        "C4(C4 H1 H1 H1)-C4(C4 C4 H1 H1)", sorted.
    ring_bonds : tuple of str, kinds of bonds in rings, such as "C4-C4", sorted
    largest : int, particles of the largest molecule
    needs_force_field : bool, whether the network reads parameters, so that it cannot do without a System
    handedness : dict of int, 1 or -1 by a kind of stereocentre
        Where all training molecules have the same; empty for a network that serves mirror images alike.
    """

    environments: tuple[str, ...]
    masses_amu: dict[str, tuple[float, float]]
    parameters: dict[str, list[tuple[float, ...]]]
    other_forces: tuple[str, ...]
    joints: tuple[str, ...]
    ring_bonds: tuple[str, ...]
    largest: int
    needs_force_field: bool
    handedness: dict[str, int]

    @classmethod
    def of(cls, molecules: list[Particles], reads_force_field: bool = True, centres=()) -> "Known":
        """What some molecules have; without a System for one of them, no force field is known.

        `centres` are their stereocentres, as of `oriented_stereocentres`, for a network that does not serve
        mirror images alike.
        """
        masses: dict[str, list[float]] = {}
        for particles in molecules:
            for name, mass in zip(environment(particles), particles.masses_amu):
                masses.setdefault(name, []).append(mass)
        parameters: dict[str, list[tuple[float, ...]]] = {}
        with_fields = [(p, p.force_field) for p in molecules if p.force_field is not None]
        if len(with_fields) < len(molecules):
            with_fields = []
        for particles, force_field in with_fields:
            for name, values in _terms(particles, force_field):
                entries = parameters.setdefault(name, [])
                if not any(_agree(values, entry) for entry in entries):
                    entries.append(values)
        other = {name for _, force_field in with_fields for name in force_field.other_forces}
        return cls(
            tuple(sorted(masses)),
            {name: (min(values), max(values)) for name, values in sorted(masses.items())},
            parameters,
            tuple(sorted(other)),
            tuple(sorted({name for particles in molecules for name in _joints(particles)})),
            tuple(sorted({name for particles in molecules for name, _ in _named_ring_bonds(particles)})),
            max(map(len, molecules)),
            reads_force_field and bool(parameters),
            _common_handedness(molecules, centres),
        )

    def require(self, particles: Particles) -> None:
        """Refuse a molecule of another kind.

        Raises
        ------
        MoleculeError
            If it is in several parts, holds a kind of particle that no training molecule had, or its masses
            or force field are others.
        """
        if len(particles.parts) > 1:
            part = particles.parts[1]
            raise MoleculeError(
                f"bind: the model is made for one bonded molecule; expected bonds that connect all"
                f" {len(particles)} particles, found particle {part[0]}"
                f" ({particles.residue_names[part[0]]}:{particles.atom_names[part[0]]}) apart; remove what"
                " is no part of the molecule, or complete the bonds."
            )
        if "H" not in particles.types and any(name.startswith("H") for name in self.environments):
            raise MoleculeError(
                "bind: the model knows molecules with their hydrogens; expected all of them, found none; add"
                " them, as with OpenMM's Modeller.addHydrogens."
            )
        for atom, (kind, mass) in enumerate(zip(environment(particles), particles.masses_amu)):
            where = f"{particles.residue_names[atom]}:{particles.atom_names[atom]}"
            if kind not in self.environments:
                raise MoleculeError(
                    f"bind: the model never saw a particle like {where}, {particles.types[atom]} with"
                    f" {len(particles.neighbours[atom])} bonds; expected {', '.join(self.environments)} (type"
                    " and number of bonds); use a model that was trained on such molecules."
                )
            least, largest = self.masses_amu[kind]
            right = least * (1 - AGREES) <= mass <= largest * (1 + AGREES)
            if particles.force_field is not None and not right:
                raise MoleculeError(
                    f"bind: {where} has another mass than in training; expected {least:g} to {largest:g} u,"
                    f" found {mass:g}; make the System with the same hydrogenMass."
                )
        for name, bond in _named_ring_bonds(particles):
            if name not in self.ring_bonds:
                one, other = (f"{particles.residue_names[k]}:{particles.atom_names[k]}" for k in bond)
                raise MoleculeError(
                    f"bind: the model never saw a bond {name} in a ring; expected"
                    f" {', '.join(self.ring_bonds) or 'no ring'}, found {one} to {other}; use a model that"
                    " was trained on such molecules."
                )
        if self.needs_force_field or (self.parameters and particles.force_field is not None):
            self._require_force_field(particles)

    def require_handedness(self, particles: Particles, centres) -> None:
        """As `Coverage.require_handedness`; what no training molecule had is not looked at.

        Raises
        ------
        MoleculeError
            For the first stereocentre of the other handedness.
        """
        for centre, (name, sign) in _named_handedness(particles, centres).items():
            if sign * self.handedness.get(name, 0) < 0:
                raise MoleculeError(
                    f"bind: {particles.residue_names[centre]}:{particles.atom_names[centre]} is the mirror"
                    " image of what the model was trained on; expected its handedness, found the other; give"
                    " the other stereoisomer, or use a model that was trained on this one."
                )

    def beyond(self, particles: Particles) -> str:
        """As `Coverage.beyond`: larger ones than the largest in training."""
        size = len(particles)
        if size <= self.largest:
            return "none in size"
        times = f"{size / self.largest:.2g} times the largest in training ({self.largest})"
        return f"{size} particles, {times}"

    def mass_of(self, kind: str) -> float | None:
        """None: masses are those of elements, or of a System."""
        return None

    def require_box(self, particles: Particles, box_nm) -> None:
        """Molecules alone have no box."""

    def new_joints(self, particles: Particles) -> tuple[str, ...]:
        """Bonds of a molecule between groups that no training molecule had side by side, sorted."""
        return tuple(sorted(_joints(particles) - set(self.joints)))

    def _require_force_field(self, particles: Particles) -> None:
        field = particles.force_field
        if field is None:
            raise MoleculeError(
                "bind: the model reads the force field of the molecule; expected a System, found none; give"
                " system=, made with the force field it was trained on."
            )
        if tuple(sorted(field.other_forces)) != self.other_forces:
            raise MoleculeError(
                f"bind: the model was trained in another solvent or with other forces; expected"
                f" {', '.join(self.other_forces) or 'none beside bonded and nonbonded ones'}, found"
                f" {', '.join(field.other_forces) or 'none'}; make the System as in training."
            )
        for term, values in _terms(particles, field):
            entries = self.parameters.get(term, [])
            if not any(_agree(values, entry) for entry in entries):
                nearest = min(entries, key=lambda entry: abs(entry[-1] - values[-1]), default=())
                raise MoleculeError(
                    f"bind: the model was trained with another force field; expected {term} of"
                    f" {_say(nearest)}, found {_say(values)}; make the System with the force field of the"
                    " training data."
                )

    def to_tensor(self, **more) -> Tensor:
        """JSON of all fields and `more` as bytes, (n,) uint8: a buffer that goes wherever the weights go."""
        return torch.tensor(list(json.dumps(asdict(self) | more, sort_keys=True).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, content: Tensor) -> tuple["Known", dict]:
        """Inverse of `to_tensor`: the object, and what else was stored."""
        values = json.loads(bytes(content.tolist()))
        own = {field.name: values.pop(field.name) for field in fields(cls)}
        own["parameters"] = {k: [tuple(entry) for entry in v] for k, v in own["parameters"].items()}
        own["masses_amu"] = {k: tuple(v) for k, v in own["masses_amu"].items()}
        for name in ("environments", "other_forces", "joints", "ring_bonds"):
            own[name] = tuple(own[name])
        return cls(**own), values


def _named_handedness(particles: Particles, centres) -> dict[int, tuple[str, int]]:
    """A name and 1 or -1 of each stereocentre (c, a, b, d): whether its four neighbours, sorted by name, are
    seen in the order in which a, b, d and the fourth one are. None is given of a centre with two neighbours
    of one name.
    """
    names, found = surroundings(particles, 1), {}
    for centre, *three in centres:
        fourth = next(k for k in particles.neighbours[centre] if k not in three)
        order = [names[k] for k in (*three, fourth)]
        if len(set(order)) == len(order):
            inversions = sum(one > other for k, one in enumerate(order) for other in order[k + 1 :])
            found[centre] = (
                f"{environment(particles)[centre]}: {', '.join(sorted(order))}",
                (-1) ** inversions,
            )
    return found


def _common_handedness(molecules: list[Particles], centres) -> dict[str, int]:
    """The handedness of each kind of stereocentre that is the same wherever it occurs."""
    found: dict[str, set[int]] = {}
    for particles, own in zip(molecules, centres):
        for name, sign in _named_handedness(particles, own).values():
            found.setdefault(name, set()).add(sign)
    return {name: signs.pop() for name, signs in sorted(found.items()) if len(signs) == 1}


def _joints(particles: Particles) -> set[str]:
    described, near = surroundings(particles, 1), particles.neighbours
    return {
        "-".join(sorted((described[i], described[j])))
        for i, j in particles.bonds
        if min(len(near[i]), len(near[j])) > 1
    }


def _named_ring_bonds(particles: Particles) -> list[tuple[str, tuple[int, int]]]:
    """Kind of each bond in a ring, and the bond."""
    names = environment(particles)
    return [("-".join(sorted(names[atom] for atom in bond)), bond) for bond in ring_bonds(particles)]


def _terms(particles: Particles, field: ForceField):
    """(name, numbers) of every term whose parameters must be known. Charges may differ from molecule to
    molecule, and torsions are summed over several terms: neither is asked for.
    """
    names = environment(particles)

    def named(kind: str, atoms) -> str:
        words = [names[int(atom)] for atom in atoms]
        return f"{kind} {'-'.join(min(words, words[::-1]))}"

    for atom in range(len(particles)):
        yield f"Lennard-Jones {names[atom]}", (field.sigma_nm[atom], field.epsilon_kj[atom])
    for term in field.bonds:
        yield named("bond", term[:2]), tuple(term[2:])
    for term in field.angles:
        yield named("angle", term[:3]), tuple(term[3:])
    for term in field.constraints:
        yield named("constraint", term[:2]), tuple(term[2:])


def _agree(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= AGREES * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _say(values: tuple[float, ...]) -> str:
    return " and ".join(f"{value:g}" for value in values) or "no such term"
