"""What is measured of an alkane, of MD and of a model alike: torsions by their place in the chain, methyl
rotors, size and geometry, each with its standard error.

Time is cut into blocks of one nanosecond, or a trajectory where it is shorter; errors are those of a
bootstrap over blocks. A torsion is in the well of the last core it was in: within 30 degrees of 65, -65 or
180 degrees. Hops are counted from frame to frame, so both sides need frames equally far apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from openmm_scoredyn.comparison.blocks import Blocks, cut
from openmm_scoredyn.comparison.distribution import divergence
from openmm_scoredyn.comparison.states import milestones
from openmm_scoredyn.comparison.uncertainty import Estimate, standard_error
from openmm_scoredyn.molecule.geometry import (
    bond_angles,
    bond_lengths,
    bonded_angles,
    bonds_apart,
    dihedral_angles,
    rotors,
)
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Quantity

KT_KJ_PER_MOL = 0.00831446 * 300
BLOCK_PS = 1000
TORSION_LAGS_PS, ROTOR_LAGS_PS = (1, 2, 5, 10, 50), (1, 5, 10)
CORE = np.radians(30)
WELLS = np.radians([180.0, 65.0, -65.0])
SIZE_BINS = 60
CLOSE_NM = 0.2  # hydrogens four bonds apart that are nearer count as close


@dataclass(frozen=True)
class Parts:
    """What is followed of a molecule.

    Attributes
    ----------
    places : dict of lists, columns of `torsions` by place, such as "outer"
    torsions, rotors : (K, 4) int
    bonds, angles : dict of (n, 2) and (n, 3) int, by class, such as "C-C"
    ends : (2,) int, the carbons farthest apart along bonds
    hydrogens : (P, 2) int, pairs four bonds apart or more
    """

    places: dict[str, list[int]]
    torsions: np.ndarray
    rotors: np.ndarray
    bonds: dict[str, np.ndarray]
    angles: dict[str, np.ndarray]
    ends: tuple[int, int]
    hydrogens: np.ndarray

    @classmethod
    def of(cls, particles: Particles) -> "Parts":
        """Of an alkane."""
        near, types = particles.neighbours, particles.types
        carbons = [
            [k for k in around if types[k] == "C"] if kind == "C" else []
            for kind, around in zip(types, near, strict=True)
        ]
        found = [
            (a, b, c, d)
            for b, c in particles.bonds
            if types[b] == types[c] == "C"
            for a in carbons[b]
            for d in carbons[c]
            if len({a, b, c, d}) == 4
        ]
        places: dict[str, list[int]] = {}
        for column, (_, b, c, _) in enumerate(found):
            places.setdefault(_place(carbons, b, c), []).append(column)
        apart = np.stack(np.nonzero(np.triu(bonds_apart(particles, 3) >= 4, 1)), 1)
        hydrogen = np.array([kind == "H" for kind in types])
        return cls(
            places,
            np.array(found, int).reshape(-1, 4),
            np.array([rotor.dihedral(particles) for rotor in rotors(particles)]),
            _by_class(types, [bond for bond in particles.bonds if types[bond[0]] == types[bond[1]]]),
            _by_class(types, bonded_angles(particles)),
            _farthest(carbons),
            apart[hydrogen[apart].all(1)],
        )


def _place(carbons: list[list[int]], b: int, c: int) -> str:
    """Where along the longest chain a bond lies, from the nearer end: "1" is the outermost with a torsion."""
    return str(min(_depth(carbons, b, c), _depth(carbons, c, b)))


def _depth(carbons: list[list[int]], start: int, barred: int) -> int:
    """Carbons on the longest way from `start` that does not go through `barred`, less one."""
    return max((1 + _depth(carbons, k, start) for k in carbons[start] if k != barred), default=0)


def _farthest(carbons: list[list[int]]) -> tuple[int, int]:
    ends = [k for k, around in enumerate(carbons) if len(around) == 1]

    def distances(start: int) -> dict[int, int]:
        reached, waiting = {start: 0}, [start]
        for atom in waiting:
            for other in carbons[atom]:
                if other not in reached:
                    reached[other] = reached[atom] + 1
                    waiting.append(other)
        return reached

    return max(((i, j) for i in ends for j in ends), key=lambda pair: distances(pair[0])[pair[1]])


def _by_class(types, groups) -> dict[str, np.ndarray]:
    found: dict[str, list] = {}
    for atoms in groups:
        words = [types[atom] for atom in atoms]
        found.setdefault("-".join(min(words, words[::-1])), []).append(atoms)
    return {name: np.array(rows) for name, rows in sorted(found.items())}


class Series:
    """Numbers of each frame of trajectories, one after the other.

    Parameters
    ----------
    parts : Parts
    numbers : dict of arrays (frames, ...), as `_numbers` makes them
    lengths : frames of each trajectory
    spacing_ps : float, time between frames
    """

    def __init__(self, parts: Parts, numbers: dict[str, np.ndarray], lengths: list[int], spacing_ps: float):
        self.parts, self.numbers, self.lengths, self.spacing_ps = parts, numbers, lengths, spacing_ps
        self.torsions, self.rotors = numbers["torsions"], numbers["rotors"]
        self.size_nm, self.nearest_nm = numbers["size"], numbers["nearest"]
        self.geometry = numbers["geometry"]
        self.blocks: Blocks = cut(
            [np.zeros((length, 1)) for length in lengths], block_frames=round(BLOCK_PS / spacing_ps)
        )
        self.nanoseconds = sum(lengths) * spacing_ps / 1000

    @classmethod
    def of_trajectories(cls, parts: Parts, trajectories: list[np.ndarray], spacing_ps: float) -> "Series":
        """Of positions (T, N, 3), nm, of each."""
        found = [_numbers(parts, positions) for positions in trajectories]
        joined = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
        return cls(parts, joined, [len(positions) for positions in trajectories], spacing_ps)

    @classmethod
    def of_replicas(cls, parts: Parts, pieces: Iterable[np.ndarray], spacing_ps: float) -> "Series":
        """Of positions (T, R, N, 3), nm, of R replicas, piece after piece in time; one piece at a time is
        held.
        """
        found = []
        for piece in pieces:
            numbers = _numbers(parts, piece.reshape(-1, *piece.shape[2:]))
            found.append({k: v.reshape(*piece.shape[:2], *v.shape[1:]) for k, v in numbers.items()})
        joined = {name: np.concatenate([one[name] for one in found]).swapaxes(0, 1) for name in found[0]}
        replicas, frames = joined["size"].shape[:2]
        return cls(
            parts,
            {k: v.reshape(-1, *v.shape[2:]) for k, v in joined.items()},
            [frames] * replicas,
            spacing_ps,
        )

    def wells(self) -> np.ndarray:
        """Well of each torsion: 0 trans, 1 and 2 gauche, -1 before the first (T, K)."""
        off = np.abs(np.angle(np.exp(1j * (self.torsions[..., None] - WELLS))))
        core = np.where(off.min(2) < CORE, off.argmin(2), -1)
        return np.stack([milestones(c, self.blocks.trajectory_starts) for c in core.T], 1)


def _numbers(parts: Parts, positions: np.ndarray) -> dict[str, np.ndarray]:
    carbons = sorted({int(k) for bond in parts.bonds["C-C"] for k in bond})
    ends = np.linalg.norm(positions[:, parts.ends[0]] - positions[:, parts.ends[1]], axis=1)
    middle = positions[:, carbons] - positions[:, carbons].mean(1, keepdims=True)
    gyration = np.sqrt((middle**2).sum(2).mean(1))
    gaps = positions[:, parts.hydrogens[:, 0]] - positions[:, parts.hydrogens[:, 1]]
    geometry = []
    for measured in (
        *(bond_lengths(positions, pairs) for pairs in parts.bonds.values()),
        *(bond_angles(positions, triples) for triples in parts.angles.values()),
    ):
        geometry += [measured.mean(1), (measured**2).mean(1)]
    return {
        "torsions": dihedral_angles(positions, parts.torsions).astype(np.float32),
        "rotors": dihedral_angles(positions, parts.rotors).astype(np.float32),
        "size": np.stack([ends, gyration], 1),
        "nearest": np.sqrt((gaps**2).sum(2).min(1)),
        "geometry": np.stack(geometry, 1),
    }


def measure(series: Series) -> dict[Quantity, Estimate]:
    """Every quantity of the report that is a number of one side; correlations at lags of whole frames."""
    found: dict[Quantity, Estimate] = {}
    wells = series.wells()
    for place, columns in series.parts.places.items():
        found |= _wells_of(series.blocks, wells[:, columns], place)
        found |= _hops_of(series, wells[:, columns], place)
        found |= _correlations_of(series, series.torsions[:, columns], f"torsion {place}", TORSION_LAGS_PS)
    found |= _correlations_of(series, series.rotors, "methyl", ROTOR_LAGS_PS)
    return found | _geometry_of(series) | _close_of(series)


def _wells_of(blocks: Blocks, wells: np.ndarray, place: str) -> dict[Quantity, Estimate]:
    """Free energy of one gauche well over trans, kJ/mol, from the time in each."""
    counts = blocks.sum(np.stack([(wells == 0).mean(1), (wells > 0).mean(1) / 2], 1))
    value, error = standard_error(
        counts,
        lambda sums: -KT_KJ_PER_MOL * np.log(sums[..., 1:] / sums[..., :1]),
        blocks,
    )
    quantity = Quantity("free energy", f"gauche - trans, torsion {place}", "kJ/mol", absolute_target=0.2)
    return {quantity: Estimate(float(value[0]), float(error[0]), len(blocks))}


def _hops_of(series: Series, wells: np.ndarray, place: str) -> dict[Quantity, Estimate]:
    """Hops, as seen from frame to frame, a nanosecond spent in the well they leave."""
    blocks = series.blocks
    first, second = blocks.lagged_pairs(1)
    before, after = wells[first], wells[second]
    found = {}
    for name, left, hop in (
        ("trans to gauche", before == 0, (before == 0) & (after > 0)),
        ("gauche to gauche", before > 0, (before > 0) & (after > 0) & (before != after)),
    ):
        sums = blocks.sums_at(first, hop.sum(1), left.sum(1) * series.spacing_ps / 1000)
        value, error = standard_error(sums, lambda s: s[..., :1] / s[..., 1:2], blocks)
        events = float(hop.sum())
        poisson = value[0] / np.sqrt(max(events, 1))
        quantity = Quantity("hop rate", f"{name}, torsion {place}", "1/ns", relative_target=0.1)
        found[quantity] = Estimate(float(value[0]), float(max(error[0], poisson)), events)
    return found


def _correlations_of(
    series: Series, angles: np.ndarray, name: str, lags_ps: tuple[int, ...]
) -> dict[Quantity, Estimate]:
    """Mean cosine of the change over each lag that is a whole number of frames."""
    blocks, found = series.blocks, {}
    for lag_ps in lags_ps:
        frames, rest = divmod(lag_ps, series.spacing_ps)
        if rest or not frames:
            continue
        first, second = blocks.lagged_pairs(int(frames))
        sums = blocks.sums_at(first, np.cos(angles[second] - angles[first]).mean(1))
        value, error = standard_error(sums, lambda s: s[..., :1] / s[..., 1:2], blocks)
        quantity = Quantity("autocorrelation", f"{name}, {lag_ps} ps", "", absolute_target=0.02)
        found[quantity] = Estimate(float(value[0]), float(error[0]), len(blocks))
    return found


def _geometry_of(series: Series) -> dict[Quantity, Estimate]:
    """Mean and spread of each class of bonds (nm) and angles (degrees)."""
    found = {}
    named = [*((name, "nm") for name in series.parts.bonds), *((name, "deg") for name in series.parts.angles)]
    sums = series.blocks.sum(np.concatenate([series.geometry, np.ones((len(series.geometry), 1))], 1))
    for k, (name, unit) in enumerate(named):
        kind = "bond" if unit == "nm" else "angle"

        def estimator(s, k=k):
            mean, square = s[..., 2 * k] / s[..., -1], s[..., 2 * k + 1] / s[..., -1]
            return np.stack([mean, np.sqrt(square - mean**2)], -1)

        value, error = standard_error(sums, estimator, series.blocks)
        for n, (what, target) in enumerate((("mean", 0.002), ("spread", 0.05))):
            quantity = Quantity("geometry", f"{kind} {name}, {what}", unit, relative_target=target)
            found[quantity] = Estimate(float(value[n]), float(error[n]), len(series.blocks))
    return found


def _close_of(series: Series) -> dict[Quantity, Estimate]:
    """Share of frames with hydrogens, four bonds apart or more, closer than CLOSE_NM."""
    close = (series.nearest_nm < CLOSE_NM)[:, None].astype(float)
    sums = series.blocks.sum(np.concatenate([close, np.ones_like(close)], 1))
    value, error = standard_error(sums, lambda s: s[..., :1] / s[..., 1:2], series.blocks)
    quantity = Quantity("contacts", f"frames with H-H below {CLOSE_NM} nm", "", relative_target=0.1)
    return {quantity: Estimate(float(value[0]), float(error[0]), len(series.blocks))}


def size_divergence(md: Series, model: Series, column: int) -> tuple[float, float]:
    """Jensen-Shannon divergence, bits, of end-to-end distance (column 0) or radius of gyration (1), and what
    MD drawn again from its own blocks would show at these lengths.
    """
    edges = np.linspace(*np.percentile(md.size_nm[:, column], [0, 100]) + [-1e-3, 1e-3], SIZE_BINS + 1)
    ours, theirs = (
        np.clip(np.digitize(side.size_nm[:, column : column + 1], edges) - 1, 0, SIZE_BINS - 1)
        for side in (md, model)
    )
    measured, floor = divergence(ours, theirs, md.blocks, model.blocks, SIZE_BINS, seed=1)
    return measured.value, floor.value
