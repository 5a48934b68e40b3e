"""Distances between two particles that the user names."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.atoms import find_atoms, label
from openmm_scoredyn.observables.protocol import Observable, Sample, Statistic
from openmm_scoredyn.observables.statistics import of_length

GROUP = "Distances"


class Distance(Observable):
    """The distance of two particles: mean, spread and autocorrelation."""

    name = "distance"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: "Mean and standard deviation over frames; autocorrelation with its mean removed, 1 at time 0."
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {GROUP: ("time (ps)", "autocorrelation")}

    def __init__(self, particles: Particles, atoms: tuple[int, int]):
        self.atoms, self.label = atoms, label(atoms, particles)

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> None:
        """Nothing by itself: it needs its atoms."""

    @classmethod
    def parse(cls, argument: str, particles: Particles) -> "Distance":
        """Two atoms joined by a hyphen, see `find_atoms`."""
        first, second = find_atoms(argument, particles, 2)
        distance = cls(particles, (first, second))
        distance.name = f"distance:{argument}"
        return distance

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The distance, (T, 1), nm."""
        first, second = self.atoms
        apart = positions[:, second].astype(np.float64) - positions[:, first]
        return np.linalg.norm(apart, axis=-1, keepdims=True)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Mean, spread, and autocorrelation at some lags."""
        return of_length(GROUP, self.label, sample.values, sample)


OBSERVABLES = (Distance,)
