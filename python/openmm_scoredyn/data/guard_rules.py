"""Rules of the guard, learnt from molecular dynamics: what no frame of it does, a model may not do either."""

from collections.abc import Iterator, Sequence

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.composition import is_group
from openmm_scoredyn.molecule.geometry import (
    bond_angles,
    bond_lengths,
    bonded_angles,
    bonds_apart,
    dihedral_angles,
    minimum_image,
    planar_torsions,
    stereocentres,
    triple_products,
)
from openmm_scoredyn.molecule.particles import Particles

# Relative: 1.25 to 1.7 Angstrom for a C-C bond, seven standard deviations of its vibration.
BOND_TOLERANCE = 0.15
# A bond of groups of particles spreads as far as the data say, with room for those of longer data.
_GROUP_BOND_ROOM = 1.25
# An angle vibrates nearly harmonically: beyond six standard deviations lie 2 of 10^9 frames. Where the
# distribution has longer tails, the extremes of the data count, with room for those of longer data.
_ANGLE_DEVIATIONS = 6.0
_ANGLE_ROOM = 1.5
# The repulsion doubles every 0.01 to 0.02 nm there, so that one part in ten is rarer by many orders.
_CONTACT_ROOM = 0.9
_LEAST_APART = 4
# A torsion about a partial double bond stays this close to planar in every frame; it turns at 90 degrees.
_LARGEST_TWIST_DEG = 75.0
# At a planar particle the triple product of its bonds, as unit vectors, is 0 on average; tetrahedral: 0.77.
_PLANAR_TRIPLE = 0.2
_BLOCK_DISTANCES = 2_000_000


def learn_guard_rules(trajectories: Sequence[Trajectory]) -> dict:
    """Rules of the card's guard (`particles.guard`) from trajectories, all but the displacement.

    Parameters
    ----------
    trajectories : of the same particles; steered and shot ones widen what is allowed, so give all

    Returns
    -------
    dict, JSON-ready
        `bond_lengths_nm` (mean of each bond) and `bond_tolerance`; `angles` (i, j, k) with
        `angle_limits_deg`; `stereocentres` (centre, a, b, c), whose triple product is positive in every
        frame; `double_bonds` (i, j, k, l) with `double_bonds_cis`, torsions between planar particles that
        never turn; `contacts`, the closest approach of two classes (`contact_classes`) four or more bonds
        apart, but not beyond their Lennard-Jones diameter where the particles have a force field: short
        trajectories may not have seen every conformation.

    Raises
    ------
    TrajectoryError
        If there is no trajectory.
    """
    if not trajectories:
        raise TrajectoryError("guard: no trajectories to learn rules from; expected one or more; give some.")
    particles = trajectories[0].molecule
    terms = _Terms(particles)
    found = _Extremes(terms)
    for positions, box in _blocks(trajectories, len(terms.pairs)):
        found.add(positions, box)
    centres = [
        (centre, a, b, c) if low > 0 else (centre, b, a, c)
        for (centre, a, b, c), low, high in zip(
            terms.centres, found.triple_low, found.triple_high, strict=True
        )
        if low > 0 or high < 0
    ]
    planar = np.abs(found.mean("flatness")) < _PLANAR_TRIPLE
    twist = np.cos(np.radians(_LARGEST_TWIST_DEG))
    double = [
        (tuple(torsion), bool(low > 0))
        for torsion, low, high in zip(terms.torsions, found.cosine_low, found.cosine_high, strict=True)
        if all(planar[terms.flat_of[atom]] for atom in torsion[1:3] if atom in terms.flat_of)
        and (low > twist or high < -twist)
    ]
    return {
        "bond_lengths_nm": found.mean("bond").tolist(),
        "bond_tolerance": found.bond_tolerance(particles),
        "angles": terms.angles.tolist(),
        "angle_limits_deg": found.angle_limits().tolist(),
        "stereocentres": [list(map(int, centre)) for centre in centres],
        "double_bonds": [list(map(int, torsion)) for torsion, _ in double],
        "double_bonds_cis": [cis for _, cis in double],
        "contact_classes": terms.classes.tolist(),
        "contacts": found.contacts(),
    }


class _Terms:
    """What is measured in every frame of a molecule."""

    def __init__(self, particles: Particles):
        self.bonds = np.array(particles.bonds, dtype=int).reshape(-1, 2)
        self.angles = np.array(bonded_angles(particles), dtype=int).reshape(-1, 3)
        self.centres = np.array(stereocentres(particles), dtype=int).reshape(-1, 4)
        self.torsions = np.array(planar_torsions(particles), dtype=int).reshape(-1, 4)
        neighbours = particles.neighbours
        flat = sorted({int(a) for a in self.torsions[:, 1:3].ravel() if len(neighbours[a]) == 3})
        self.flat = np.array([(atom, *neighbours[atom]) for atom in flat], dtype=int).reshape(-1, 4)
        self.flat_of = {atom: row for row, atom in enumerate(flat)}
        apart = bonds_apart(particles, _LEAST_APART - 1)
        self.pairs = np.argwhere(np.triu(apart >= _LEAST_APART, k=1))
        names = [_contact_class(particles, atom) for atom in range(len(particles))]
        self.classes = np.array([sorted(set(names)).index(name) for name in names])
        self.pair_classes = np.sort(self.classes[self.pairs], axis=1)
        self.diameters = _diameters(particles, self.pairs)


