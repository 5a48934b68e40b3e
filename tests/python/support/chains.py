"""Markov chains on the Ramachandran plane whose populations, rates and times are known."""

import numpy as np
from alanine import alanine_molecule

from openmm_scoredyn.comparison.blocks import Blocks
from openmm_scoredyn.comparison.measurement import Fit, blocks_of
from openmm_scoredyn.comparison.states import visits
from openmm_scoredyn.observables import Observations
from openmm_scoredyn.observables.peptide import RAMACHANDRAN, Peptide

# Centres of the beta, alpha_R and phi > 0 (alpha_L) cores, rad, and transition probabilities per frame.
CENTRES = np.radians([[-100.0, 150.0], [-80.0, -20.0], [60.0, 40.0]])
CHAIN = np.array([[0.96, 0.035, 0.005], [0.06, 0.937, 0.003], [0.01, 0.02, 0.97]])


def stationary(chain=CHAIN) -> np.ndarray:
    values, vectors = np.linalg.eig(chain.T)
    weights = np.real(vectors[:, np.argmax(np.real(values))])
    return weights / weights.sum()


def draw(replicas: int, frames: int, seed: int, chain=CHAIN) -> list[np.ndarray]:
    """Trajectories (frames, 2) of phi and psi, rad, begun at the equilibrium of `CHAIN`, with a
    small spread.
    """
    generator = np.random.default_rng(seed)
    state = generator.choice(3, size=replicas, p=stationary())
    path = np.empty((frames, replicas), dtype=int)
    for frame in range(frames):
        path[frame] = state
        state = (generator.random(replicas)[:, None] > np.cumsum(chain, axis=1)[state]).sum(axis=1)
    angles = CENTRES[path] + 0.05 * generator.normal(size=(frames, replicas, 2))
    return [angles[:, replica].astype(np.float32) for replica in range(replicas)]


def series(angles, spacing: float = 1.0) -> Observations:
    """Observations of phi and psi alone, of lists of (T, 2) rad."""
    values = np.concatenate(angles).astype(np.float32)
    lengths = tuple(len(one) for one in angles)
    conditions = {"force_field": "chain"}
    return Observations({"peptide": values}, lengths, spacing, 300.0, alanine_molecule(), False, conditions)


PEPTIDE = [Peptide(alanine_molecule())]


def joined(angles) -> tuple[np.ndarray, Blocks]:
    """Angles one after the other, (frames, 2) rad, and the blocks of them."""
    seen = series(angles)
    return seen.values["peptide"], blocks_of(seen, Fit.of(seen, PEPTIDE, markov_models=False))


def counted(angles) -> tuple:
    """Arguments of `populations`: angles, states, blocks and visits."""
    together, blocks = joined(angles)
    return together, RAMACHANDRAN, blocks, visits(together, RAMACHANDRAN, blocks)
