"""What a model of bead chains was trained on, and which chains it may be bound to."""

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.composition import composition
from openmm_scoredyn.molecule.particles import Particles, mass_of_element
from openmm_scoredyn.networks.chain_flow.chain import require_linear
from openmm_scoredyn.networks.known import AGREES


@dataclass(frozen=True)
class KnownChains:
    """The chains in training.

    Attributes
    ----------
    masses_amu : dict of float, mass of each kind of fine beads
    sizes : tuple of int, numbers of fine beads, or atoms, of a bead, ascending
    largest, smallest : int, beads of the longest and the shortest chain
    lengths_nm : (mean, spread) of the bonds between beads
    """

    masses_amu: dict[str, float]
    sizes: tuple[int, ...]
    largest: int
    smallest: int
    lengths_nm: tuple[float, float]

    @classmethod
    def of(cls, chains: list[Particles], lengths_nm: tuple[float, float]) -> "KnownChains":
        """What some chains have in common.

        Raises
        ------
        MoleculeError
            If one is no linear chain of beads, or a kind of fine beads has no mass of its own.
        """
        sizes, rows, masses = set(), [], []
        for particles in chains:
            require_linear(particles)
            for kind, mass in zip(particles.types, particles.masses_amu):
                rows.append(composition(kind))
                masses.append(mass)
                sizes.add(sum(rows[-1].values()))
        kinds = sorted({kind for row in rows for kind in row})
        counts = torch.tensor([[row.get(kind, 0) for kind in kinds] for row in rows], dtype=torch.float64)
        total = torch.tensor(masses, dtype=torch.float64)
        # where the compositions leave it open, elements have their own masses
        usual = torch.tensor([mass_of_element(kind) or 0.0 for kind in kinds], dtype=torch.float64)
        found = usual + torch.linalg.pinv(counts) @ (total - counts @ usual)
        if not torch.allclose(counts @ found, total, rtol=AGREES):
            raise MoleculeError(
                "chain_flow: expected one mass of every kind of fine beads, found beads whose masses do not"
                " add up; give the masses of the same force field."
            )
        lengths = [len(particles) for particles in chains]
        by_kind = {kind: float(mass) for kind, mass in zip(kinds, found)}
        return cls(by_kind, tuple(sorted(sizes)), max(lengths), min(lengths), lengths_nm)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of fine beads, sorted."""
        return tuple(sorted(self.masses_amu))

    def mass_of(self, bead_type: str) -> float | None:
        """Mass of a bead, amu; None for one that is made of other things."""
        try:
            parts = composition(bead_type)
        except MoleculeError:
            return None
        if not parts.keys() <= self.masses_amu.keys():
            return None
        return sum(number * self.masses_amu[kind] for kind, number in parts.items())

    def require(self, particles: Particles) -> None:
        """Refuse what is no chain of such beads.

        Raises
        ------
        MoleculeError
        """
        for bead, (kind, mass) in enumerate(zip(particles.types, particles.masses_amu)):
            parts = composition(kind)
            unknown = sorted(parts.keys() - self.masses_amu.keys())
            if unknown:
                raise MoleculeError(
                    f"bind: the model never saw {unknown[0]}, of which bead {bead} ({kind}) is made; expected"
                    f" {', '.join(self.kinds)}; use a model that was trained on such chains."
                )
            if sum(parts.values()) not in self.sizes:
                raise MoleculeError(
                    f"bind: bead {bead} ({kind}) is made of {sum(parts.values())} fine beads or atoms;"
                    f" expected {' or '.join(map(str, self.sizes))}; map the chain as those in training."
                )
            expected = self.mass_of(kind)
            if expected is None or abs(mass - expected) > AGREES * expected:
                raise MoleculeError(
                    f"bind: bead {bead} ({kind}) has another mass than in training; expected {expected:g} u,"
                    f" found {mass:g}; give the masses of the training data."
                )
        require_linear(particles)

    def beyond(self, particles: Particles) -> str:
        """As `Coverage.beyond`: longer and shorter chains than those in training."""
        size = len(particles)
        if self.smallest <= size <= self.largest:
            return "none in size"
        had = f"{self.smallest} to {self.largest}" if self.smallest < self.largest else f"{self.largest}"
        return f"a chain of {size} beads, where training had {had}"

    def require_handedness(self, particles: Particles, centres) -> None:
        """Beads in a line have no stereocentres."""

    def require_box(self, particles: Particles, box_nm) -> None:
        """A chain has no box."""

    def new_joints(self, particles: Particles) -> tuple[str, ...]:
        """None: beads of any composition may be neighbours."""
        return ()

    def to_tensor(self) -> Tensor:
        """JSON as bytes, (n,) uint8: a buffer that goes wherever the weights go."""
        return torch.tensor(list(json.dumps(asdict(self), sort_keys=True).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, content: Tensor) -> "KnownChains":
        """Inverse of `to_tensor`."""
        values = json.loads(bytes(content.tolist()))
        return cls(**values | {name: tuple(values[name]) for name in ("sizes", "lengths_nm")})
