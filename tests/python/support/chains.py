"""Markov chains on the Ramachandran plane whose populations, rates and times are known."""

import numpy as np

from openmm_scoredyn.comparison import DihedralSeries

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


def series(angles, spacing: float = 1.0) -> DihedralSeries:
    return DihedralSeries(tuple(angles), spacing, 300.0, {"force_field": "chain"})
