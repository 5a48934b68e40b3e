"""Bonds that close rings, which the tree of internal coordinates leaves out: as numbers that a network can
see, and mended in what is drawn.
"""

from itertools import combinations
from typing import Final

import torch
from torch import Tensor, nn

from openmm_scoredyn.molecule.geometry import bonds_apart
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import surroundings
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix
from openmm_scoredyn.networks.zmatrix_transformer.groups import Groups

_STIFF_NM = 1e-4  # the least spread that is reckoned with
CLOSURES = 2  # closing bonds that a group sees, of the rings its centre is in
GAP_FEATURES = 3 * CLOSURES
SWEEPS = 30
SPREADS = 2.0  # standard deviations that a distance in a ring is off after it, at most
# How far noise of one takes the ends of a closing bond apart, and how far they swing by themselves.
NOISE_NM, SWING_NM = 0.02, 0.003


Closing = list[tuple[tuple[int, int], frozenset[int]]]


def closing_bonds(particles: Particles, zmatrix: ZMatrix) -> Closing:
    """Bonds beside the tree, each with the particles of the ring that it closes, the smallest ring first."""
    parent = {row[0]: row[1] for row in zmatrix.rows}

    def way(atom: int) -> list[int]:
        found = [atom]
        while found[-1] in parent:
            found.append(parent[found[-1]])
        return found

    closing = []
    for i, j in particles.bonds:
        if parent.get(i) != j and parent.get(j) != i:
            one, other = way(i), way(j)
            top = next(atom for atom in one if atom in other)
            ring = {*one[: one.index(top) + 1], *other[: other.index(top)]}
            closing.append(((i, j), frozenset(ring)))
    return sorted(closing, key=lambda entry: (len(entry[1]), entry[0]))


class RingGaps(nn.Module):
    """How much the bonds that close rings differ from those of an earlier frame, seen from each group.

    Coordinates of a ring depend on each other through the bond that closes it, which is a small difference of
    long ways around. In the frame of a group it is three numbers, on which what the group has to mend depends
    linearly.

    Parameters
    ----------
    particles : Particles of N
    zmatrix : ZMatrix of the same
    coordinates : InternalCoordinates of the same
    groups : Groups, G
    """

    first: Tensor
    second: Tensor
    seen: Tensor
    shown: Tensor
    at: Tensor
    towards: Tensor
    beside: Tensor
    features: Final[int]  # TorchScript sees attributes alone
    groups: Final[int]
    rings: Final[int]

    def __init__(
        self, particles: Particles, zmatrix: ZMatrix, coordinates: InternalCoordinates, groups: Groups
    ):
        super().__init__()
        closing, count = closing_bonds(particles, zmatrix), len(groups.centres)
        self.features = GAP_FEATURES
        self.groups, self.rings = count, len(closing)
        seen, shown = torch.zeros(count, CLOSURES, dtype=torch.long), torch.zeros(count, CLOSURES)
        frames = {atom: (atom, up, beyond) for atom, up, beyond in coordinates.rows[:3].T.tolist()}
        root, first, second = coordinates.rows[[1, 0, 2], 0].tolist()
        at = []
        for group, centre in enumerate(groups.centres.tolist()):
            own = [ring for ring, (_, members) in enumerate(closing) if centre in members][:CLOSURES]
            seen[group, : len(own)], shown[group, : len(own)] = torch.tensor(own, dtype=torch.long), 1.0
            at.append(frames.get(centre, (root, first, second)))
        ends = torch.tensor([bond for bond, _ in closing], dtype=torch.long).reshape(-1, 2)
        buffers = {
            "first": ends[:, 0].clone(),
            "second": ends[:, 1].clone(),
            "seen": seen.flatten(),
            "shown": shown.flatten().unsqueeze(1),
        }
        buffers |= dict(zip(("at", "towards", "beside"), torch.tensor(at).T.contiguous()))
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """The closing bonds in the frames of the groups (B, G, GAP_FEATURES), nm, at positions (B, N, 3),
        nm.
        """
        if self.rings == 0:
            return positions.new_zeros(len(positions), self.groups, self.features)
        bond = positions.index_select(1, self.second) - positions.index_select(1, self.first)
        bond = (bond.index_select(1, self.seen) * self.shown).unflatten(1, [self.groups, -1])
        centre = positions.index_select(1, self.at)
        along = _unit(positions.index_select(1, self.towards) - centre)
        aside = positions.index_select(1, self.beside) - centre
        across = _unit(aside - along * (aside * along).sum(2, keepdim=True))
        axes = torch.stack([along, across, torch.linalg.cross(along, across, dim=2)], dim=2)  # (B, G, 3, 3)
        return torch.matmul(bond, axes.transpose(2, 3)).flatten(2)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.sqrt((vectors * vectors).sum(2, keepdim=True) + 1e-12)


def ring_systems(closing: Closing) -> list[list[int]]:
    """Particles of rings that share some, ascending."""
    found: list[set[int]] = []
    for _, ring in closing:
        touching = [system for system in found if system & ring]
        found = [system for system in found if not system & ring] + [set(ring).union(*touching)]
    return sorted(map(sorted, found))


