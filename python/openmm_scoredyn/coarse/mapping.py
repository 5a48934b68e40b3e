"""From atoms, or fine beads, to beads: which particles a bead stands for, and what follows from that."""

from collections.abc import Mapping as MappingOfNames
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openmm_scoredyn.coarse.groups import RESIDUE, choose_groups, equal_parts
from openmm_scoredyn.data.trajectory import BLOCK_FRAMES
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.composition import composition_name
from openmm_scoredyn.molecule.particles import Particles

RESIDUE_NAME = "BEA"
FARTHEST = 2  # bonds between two particles of a bead, in units of its number of particles
WHOLE = 4.0  # a bond longer than that many medians is one across a periodic boundary


@dataclass(frozen=True)
class Mapping:
    """Groups of particles, each of which becomes a bead at its centre of mass.

    A bead's type is its composition, such as "B1x2.S1x3"; its mass is the sum of masses; two beads are bonded
    where a bond leads from one group to the other.

    Attributes
    ----------
    fine : Particles, N of them
    groups : tuple of tuple of int, M of them; every particle is in one of them

    Raises
    ------
    MoleculeError
        If a particle is in no group or in two, a group is empty, has no mass or holds particles of several
        molecules, or two particles of a group are more than `FARTHEST` times its number of bonds apart.
    """

    fine: Particles
    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self):
        members = sorted(particle for group in self.groups for particle in group)
        if members != list(range(len(self.fine))) or not all(self.groups):
            raise MoleculeError(
                f"Mapping: expected every one of {len(self.fine)} particles in one group and no empty group,"
                f" found {len(members)} members in {len(self.groups)} groups; correct the groups."
            )
        for number, group in enumerate(self.groups):
            if not sum(self.fine.masses_amu[particle] for particle in group) > 0:
                raise MoleculeError(
                    f"Mapping: bead {number} has no mass; expected a mass to weight positions by, found 0;"
                    " leave virtual sites out of the topology."
                )
        self._require_near()

    def _require_near(self) -> None:
        """Refuse groups whose particles lie in several molecules, or apart along bonds."""
        neighbours = self.fine.neighbours
        part_of = {particle: number for number, part in enumerate(self.fine.parts) for particle in part}
        for number, group in enumerate(self.groups):
            if len({part_of[particle] for particle in group}) > 1:
                raise MoleculeError(
                    f"Mapping: bead {number} holds particles {group} of several molecules; expected particles"
                    " that bonds connect; complete the bonds, or begin a bead with each molecule."
                )
            reached, shell = {group[0]}, {group[0]}
            for _ in range(FARTHEST * len(group)):
                shell = {near for particle in shell for near in neighbours[particle]} - reached
                reached |= shell
            if not reached.issuperset(group):
                raise MoleculeError(
                    f"Mapping: bead {number} holds particles {group} that are more than"
                    f" {FARTHEST * len(group)} bonds apart; expected near neighbours along the chain; order"
                    " the particles along it."
                )

    @classmethod
    def from_topology(
        cls,
        topology,
        by: str | int | Path | MappingOfNames[str, str | int] = RESIDUE,
        system=None,
        masses_amu: MappingOfNames[str, float] | None = None,
    ) -> "Mapping":
        """Beads of a topology, each held together by bonds among its own particles.

        Parameters
        ----------
        topology : openmm.app.Topology or Particles
        by : what becomes a bead
            `"residue"`: every residue, such as a repeating unit or an ion. A number: so many consecutive
            particles of each molecule; a hydrogen goes with what it is bonded to, and is not counted. A
            dictionary of these by residue name, such as ``{"PEO": 3, "TFS": "residue", "LI": "residue"}``,
            which cuts residue by residue and holds every name there is. The path of an index file of GROMACS
            (`.ndx`), each group of which is a bead: numbers count the particles of the topology from 1.
        system : openmm.System, optional, says the masses
        masses_amu : mass of each type of fine beads, where there is no System

        Raises
        ------
        MoleculeError
            As `Mapping`; if a name or number is not known, a particle is in no bead or in two, a molecule or
            residue is no multiple of the number, or a bead falls apart without the particles of others.
        """
        fine = _particles(topology, system, masses_amu)
        return cls(fine, choose_groups(fine, by))

    @classmethod
    def equal_groups(
        cls, topology, size: int, system=None, masses_amu: MappingOfNames[str, float] | None = None
    ) -> "Mapping":
        """Every `size` consecutive particles of each molecule are a bead; hydrogens go with what they are
        bonded to, and are not counted.

        In chains with side chains the end of a side chain may come into a bead without what bears it;
        `from_topology` refuses that.

        Parameters
        ----------
        topology : openmm.app.Topology or Particles, in the order of growth along each chain
        size : particles of a bead
        system : openmm.System, optional, says the masses
        masses_amu : mass of each type of fine beads, where there is no System

        Raises
        ------
        MoleculeError
            As `Mapping`, if a mass is not known, or if a molecule is no multiple of `size` long.
        """
        fine = _particles(topology, system, masses_amu)
        return cls(fine, equal_parts(fine, fine.parts, size))

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def particles(self) -> Particles:
        """The beads."""
        owner = {particle: bead for bead, group in enumerate(self.groups) for particle in group}
        bonds = sorted(
            {tuple(sorted((owner[i], owner[j]))) for i, j in self.fine.bonds if owner[i] != owner[j]}
        )
        types = tuple(
            composition_name(self.fine.types[particle] for particle in group) for group in self.groups
        )
        return Particles(
            types=types,
            masses_amu=tuple(self._masses(group) for group in self.groups),
            atom_names=types,
            residue_names=(RESIDUE_NAME,) * len(self),
            residue_indices=tuple(range(len(self))),
            bonds=tuple((i, j) for i, j in bonds),
        )

    def _masses(self, group: Sequence[int]) -> float:
        return sum(self.fine.masses_amu[particle] for particle in group)

    @property
    def topology(self):
        """The beads as an openmm.app.Topology: one residue a bead, one chain a molecule, no elements."""
        from openmm.app import Topology

        beads, made = self.particles, Topology()
        atoms: dict[int, object] = {}
        for part in beads.parts:
            chain = made.addChain()
            for bead in part:
                atoms[bead] = made.addAtom(beads.types[bead], None, made.addResidue(RESIDUE_NAME, chain))
        if list(atoms) != list(range(len(self))):
            raise MoleculeError(
                "Mapping: expected the beads of a molecule one after the other, found beads of several"
                " molecules mixed; order the groups molecule by molecule."
            )
        for i, j in beads.bonds:
            made.addBond(atoms[i], atoms[j])
        return made

    def system(self, box=None):
        """An openmm.System of the beads: masses, no forces, as a model draws what forces would do.

        Parameters
        ----------
        box : three vectors, nm or with unit, optional
        """
        import openmm

        made = openmm.System()
        for mass in self.particles.masses_amu:
            made.addParticle(mass)
        if box is not None:
            made.setDefaultPeriodicBoxVectors(*box)
        return made

    def positions(self, fine_positions) -> np.ndarray:
        """Centres of mass of the groups.

        Parameters
        ----------
        fine_positions : (..., N, 3), nm or with unit, molecules whole

        Returns
        -------
        (..., M, 3) float64, nm

        Raises
        ------
        MoleculeError
            If the shape is another, a position is not finite, or a bond leads across a periodic boundary.
        """
        if hasattr(fine_positions, "value_in_unit"):
            from openmm import unit

            fine_positions = fine_positions.value_in_unit(unit.nanometer)
        fine = np.asarray(fine_positions, dtype=np.float64)
        if fine.ndim < 2 or fine.shape[-2:] != (len(self.fine), 3) or not np.isfinite(fine).all():
            raise MoleculeError(
                f"Mapping: expected finite positions (..., {len(self.fine)}, 3), found shape {fine.shape}"
                f"{'' if np.isfinite(fine).all() else ' with values that are not finite'}; give positions of"
                " the particles that were mapped."
            )
        self._require_whole(fine)
        masses = np.array(self.fine.masses_amu)
        return np.stack(
            [
                np.einsum(
                    "n,...nx->...x", masses[list(group)] / masses[list(group)].sum(), fine[..., group, :]
                )
                for group in self.groups
            ],
            axis=-2,
        )

    def _require_whole(self, fine: np.ndarray) -> None:
        bonds = np.array(self.fine.bonds, dtype=int).reshape(-1, 2)
        if not len(bonds):
            return
        lengths = np.linalg.norm(fine[..., bonds[:, 0], :] - fine[..., bonds[:, 1], :], axis=-1)
        longest, usual = lengths.max(), np.median(lengths)
        if longest > WHOLE * usual:
            i, j = bonds[np.unravel_index(lengths.argmax(), lengths.shape)[-1]]
            raise MoleculeError(
                f"Mapping: the bond of particles {i} and {j} is {longest:.3g} nm long, the median"
                f" {usual:.3g}; expected whole molecules, found one across a periodic boundary; make"
                " molecules whole first."
            )

    def trajectory(self, fine):
        """A `data.Trajectory` of the beads from one of the fine particles, molecules whole."""
        return replace(
            fine,
            segments=tuple(map(self._segment, fine.segments)),
            molecule=self.particles,
        )

    def _segment(self, segment) -> np.ndarray:
        """Beads of a segment, of which no more than a block is in memory."""
        blocks = range(0, len(segment), BLOCK_FRAMES)
        return np.concatenate([self.positions(np.asarray(segment[k : k + BLOCK_FRAMES])) for k in blocks])


def _particles(topology, system, masses_amu: MappingOfNames[str, float] | None) -> Particles:
    return (
        topology if isinstance(topology, Particles) else Particles.from_topology(topology, system, masses_amu)
    )
