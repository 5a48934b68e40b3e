"""Training examples: ideal lattices, strained a little, with Gaussian noise on every atom."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.crystals.lattices import Lattice
from openmm_scoredyn.crystals.neighbours import Neighbours, find_neighbours

# Thermal expansion and the error of a measured scale are no noise and must be left alone: targets are scaled
# by as much.
SCALE_SPREAD = 0.03


@dataclass(frozen=True, eq=False)
class Batch:
    """Several noised lattices as one graph without edges between them.

    Attributes
    ----------
    separations, neighbours, present, kinds : as `LatticeDenoiser.forward` takes them
    displacements : (N, 3), the noise, in nearest-neighbour distances; its mean over each lattice is zero
    owners : (N,) int64, lattice of each atom
    sigmas : (L,), noise level of each lattice
    """

    separations: Tensor
    neighbours: Tensor
    present: Tensor
    kinds: Tensor
    displacements: Tensor
    owners: Tensor
    sigmas: Tensor


def draw_batch(
    lattices: list[Lattice],
    species: tuple[str, ...],
    sigma_max: float,
    cutoff: float,
    generator: np.random.Generator,
    strain_spread: float = 0.015,
) -> Batch:
    """One noised example of every lattice in the list.

    The noise level is uniform between 0 and `sigma_max`, in nearest-neighbour distances, per lattice.
    Lattices are strained at random by `strain_spread`, as in real crystals, hcp with its axial ratio above
    all.
    """
    examples, sigmas = [], []
    for lattice in lattices:
        sigma = sigma_max * generator.random()
        strain = (1 + SCALE_SPREAD * generator.normal()) * (np.eye(3) + _symmetric(generator, strain_spread))
        positions, cell = lattice.positions @ strain, lattice.cell @ strain
        noise = sigma * generator.normal(size=positions.shape)
        noise = without_rigid_motion(noise, positions, cell, lattice.periodic)
        near = find_neighbours(positions + noise, cell, lattice.periodic, cutoff)
        kinds = np.array([species.index(element) for element in lattice.elements])
        examples.append((near, kinds, noise))
        sigmas.append(sigma)
    return _join(examples, sigmas)


def without_rigid_motion(noise: np.ndarray, positions: np.ndarray, cell: np.ndarray, periodic) -> np.ndarray:
    """Noise (N, 3) without the shift and the turn of the whole that it holds, neither of which can be seen.

    A crystal that repeats in two directions or more cannot turn, and a wire only around itself.
    """
    noise = noise - noise.mean(axis=0)
    repeating = np.flatnonzero(periodic)
    if len(repeating) > 1:
        return noise
    arms = positions - positions.mean(axis=0)
    axes = np.eye(3) if len(repeating) == 0 else cell[repeating]
    turns = np.cross(axes[:, None], arms[None]).reshape(len(axes), -1)
    weights = np.linalg.lstsq(turns.T, noise.ravel(), rcond=None)[0]
    return noise - (weights @ turns).reshape(noise.shape)


def _symmetric(generator: np.random.Generator, spread: float) -> np.ndarray:
    strain = spread * generator.normal(size=(3, 3))
    return (strain + strain.T) / 2


def _join(examples: list[tuple[Neighbours, np.ndarray, np.ndarray]], sigmas: list[float]) -> Batch:
    sizes = [len(kinds) for _, kinds, _ in examples]
    width = max(near.indices.shape[1] for near, _, _ in examples)
    n_atoms = sum(sizes)
    indices = np.zeros((n_atoms, width), dtype=np.int64)
    present = np.zeros((n_atoms, width), dtype=np.float32)
    separations = np.zeros((n_atoms, width, 3), dtype=np.float32)
    start = 0
    for (near, _, _), size in zip(examples, sizes):
        part = (slice(start, start + size), slice(0, near.indices.shape[1]))
        indices[part], present[part] = near.indices + start, near.present
        separations[part] = near.separations
        start += size
    return Batch(
        torch.from_numpy(separations),
        torch.from_numpy(indices),
        torch.from_numpy(present),
        torch.from_numpy(np.concatenate([kinds for _, kinds, _ in examples])),
        torch.from_numpy(np.concatenate([noise for _, _, noise in examples]).astype(np.float32)),
        torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
        torch.tensor(sigmas, dtype=torch.float32),
    )
