"""Size of a molecule: radius of gyration and end-to-end distance, of chains of atoms or beads."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Observable, Sample, Statistic
from openmm_scoredyn.observables.statistics import of_length

GROUP = "Size"
NAMES = ("end-to-end distance", "radius of gyration")
# Smaller molecules have no size of their own besides their bonds.
FEWEST = 3


def ends(particles: Particles, part: list[int]) -> tuple[int, int]:
    """The two particles of a bonded part, hydrogens aside, that are most bonds apart; the first such pair."""
    neighbours = particles.neighbours
    heavy = [atom for atom in part if particles.types[atom] != "H"] or part
    best, pair = -1, (heavy[0], heavy[-1])
    for start in heavy:
        steps, shell, depth = {start: 0}, [start], 0
        while shell:
            shell = list({new for atom in shell for new in neighbours[atom] if new not in steps})
            depth += 1
            steps |= dict.fromkeys(shell, depth)
        for other in heavy:
            if other > start and steps.get(other, -1) > best:
                best, pair = steps[other], (start, other)
    return pair


class Size(Observable):
    """End-to-end distance and radius of gyration of every bonded part of three particles or more, all alike.

    Parameters
    ----------
    particles : Particles
    parts : the bonded parts
    """

    name = "size"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "Ends: the two particles, hydrogens aside, that are most bonds apart. The radius of gyration"
            " is weighted by mass. Mean and standard deviation over frames and molecules; autocorrelation"
            " with its mean removed, 1 at time 0."
        )
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {GROUP: ("time (ps)", "autocorrelation")}

    def __init__(self, particles: Particles, parts: list[list[int]]):
        self.parts = parts
        self.ends = np.array([ends(particles, part) for part in parts])
        self.weights = [np.array([particles.masses_amu[atom] for atom in part]) for part in parts]

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "Size | None":
        """As `Observable.of`."""
        parts = [part for part in particles.parts if len(part) >= FEWEST]
        return cls(particles, parts) if parts else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """End-to-end distances of all parts, then their radii of gyration, (T, 2 P), nm."""
        apart = positions[:, self.ends[:, 1]].astype(np.float64) - positions[:, self.ends[:, 0]]
        radii = [
            _radius(positions[:, part].astype(np.float64), weights)
            for part, weights in zip(self.parts, self.weights, strict=True)
        ]
        return np.concatenate([np.linalg.norm(apart, axis=-1), np.stack(radii, axis=1)], axis=1)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Mean, spread and autocorrelation of both."""
        for name, values in zip(NAMES, np.split(sample.values, 2, axis=1), strict=True):
            yield from of_length(GROUP, name, values, sample)


def _radius(positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Radius of gyration of positions (T, n, 3), (T,)."""
    share = weights / weights.sum()
    centre = np.einsum("n,tnx->tx", share, positions)
    return np.sqrt(np.einsum("n,tnx->t", share, (positions - centre[:, None]) ** 2))


OBSERVABLES = (Size,)
