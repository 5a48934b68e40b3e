"""Torsions: every bond that a molecule turns about, or a dihedral of one's own; wells from the reference."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.geometry import (
    dihedral_angles,
    find_backbone_torsions,
    ring_torsions,
    rotatable_torsions,
)
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.peptides import named_torsions
from openmm_scoredyn.observables.atoms import find_atoms, label
from openmm_scoredyn.observables.protocol import Observable, Sample
from openmm_scoredyn.observables.states import Coordinate, wells

BINS = 100


class Torsions(Observable):
    """Every rotatable torsion and those of saturated rings, except phi and psi of residues that have both,
    which `Peptide` sees; those of amino acids by their names, as SER2 chi1.

    Parameters
    ----------
    particles : Particles
    atoms : (K, 4) int
    """

    name = "torsions"
    captions: ClassVar[Mapping[str, str]] = {}
    keeps_frames = True

    def __init__(self, particles: Particles, atoms: Sequence[Sequence[int]]):
        self.atoms = np.array(atoms, dtype=int).reshape(-1, 4)
        named = {one.atoms: one for one in named_torsions(particles).values()}
        known = [named.get(tuple(torsion)) for torsion in self.atoms.tolist()]
        self.labels = [
            one.name if one else label(torsion, particles)
            for one, torsion in zip(known, self.atoms.tolist(), strict=True)
        ]
        self.parts = [one.part if one else "" for one in known]

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Torsions | None":
        """As `Observable.of`."""
        seen = {frozenset(torsion[1:3]) for pair in find_backbone_torsions(particles) for torsion in pair}
        named = named_torsions(particles)
        atoms = [
            named[bond].atoms if (bond := frozenset(torsion[1:3])) in named else torsion
            for torsion in (*rotatable_torsions(particles).tolist(), *ring_torsions(particles).tolist())
            if frozenset(torsion[1:3]) not in seen
        ]
        return cls(particles, atoms) if atoms else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The angles, (T, K), rad."""
        return dihedral_angles(positions, self.atoms)

    def fit(self, sample: Sample) -> dict:
        """Wells of each angle."""
        return {name: wells(angle) for name, angle in zip(self.labels, sample.values.T, strict=True)}

    def coordinates(self, fitted: dict) -> tuple[Coordinate, ...]:
        """Each angle with its wells."""
        return tuple(
            Coordinate(
                name=name,
                label=name,
                columns=(k,),
                angles=("torsion",),
                distribution="JSD (reference: expected by chance)",
                bins=BINS,
                states=fitted[name],
                atoms=(tuple(self.atoms[k].tolist()),),
                parts=(self.parts[k],),
            )
            for k, name in enumerate(self.labels)
        )


class Dihedral(Torsions):
    """A dihedral of four atoms that the user names."""

    name = "dihedral"

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> None:
        """Nothing by itself: it needs its atoms."""

    @classmethod
    def parse(cls, argument: str, particles: Particles) -> "Dihedral":
        """Four atoms joined by hyphens, see `find_atoms`."""
        dihedral = cls(particles, [find_atoms(argument, particles, 4)])
        dihedral.name = f"dihedral:{argument}"
        return dihedral


OBSERVABLES = (Torsions, Dihedral)