def _contact_class(particles: Particles, atom: int) -> str:
    """A hydrogen counts with what it is bonded to: one on nitrogen comes far closer to oxygen than others."""
    own = particles.types[atom]
    return f"{own}-{particles.types[particles.neighbours[atom][0]]}" if _is_light(particles, atom) else own


def _diameters(particles: Particles, pairs: np.ndarray) -> np.ndarray:
    """Where the Lennard-Jones energy of each pair is zero, nm, combined as Lorentz and Berthelot do; infinite
    where nothing is known to repel.
    """
    field = particles.force_field
    if field is None:
        return np.full(len(pairs), np.inf)
    sigma, epsilon = np.array(field.sigma_nm)[pairs], np.array(field.epsilon_kj)[pairs]
    return np.where((epsilon > 0).all(axis=1), sigma.mean(axis=1), np.inf)


def _is_light(particles: Particles, atom: int) -> bool:
    return particles.types[atom] == "H" and len(particles.neighbours[atom]) == 1


class _Extremes:
    """Sums and extremes of all terms over blocks of frames."""

    def __init__(self, terms: _Terms):
        self._terms, self._frames = terms, 0
        self._sums = {
            "bond": np.zeros(len(terms.bonds)),
            "angle": np.zeros(len(terms.angles)),
            "square": np.zeros(len(terms.angles)),
            "flatness": np.zeros(len(terms.flat)),
        }
        self.bond_low, self.bond_high = _open_range(len(terms.bonds))
        self.angle_low, self.angle_high = _open_range(len(terms.angles))
        self.triple_low, self.triple_high = _open_range(len(terms.centres))
        self.cosine_low, self.cosine_high = _open_range(len(terms.torsions))
        self._closest = np.full(len(terms.pairs), np.inf)

    def add(self, positions: np.ndarray, box: np.ndarray | None) -> None:
        """Take account of frames (T, N, 3), nm, with boxes (T, 3, 3)."""
        terms = self._terms
        angles = bond_angles(positions, terms.angles)
        measured = {
            "bond": bond_lengths(positions, terms.bonds),
            "angle": angles,
            "square": angles**2,
            "flatness": triple_products(positions, terms.flat, unit_vectors=True),
        }
        for name, values in measured.items():
            self._sums[name] += values.sum(axis=0)
        self._frames += len(positions)
        _widen((self.bond_low, self.bond_high), measured["bond"])
        _widen((self.angle_low, self.angle_high), angles)
        _widen((self.triple_low, self.triple_high), triple_products(positions, terms.centres))
        _widen((self.cosine_low, self.cosine_high), np.cos(dihedral_angles(positions, terms.torsions)))
        if len(terms.pairs):
            np.minimum(self._closest, _distances(positions, box, terms.pairs).min(axis=0), out=self._closest)

    def mean(self, name: str) -> np.ndarray:
        """Mean of a term over all frames."""
        return self._sums[name] / self._frames

    def bond_tolerance(self, particles: Particles) -> float:
        """Of atoms what chemistry says; of beads that stand for several particles what the data do."""
        if not len(self.bond_low) or not any(map(is_group, particles.types)):
            return BOND_TOLERANCE
        mean = self.mean("bond")
        farthest = np.maximum(self.bond_high / mean - 1, 1 - self.bond_low / mean).max()
        return max(BOND_TOLERANCE, _GROUP_BOND_ROOM * float(farthest))

    def angle_limits(self) -> np.ndarray:
        """(K, 2), degrees."""
        mean = self.mean("angle")
        deviation = np.sqrt(np.maximum(self.mean("square") - mean**2, 0.0))
        low = np.minimum(mean - _ANGLE_DEVIATIONS * deviation, self.angle_low - _ANGLE_ROOM * deviation)
        high = np.maximum(mean + _ANGLE_DEVIATIONS * deviation, self.angle_high + _ANGLE_ROOM * deviation)
        return np.stack([np.maximum(low, 0.0), np.minimum(high, 180.0)], axis=1)

    def contacts(self) -> list[dict]:
        """Smallest distance allowed between each two classes."""
        found: dict[tuple[int, int], float] = {}
        nearest = np.minimum(self._closest, self._terms.diameters)
        for (a, b), distance in zip(self._terms.pair_classes.tolist(), nearest, strict=True):
            found[a, b] = min(found.get((a, b), np.inf), float(distance))
        return [
            {"classes": list(classes), "min_distance_nm": _CONTACT_ROOM * distance}
            for classes, distance in sorted(found.items())
        ]


def _open_range(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(size, np.inf), np.full(size, -np.inf)


def _widen(limits: tuple[np.ndarray, np.ndarray], values: np.ndarray) -> None:
    low, high = limits
    np.minimum(low, values.min(axis=0), out=low)
    np.maximum(high, values.max(axis=0), out=high)


def _distances(positions: np.ndarray, box: np.ndarray | None, pairs: np.ndarray) -> np.ndarray:
    apart = positions[:, pairs[:, 1]].astype(np.float64) - positions[:, pairs[:, 0]]
    return np.linalg.norm(apart if box is None else minimum_image(apart, box), axis=-1)


def _blocks(trajectories, n_pairs: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Frames (T, N, 3) and their boxes, so few at a time that their distances fit into memory."""
    size = max(1, _BLOCK_DISTANCES // max(n_pairs, 1))
    for trajectory in trajectories:
        for start in range(0, trajectory.n_frames, size):
            indices = np.arange(start, min(start + size, trajectory.n_frames))
            box = None if trajectory.box is None else trajectory.boxes(indices)
            yield trajectory.frames(indices), box
