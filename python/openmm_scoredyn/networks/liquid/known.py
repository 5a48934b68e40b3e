"""What a model of liquids of beads was trained on, and which boxes it may be bound to."""

import json
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.known import AGREES

MARGIN = 0.02  # by which contents and density may go beyond those in training, relative


@dataclass(frozen=True)
class KnownLiquids:
    """The boxes in training.

    Attributes
    ----------
    masses_amu : dict of float, mass of each kind of beads
    shares : dict of (least, largest), share of the beads of a box that are of each kind
    bonds : tuple of str, kinds of bonded beads such as "A-B", sorted
    density : (least, largest), beads in a cubic nanometre
    largest : int, beads of the largest box
    cutoff_nm : float, that of the network
    """

    masses_amu: dict[str, float]
    shares: dict[str, tuple[float, float]]
    bonds: tuple[str, ...]
    density: tuple[float, float]
    largest: int
    cutoff_nm: float

    @classmethod
    def of(cls, examples: list[Examples], cutoff_nm: float) -> "KnownLiquids":
        """What some boxes have in common.

        Raises
        ------
        MoleculeError
            If a box is not rectangular or too thin for the cutoff, or beads of one kind differ in mass.
        """
        masses: dict[str, float] = {}
        shares: dict[str, list[float]] = {}
        densities: list[float] = []
        for part in examples:
            particles = part.particles
            for kind, mass in zip(particles.types, particles.masses_amu):
                if abs(mass - masses.setdefault(kind, mass)) > AGREES * mass:
                    raise MoleculeError(
                        f"liquid: expected one mass of every kind of beads, found {masses[kind]:g} and"
                        f" {mass:g} u of {kind}; give the masses of the same force field."
                    )
            for box in np.unique(part.box.numpy(), axis=0):
                _require_box(box, cutoff_nm)
                densities.append(len(particles) / float(np.linalg.det(box.astype(float))))
        for part in examples:
            found = _shares(part.particles)
            for kind in masses:
                shares.setdefault(kind, []).append(found.get(kind, 0.0))
        return cls(
            dict(sorted(masses.items())),
            {kind: (min(values), max(values)) for kind, values in sorted(shares.items())},
            tuple(sorted({name for part in examples for name in _bonds(part.particles)})),
            (min(densities), max(densities)),
            max(len(part.particles) for part in examples),
            cutoff_nm,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of beads, sorted."""
        return tuple(sorted(self.masses_amu))

    def mass_of(self, kind: str) -> float | None:
        """Mass, amu, of a bead of this type; None of others."""
        return self.masses_amu.get(kind)

    def require(self, particles: Particles) -> None:
        """Refuse beads, bonds and contents that training had not.

        Raises
        ------
        MoleculeError
        """
        for bead, (kind, mass) in enumerate(zip(particles.types, particles.masses_amu)):
            if kind not in self.masses_amu:
                raise MoleculeError(
                    f"bind: the model never saw a bead such as {bead} ({kind}); expected"
                    f" {', '.join(self.kinds)}; map the liquid as those in training, or use another model."
                )
            if abs(mass - self.masses_amu[kind]) > AGREES * self.masses_amu[kind]:
                raise MoleculeError(
                    f"bind: bead {bead} ({kind}) has another mass than in training; expected"
                    f" {self.masses_amu[kind]:g} u, found {mass:g}; give the masses of the training data."
                )
        for name in sorted(_bonds(particles)):
            if name not in self.bonds:
                raise MoleculeError(
                    f"bind: the model never saw the bond {name}; expected {', '.join(self.bonds) or 'none'};"
                    " use a model that was trained on such molecules."
                )
        found = _shares(particles)
        for kind, (least, largest) in self.shares.items():
            share = found.get(kind, 0.0)
            if not least * (1 - MARGIN) <= share <= largest * (1 + MARGIN):
                raise MoleculeError(
                    f"bind: the content of {kind} is outside of training; expected {100 * least:.3g} to"
                    f" {100 * largest:.3g} % of the beads, found {100 * share:.3g} %; use another"
                    " composition, or train on such."
                )

    def require_box(self, particles: Particles, box_nm) -> None:
        """Refuse a box (3, 3), nm, of a shape or density that training had not.

        Raises
        ------
        MoleculeError
        """
        box = np.asarray(box_nm, dtype=float)
        _require_box(box, self.cutoff_nm)
        least, largest = self.density
        density = len(particles) / np.linalg.det(box)
        if not least * (1 - MARGIN) <= density <= largest * (1 + MARGIN):
            raise MoleculeError(
                f"bind: the density is outside of training; expected {least:.4g} to {largest:.4g} beads a"
                f" cubic nanometre, found {density:.4g}; bring the box to the volume of its pressure first."
            )

    def beyond(self, particles: Particles) -> str:
        """As `Coverage.beyond`: boxes larger than those in training are no extrapolation of a liquid."""
        size = len(particles)
        if size <= self.largest:
            return "none in size"
        return f"a box of {size} beads, where the largest in training had {self.largest}"

    def require_handedness(self, particles: Particles, centres) -> None:
        """Beads have no hand to the network."""

    def new_joints(self, particles: Particles) -> tuple[str, ...]:
        """None: bonds that training had not are refused."""
        return ()

    def to_tensor(self) -> Tensor:
        """JSON as bytes, (n,) uint8: a buffer that goes wherever the weights go."""
        return torch.tensor(list(json.dumps(asdict(self), sort_keys=True).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, content: Tensor) -> "KnownLiquids":
        """Inverse of `to_tensor`."""
        values = json.loads(bytes(content.tolist()))
        values["shares"] = {kind: tuple(ends) for kind, ends in values["shares"].items()}
        return cls(**values | {name: tuple(values[name]) for name in ("bonds", "density")})


def _require_box(box: np.ndarray, cutoff_nm: float) -> None:
    """Refuse boxes that are not rectangular, or whose nearest images a cutoff may confuse."""
    edges = np.diagonal(box)
    if np.abs(box - np.diag(edges)).max() > 1e-5:
        raise MoleculeError(
            "liquid: expected a rectangular box, found a triclinic one; simulate in a rectangular box."
        )
    if edges.min() < 2 * cutoff_nm:
        raise MoleculeError(
            f"liquid: the box is too thin; expected at least {2 * cutoff_nm:g} nm, two cutoffs, found"
            f" {edges.min():.4g}; use a larger box."
        )


def _shares(particles: Particles) -> dict[str, float]:
    counts = Counter(particles.types)
    return {kind: number / len(particles) for kind, number in counts.items()}


def _bonds(particles: Particles) -> set[str]:
    kinds = particles.types
    return {"-".join(sorted((kinds[i], kinds[j]))) for i, j in particles.bonds}