def _on_closing_bonds(particles: Particles, closing: Closing, system: list[int]) -> list[int]:
    """Particles without another bond on the ends of the bonds that close a ring system: the tree places them
    without knowing where the bond goes.
    """
    ends = {end for bond, ring in closing if ring <= set(system) for end in bond}
    near = particles.neighbours
    return sorted(other for end in ends for other in near[end] if len(near[other]) == 1)


def _ring_pairs(particles: Particles, closing: Closing) -> list[tuple[int, int, str]]:
    """Every two particles of a ring system, and those on its closing bonds with all up to two bonds away,
    with the name of their class.
    """
    names, apart = surroundings(particles, 1), bonds_apart(particles, len(particles))
    pairs = []
    for system in ring_systems(closing):
        beside = _on_closing_bonds(particles, closing, system)
        found = list(combinations(system, 2))
        found += [
            (i, j)
            for i, j in combinations(sorted([*system, *beside]), 2)
            if apart[i, j] <= 2 and (i in beside or j in beside)
        ]
        for i, j in found:
            kind = "-".join(sorted((names[i], names[j])))
            pairs.append((i, j, f"{apart[i, j]} of {len(system)}: {kind}"))
    return pairs


def fit_rings(parts: list[tuple[Particles, ZMatrix, Tensor]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation, nm, of the distances in rings by class, from positions (P, N, 3) of
    several molecules.
    """
    found: dict[str, list[Tensor]] = {}
    for particles, zmatrix, positions in parts:
        for i, j, name in _ring_pairs(particles, closing_bonds(particles, zmatrix)):
            apart = (positions[:, i] - positions[:, j]).double().square().sum(1).sqrt()
            found.setdefault(name, []).append(apart)
    joined = {name: torch.cat(values) for name, values in sorted(found.items())}
    return {name: (float(value.mean()), float(value.std())) for name, value in joined.items()}


class RingClosure(nn.Module):
    """Closes rings that drawn coordinates leave open.

    Distances between the particles of a ring are brought to where those of MD are, by majorization of the
    stress (De Leeuw 1977): deviations of up to about one standard deviation stay as they are, larger ones end
    at SPREADS. The coordinates of the tree within rings are measured again, all others are kept.

    Parameters
    ----------
    particles : Particles of N
    zmatrix : ZMatrix of the same
    coordinates : InternalCoordinates of the same, C numbers
    known : mean and standard deviation of distances by class, nm, as of `fit_rings`
    """

    atoms: Tensor
    mean: Tensor
    spread: Tensor
    share: Tensor
    within: Tensor
    sweeps: Final[int]
    most: Final[float]
    open: Final[bool]

    def __init__(
        self,
        particles: Particles,
        zmatrix: ZMatrix,
        coordinates: InternalCoordinates,
        known: dict[str, tuple[float, float]],
    ):
        super().__init__()
        self.sweeps, self.most = SWEEPS, SPREADS
        closing = closing_bonds(particles, zmatrix)
        systems = ring_systems(closing)
        members = [[*system, *_on_closing_bonds(particles, closing, system)] for system in systems]
        atoms = sorted(atom for group in members for atom in group)
        self.open = len(atoms) == 0
        place = {atom: k for k, atom in enumerate(atoms)}
        mean, spread = torch.ones(len(atoms), len(atoms)), torch.ones(len(atoms), len(atoms))
        share, size = torch.zeros(len(atoms), len(atoms)), torch.ones(len(atoms), 1)
        for i, j, name in _ring_pairs(particles, closing):
            if name in known:
                a, b = place[i], place[j]
                mean[a, b] = mean[b, a] = known[name][0]
                spread[a, b] = spread[b, a] = max(known[name][1], _STIFF_NM)
                share[a, b] = share[b, a] = 1.0
        for group in members:
            size[[place[atom] for atom in group]] = len(group)
        rows = coordinates.rows.T.tolist()
        # Lengths beside the ring are right already, or held by constraints.
        ring, whole = (
            torch.tensor([any(row[0] in part and row[1] in part for part in parts) for row in rows])
            for parts in (systems, members)
        )
        buffers = {
            "atoms": torch.tensor(atoms, dtype=torch.long),
            "mean": mean,
            "spread": spread,
            "share": share / size,
            "within": torch.cat([ring, whole[1:], whole[2:]]),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, with the rings closed; only their own particles have moved."""
        if self.open:
            return positions
        ring = positions.index_select(1, self.atoms)
        deviation = (_apart(ring) - self.mean) / self.spread
        wanted = self.mean + self.spread * self.most * torch.tanh(deviation / self.most)
        for _ in range(self.sweeps):
            arm = ring.unsqueeze(1) - ring.unsqueeze(2)  # from particle a, the second axis, to b
            excess = self.share * (1 - wanted / _apart(ring))
            ring = ring + (excess.unsqueeze(3) * arm).sum(2)
        return positions.index_copy(1, self.atoms, ring)


def _apart(positions: Tensor) -> Tensor:
    """Distances (B, n, n) between positions (B, n, 3)."""
    arm = positions.unsqueeze(1) - positions.unsqueeze(2)
    return torch.sqrt((arm * arm).sum(3) + 1e-8)
