"""Crystals for the tests of denoising, and what is known about them without a classifier."""

import numpy as np
from ase.build import bulk

COPPER_NM = 0.2556
# Coordination of the first shell, and a distance between it and the next, in nearest-neighbour distances.
SHELLS = {"fcc": (12, 1.2), "hcp": (12, 1.2), "bcc": (14, 1.39), "sc": (6, 1.2), "diamond": (4, 1.3)}


def crystal(structure="fcc", repetitions=3, spacing_nm=COPPER_NM):
    """Ideal positions (N, 3) and cell (3, 3), nm."""
    shapes = {
        "fcc": ("Cu", {"a": 2**0.5, "cubic": True}),
        "bcc": ("Fe", {"a": 2 / 3**0.5, "cubic": True}),
        "hcp": ("Mg", {"a": 1.0, "covera": (8 / 3) ** 0.5, "orthorhombic": True}),
        "sc": ("Po", {"a": 1.0}),
        "diamond": ("C", {"a": 4 / 3**0.5, "cubic": True}),
    }
    symbol, shape = shapes[structure]
    atoms = bulk(symbol, structure, **shape)
    atoms = atoms.repeat(repetitions if structure != "sc" else 5)
    return spacing_nm * atoms.positions, spacing_nm * np.array(atoms.cell[:])


def neighbour_numbers(positions, cell, reach, periodic=True):
    """Neighbours of every atom within `reach`, by looking at all pairs and all 27 images."""
    images = np.array(list(np.ndindex(3, 3, 3))) - 1 if periodic else np.zeros((1, 3))
    counts = np.zeros(len(positions), dtype=int)
    for shift in images @ cell:
        lengths = np.linalg.norm(positions[None] + shift - positions[:, None], axis=-1)
        counts += (lengths < reach).sum(axis=1)
    return counts - 1


def is_ordered(positions, cell, structure, spacing_nm=COPPER_NM):
    """For every atom: whether it has the neighbours of its lattice, none of them near the edge
    of the shell.
    """
    number, edge = SHELLS[structure]
    inner, outer = (neighbour_numbers(positions, cell, spacing_nm * edge * factor) for factor in (0.95, 1.05))
    return (inner == number) & (outer == number)


def waves(positions, cell, spacing_nm, amplitude=0.14, seed=3):
    """Displacements (N, 3) of many plane waves with random phases: correlated, as thermal motion is, unlike
    training noise.

    `amplitude` is the root mean square displacement in nearest-neighbour distances.
    """
    generator = np.random.default_rng(seed)
    reciprocal = 2 * np.pi * np.linalg.inv(cell)
    moved = np.zeros_like(positions)
    for _ in range(300):
        numbers = generator.integers(-6, 7, 3)
        if not numbers.any():
            continue
        wave = reciprocal @ numbers
        # Equipartition: amplitudes fall with the frequency, which grows with the wave vector.
        moved += (
            generator.normal(size=3)
            / np.linalg.norm(wave)
            * np.cos(positions @ wave + 6.283 * generator.random())[:, None]
        )
    return amplitude * spacing_nm * moved / np.sqrt((moved**2).sum(axis=1).mean())
