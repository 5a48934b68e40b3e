"""Liquids and beads in a periodic box: radial distributions, and how far molecules move."""

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement
from typing import ClassVar

import numpy as np

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Contribution, Observable, Quantity, Sample, Statistic
from openmm_scoredyn.observables.statistics import LAGS_PS, mean_of_pairs

RADIAL, MOVED = "Radial distribution", "Mean squared displacement"
SHELL_NM, FARTHEST_NM = 0.02, 1.0
# Frames whose pairs are looked at together.
PAIRS_AT_ONCE = 2_000_000


class RadialDistribution(Observable):
    """g(r) of particles of different bonded parts, for every pair of types.

    Notes
    -----
    Density of pairs at a distance over that of an ideal gas in the same box, up to 1 nm or half of the
    smallest height of the box; nearest images.
    """

    name = "rdf"
    captions: ClassVar[Mapping[str, str]] = {
        RADIAL: (
            "Density of pairs of different molecules at a distance, over that of an ideal gas in the same"
            f" box, in shells of {SHELL_NM:g} nm, nearest images, averaged over frames."
        )
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {RADIAL: ("distance (nm)", "g(r)")}

    def __init__(self, particles: Particles):
        part_of = np.empty(len(particles), dtype=int)
        for number, part in enumerate(particles.parts):
            part_of[part] = number
        types = np.array(particles.types)
        self.edges = np.linspace(0.0, FARTHEST_NM, round(FARTHEST_NM / SHELL_NM) + 1)
        self.pairs = {}
        first, second = np.triu_indices(len(particles), 1)
        apart = part_of[first] != part_of[second]
        first, second = first[apart], second[apart]
        for one, other in combinations_with_replacement(sorted(set(particles.types)), 2):
            like = ((types[first] == one) & (types[second] == other)) | (
                (types[first] == other) & (types[second] == one)
            )
            if like.any():
                self.pairs[f"{one}-{other}"] = (first[like], second[like])

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "RadialDistribution | None":
        """As `Observable.of`."""
        return cls(particles) if periodic and len(particles.parts) > 1 else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """g(r) of each frame, shell by shell, one pair of types after the other, and half of the smallest
        height of the box, nm; (T, P S + 1).
        """
        shells = 4.0 / 3.0 * np.pi * np.diff(self.edges**3)
        volume = np.abs(np.linalg.det(boxes.astype(np.float64)))
        result = np.zeros((len(positions), len(self.pairs), len(shells)))
        for k, (first, second) in enumerate(self.pairs.values()):
            step = max(1, PAIRS_AT_ONCE // len(first))
            for start in range(0, len(positions), step):
                piece = slice(start, start + step)
                apart = nearest_image(positions[piece][:, second] - positions[piece][:, first], boxes[piece])
                shell = (np.linalg.norm(apart, axis=-1) / SHELL_NM).astype(int)
                inside = shell < len(shells)
                frame = np.broadcast_to(np.arange(len(shell))[:, None], shell.shape)[inside]
                counts = np.bincount(
                    frame * len(shells) + shell[inside], minlength=len(shell) * len(shells)
                ).reshape(len(shell), -1)
                result[piece, k] = counts * volume[piece, None] / (shells * len(first))
        half = 0.5 / np.linalg.norm(np.linalg.inv(boxes.astype(np.float64)), axis=1).max(axis=1)
        return np.concatenate([result.reshape(len(positions), -1), half[:, None]], axis=1)

    def fit(self, sample: Sample) -> dict:
        """Which shells are compared, as columns: those within half of the box that hold pairs in the
        reference.
        """
        within = np.tile(self.edges[1:] <= sample.values[:, -1].min(), len(self.pairs))
        return {"columns": np.flatnonzero(within & sample.values[:, :-1].any(axis=0)).tolist()}

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """g in each shell."""
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        columns = np.array(fitted["columns"], dtype=int)
        names = list(self.pairs)
        quantities = []
        for column in columns.tolist():
            pair, r = names[column // len(middles)], middles[column % len(middles)]
            quantities.append(
                Quantity(
                    RADIAL,
                    f"g of {pair} at {r:.2f} nm",
                    "",
                    absolute_tolerance=0.05,
                    of_frames=True,
                    curve=pair,
                    at=float(round(r, 6)),
                )
            )
        values = sample.values[:, columns]
        variance = values.var(axis=0, dtype=np.float64)
        yield Statistic(
            tuple(quantities),
            (Contribution(np.arange(len(values)), values),),
            lambda sums: sums[..., :-1] / sums[..., -1:],
            variance=lambda _: variance,
        )


class MeanSquaredDisplacement(Observable):
    """Mean squared displacement of the centres of bonded parts, for each kind of part.

    Notes
    -----
    Jumps by a box between two frames are undone; a centre must not move by half a box from one frame to the
    next. The motion of all together is taken away.
    """

    name = "msd"
    captions: ClassVar[Mapping[str, str]] = {
        MOVED: "Of centres of mass, unwrapped, relative to the centre of all; nm^2."
    }
    axes: ClassVar[Mapping[str, tuple[str, str]]] = {MOVED: ("time (ps)", "nm^2")}

    def __init__(self, particles: Particles):
        self.parts = particles.parts
        masses = np.array(particles.masses_amu)
        self.weights = [masses[part] / masses[part].sum() for part in self.parts]
        self.shares = np.array([masses[part].sum() for part in self.parts]) / masses.sum()
        kinds = ["-".join(particles.types[atom] for atom in part) for part in self.parts]
        self.kinds = {
            kind if len(kind) <= 20 else f"part of {len(self.parts[kinds.index(kind)])}, {kind[:12]}...": [
                k for k, other in enumerate(kinds) if other == kind
            ]
            for kind in dict.fromkeys(kinds)
        }

    @classmethod
    def of(cls, particles: Particles, periodic: bool) -> "MeanSquaredDisplacement | None":
        """As `Observable.of`."""
        return cls(particles) if periodic and len(particles.parts) > 1 else None

    def features(self, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Centres of mass of the parts, then the box, (T, 3 P + 9), nm."""
        centres = [
            np.einsum("n,tnx->tx", weights, positions[:, part].astype(np.float64))
            for part, weights in zip(self.parts, self.weights, strict=True)
        ]
        return np.concatenate([*centres, boxes.reshape(-1, 9)], axis=1)

    def statistics(self, sample: Sample, fitted: dict) -> Iterable[Statistic]:
        """Displacement squared of each kind at some lags."""
        centres = self._unwrapped(sample)
        for lag_ps, lag in sample.lags(LAGS_PS):
            earlier, later = sample.pairs(lag)
            squared = ((centres[later] - centres[earlier]) ** 2).sum(axis=-1)
            for kind, members in self.kinds.items():
                quantity = Quantity(
                    MOVED,
                    f"{kind} at {lag_ps:g} ps",
                    "nm^2",
                    relative_tolerance=0.05,
                    ratio=True,
                    of_frames=True,
                    curve=kind,
                    at=lag_ps,
                )
                yield mean_of_pairs(quantity, later, squared[:, members].mean(axis=1))

    def _unwrapped(self, sample: Sample) -> np.ndarray:
        """Centres without jumps, relative to the centre of all, (T, P, 3) float64."""
        values = sample.values.astype(np.float64)
        centres, boxes = values[:, :-9].reshape(len(values), -1, 3), values[:, -9:].reshape(-1, 3, 3)
        pieces, first = [], 0
        for length in sample.lengths:
            piece = slice(first, first + length)
            steps = nearest_image(np.diff(centres[piece], axis=0), boxes[piece][1:])
            pieces.append(np.concatenate([centres[piece][:1], centres[first] + np.cumsum(steps, axis=0)]))
            first += length
        unwrapped = np.concatenate(pieces)
        return unwrapped - np.einsum("p,tpx->tx", self.shares, unwrapped)[:, None]


def nearest_image(vectors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Vectors (T, K, 3) by whole boxes (T, 3, 3), lower triangular as OpenMM's, to the nearest image; right
    up to half of the smallest height of the box.
    """
    vectors = vectors.astype(np.float64)
    for axis in (2, 1, 0):
        box = boxes[:, None, axis].astype(np.float64)
        vectors = vectors - np.round(vectors[..., axis, None] / box[..., axis, None]) * box
    return vectors


OBSERVABLES = (RadialDistribution, MeanSquaredDisplacement)
