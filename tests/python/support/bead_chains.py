"""Chains of fine beads, mapped to groups of them, and the Rouse chain, whose dynamics are known exactly."""

import numpy as np
import torch
from openmm import app

from openmm_scoredyn.coarse import Mapping
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.registry import NetworkChoice

MASS_AMU = 100.0


def fine_topology(types, bonds=None) -> app.Topology:
    """Beads one after the other, bonded in a row unless said otherwise."""
    made = app.Topology()
    residue = made.addResidue("BEA", made.addChain())
    atoms = [made.addAtom(kind, None, residue) for kind in types]
    for i, j in zip(range(len(types)), range(1, len(types))) if bonds is None else bonds:
        made.addBond(atoms[i], atoms[j])
    return made


def mapped(types, size: int, bonds=None) -> Mapping:
    masses = dict.fromkeys(types, MASS_AMU)
    return Mapping.equal_groups(fine_topology(types, bonds), size, masses_amu=masses)


def random_types(count: int, seed: int) -> list[str]:
    return np.random.default_rng(seed).choice(["B1", "B2", "S1", "S2"], count).tolist()


def walk(particles: Particles, frames: int, seed: int, step_nm: float = 1.0) -> torch.Tensor:
    """Random walks along a chain in its own order (P, N, 3), nm."""
    steps = step_nm * torch.randn(frames, len(particles), 3, generator=torch.Generator().manual_seed(seed))
    return steps.cumsum(1)


def examples(particles: Particles, before: torch.Tensor, after: torch.Tensor, lag_ps=1.0) -> Examples:
    ones = torch.ones(len(before))
    return Examples(
        particles,
        before[:, None],
        after,
        torch.zeros(len(before), 3, 3),
        ones,
        torch.zeros(len(before), dtype=torch.int8),
        lag_ps * ones,
        300.0 * ones,
        torch.zeros(len(before), 0),
    )


def network(part: Examples, seed: int = 0, jitter: float = 0.0, **options):
    """A chain_flow bound to the particles of examples; `jitter` moves its parameters off their start."""
    choice = NetworkChoice.of("chain_flow", **options)
    torch.manual_seed(seed)
    core = choice.architecture.fit(choice.config, [part])
    with torch.no_grad():
        for parameter in core.parameters():
            parameter += jitter * torch.randn(parameter.shape)
    return choice.architecture.bind(core, part.particles)


class RouseChain:
    """Beads in a row, overdamped, harmonic bonds of mean squared length b^2: an Ornstein-Uhlenbeck process.

    Parameters
    ----------
    count : beads
    bond_nm : root of the mean squared length of a bond along each axis
    rate : relaxation rate of a free bond times the lag
    """

    def __init__(self, count: int, bond_nm: float, rate: float):
        difference = np.diff(np.eye(count), axis=0)  # bonds from beads
        laplacian = difference @ difference.T  # of bonds among themselves
        values, vectors = np.linalg.eigh(laplacian)
        self.decay = (vectors * np.exp(-0.5 * rate * values)) @ vectors.T
        self.bond_nm = bond_nm
        self.covariance = bond_nm**2 * (np.eye(count - 1) - self.decay @ self.decay)

    def pairs(self, frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Equilibrium frames and those one lag later (P, N, 3); the centre stays."""
        rng = np.random.default_rng(seed)
        bonds = self.bond_nm * rng.normal(size=(frames, len(self.decay), 3))
        noise = np.linalg.cholesky(self.covariance) @ rng.normal(size=bonds.shape)
        return tuple(_beads(x) for x in (bonds, self.decay @ bonds + noise))

    def entropy(self) -> float:
        """Nats per coordinate of the bonds, in units of nm."""
        _, volume = np.linalg.slogdet(self.covariance)
        return 0.5 * np.log(2 * np.pi * np.e) + 0.5 * volume / len(self.decay)


def _beads(bonds: np.ndarray) -> torch.Tensor:
    chain = np.concatenate([np.zeros((len(bonds), 1, 3)), bonds.cumsum(1)], axis=1)
    return torch.from_numpy((chain - chain.mean(1, keepdims=True)).astype(np.float32))
