"""Attention over groups of rows of a Z-matrix: one network for many molecules, and its binding to one."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.lags import FEATURES as LAG_FEATURES
from openmm_scoredyn.networks.molecule_frame.lags import LagRange, OneLag
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix
from openmm_scoredyn.networks.zmatrix_transformer.contacts import PRESSURES, Contacts
from openmm_scoredyn.networks.zmatrix_transformer.coordinates import DIHEDRAL, MOVES, CoordinateTable
from openmm_scoredyn.networks.zmatrix_transformer.features import (
    GROUP_FEATURES,
    RELATIONS,
    group_features,
    pair_relations,
)
from openmm_scoredyn.networks.zmatrix_transformer.groups import ROWS, Groups
from openmm_scoredyn.networks.zmatrix_transformer.rings import (
    GAP_FEATURES,
    NOISE_NM,
    SWING_NM,
    RingClosure,
    RingGaps,
)

HARMONICS = 3  # a methyl rotor is threefold
TURNS = 2  # directions that a group sees: of its centre, and of its first terminal particle
SHELLS_NM = (0.15, 0.8)  # centres of the first and the last radial function
RADIAL = 8
# The stiff latents are nearly independent normals, of which there is little to learn: without a weight their
# noise drowns the gradient of the few soft ones. The optimum of each latent does not depend on it.
SOFT_WEIGHT = 8.0


class GroupAttention(nn.Module):
    """Attention between all groups, biased by what they are to each other, then a perceptron."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.gather = nn.Linear(width, width)
        self.second_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Updated x (B, N, width); bias (B, heads, N, N)."""
        batch, count, width = x.shape
        parts = self.ask(self.norm(x)).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        score = torch.matmul(query, key.transpose(2, 3)) * (self.heads / width) ** 0.5 + bias
        got = torch.matmul(torch.softmax(score, dim=3), value).transpose(1, 2).reshape(batch, count, width)
        x = x + self.gather(got)
        return x + self.narrow(functional.silu(self.widen(self.second_norm(x))))


class TransferableCore(nn.Module):
    """The parameters: what is the same for all molecules.

    Parameters
    ----------
    kinds : int, number of kinds of groups, and of what tells groups of one kind apart
    width, heads, condition_blocks, blocks : int
    many_lags : bool, whether it is shown the lag time
    mirror_images : bool, whether training shows them
    root : {"centre", "first"}, where trees of internal coordinates begin

    Attributes
    ----------
    known : (n,) uint8, what it was trained on, as `Known.to_tensor`; registered by whoever makes it
    """

    known: Tensor

    def __init__(
        self,
        kinds: int,
        width: int,
        heads: int,
        condition_blocks: int,
        blocks: int,
        many_lags: bool,
        mirror_images: bool,
        root: str,
    ):
        super().__init__()
        self.mirror_images, self.root = mirror_images, root
        numbers = 3 * ROWS + 2 * TURNS * HARMONICS
        self.kind = nn.Embedding(kinds, width)
        self.describe = nn.Linear(GROUP_FEATURES, width)
        self.see = nn.Linear(numbers + ROWS + LAG_FEATURES * many_lags, width)
        self.relation = nn.Embedding(RELATIONS, heads)
        self.near = nn.Linear(RADIAL, heads, bias=False)
        self.meet = nn.Linear(RADIAL, heads, bias=False)
        self.condition_blocks = nn.ModuleList([GroupAttention(width, heads) for _ in range(condition_blocks)])
        self.inlet = nn.Linear(numbers + (TURNS + 1) * PRESSURES + GAP_FEATURES + 5, width)
        self.blocks = nn.ModuleList([GroupAttention(width, heads) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.outlet = nn.Linear(width, 3 * ROWS)
        nn.init.zeros_(self.outlet.weight)
        nn.init.zeros_(self.outlet.bias)
        nn.init.zeros_(self.near.weight)
        nn.init.zeros_(self.meet.weight)

    def context(
        self, kinds: Tensor, finer: Tensor, known: Tensor, features: Tensor, seen: Tensor, bias: Tensor
    ) -> Tensor:
        """What each group is and where it stands, (B, G, width)."""
        own = self.kind(kinds) + self.kind(finer) * known
        x = own + self.describe(features) + self.see(seen)
        for block in self.condition_blocks:
            x = block(x, bias)
        return x

    def bias(self, relations: Tensor, shells: Tensor) -> Tensor:
        """Of the attention (B, heads, G, G), from relations (G, G) and radial functions (B, G, G, RADIAL)."""
        return (self.relation(relations) + self.near(shells)).permute(0, 3, 1, 2)

    def outcome(self, seen: Tensor, context: Tensor, bias: Tensor, shells: Tensor) -> Tensor:
        """Raw output for the numbers of the rows of every group (B, G, 3 ROWS); `shells` are of where groups
        may come to lie.
        """
        bias = bias + self.meet(shells).permute(0, 3, 1, 2)
        x = self.inlet(seen) + context
        for block in self.blocks:
            x = block(x, bias)
        return self.outlet(self.norm(x))


class ZMatrixTransformer(nn.Module):
    """Raw output of a denoiser of whitened internal coordinates, for one molecule.

    A group brings the rows of its particles: length, angle and dihedral of each, and which way round the
    names at each centre run. No number says where along a chain it is. All are invariant under rotation and
    translation; dihedrals change sign in a mirror, and training shows both images. It expects EDM
    preconditioning with sigma_data = 1.

    Parameters
    ----------
    core : TransferableCore, shared among molecules
    particles : Particles of N
    zmatrix : ZMatrix of the same
    table : CoordinateTable, C coordinates of which D move
    groups : Groups
    kinds : (G,) int64
    finer : (G,) int64, what tells a group from others of its kind; -1 where training had nothing like it
    mean, spread : (C,), of the class of each coordinate; nm or rad
    lags : LagRange, or OneLag, of C coordinates
    closest : closest approach of two kinds of particles, nm
    rings : mean and standard deviation of distances in rings by class, nm
    mirror_images : bool, whether training shows both
    """

    latent_type = "invariant"
    symmetric = True
    equal_names = True

    loss_weight: Tensor
    kinds: Tensor
    finer: Tensor
    finer_known: Tensor
    features: Tensor
    relations: Tensor
    mean: Tensor
    spread: Tensor
    gain: Tensor
    soft: Tensor
    signed: Tensor
    dihedral: Tensor
    moving: Tensor
    slot: Tensor
    grid: Tensor
    handed_grid: Tensor
    latent_grid: Tensor
    outlet: Tensor
    turning: Tensor
    turn_slot: Tensor
    turn_leader: Tensor
    turn_spread: Tensor
    order: Tensor
    centres: Tensor
    shells: Tensor

    def __init__(
        self,
        core: TransferableCore,
        particles: Particles,
        zmatrix: ZMatrix,
        table: CoordinateTable,
        groups: Groups,
        kinds: Tensor,
        finer: Tensor,
        mean: Tensor,
        spread: Tensor,
        lags: LagRange | OneLag,
        closest: dict[str, float],
        rings: dict[str, tuple[float, float]],
        mirror_images: bool,
    ):
        super().__init__()
        self.core, self.lags = core, lags
        self.mirror_symmetric = mirror_images
        self.coordinates = InternalCoordinates(particles, zmatrix)
        count, coordinates = len(particles), len(table.classes)
        moving = (spread > MOVES).nonzero()[:, 0]
        slot = torch.full((coordinates,), len(moving))
        slot[moving] = torch.arange(len(moving))
        grid = _coordinates_of_rows(table, count)[groups.rows].flatten()
        soft = torch.from_numpy(table.soft)
        turning = groups.rows[:, :TURNS]
        leader = _leading_dihedral(self.coordinates, turning, soft)
        self.contacts = Contacts(
            particles,
            self.coordinates,
            groups,
            torch.where(leader < coordinates, turning, count - 1),
            closest,
        )
        self.noise_nm, self.swing_nm = NOISE_NM, SWING_NM
        self.closure = RingClosure(particles, zmatrix, self.coordinates, rings)
        self.gaps = RingGaps(particles, zmatrix, self.coordinates, groups)
        padded = torch.cat([spread, torch.zeros(1)])
        padded_slot = torch.cat([slot, torch.tensor([len(moving)])])
        relations = pair_relations(particles, zmatrix)
        buffers = {
            "kinds": kinds,
            "finer": finer.clamp(min=0),
            "finer_known": (finer >= 0).float().unsqueeze(1),
            "features": group_features(particles, zmatrix, groups),
            "relations": relations[groups.centres][:, groups.centres],
            "centres": groups.centres,
            "mean": mean,
            "spread": spread,
            "gain": torch.where(spread > MOVES, 1 / spread.clamp(min=MOVES), 0.0),
            "soft": soft,
            "signed": torch.from_numpy(table.signed),
            "dihedral": torch.from_numpy(table.part == DIHEDRAL),
            "moving": moving,
            "slot": slot,
            "grid": grid,
            "handed_grid": grid[DIHEDRAL::3].contiguous(),  # numbers of the dihedrals
            "latent_grid": padded_slot[grid],
            "outlet": grid.argsort()[:coordinates][moving],
            "turning": turning.flatten(),
            "turn_slot": padded_slot[leader].flatten(),
            "turn_leader": leader.flatten(),
            "turn_spread": padded[leader].flatten(),
            "order": torch.arange(1.0, HARMONICS + 1),
            "shells": torch.linspace(SHELLS_NM[0], SHELLS_NM[1], RADIAL),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value)
        self.first_dihedral = 2 * count - 3
        self.latent_size = len(moving)
        weight = 1 + (SOFT_WEIGHT - 1) * soft[moving].float()
        self.register_buffer("loss_weight", weight / weight.mean())

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """Coordinates of the newest frame (B, C), the directions of each group about its bonds (B, TURNS G),
        what each group is and where it stands (B, G, width), the bias of the attention (B, heads, G, G), the
        frame itself (B, N, 3), how far the coordinates go in the lag time (B, C), and what closes the rings
        of the frame (B, G, GAP_FEATURES).
        """
        frame = history[:, -1]
        old = self.coordinates(frame)
        direction = self.directions(old)
        deviation = functional.pad(self.change(old, old) * self.gain, [0, 1])
        placed = deviation.index_select(1, self.grid).unflatten(1, [len(self.kinds), -1])
        angle = direction.unsqueeze(2) * self.order
        waves = torch.cat([torch.sin(angle), torch.cos(angle)], dim=2).unflatten(1, [len(self.kinds), -1])
        handed = functional.pad(self.signs(old) * self.signed, [0, 1]).index_select(1, self.handed_grid)
        bias = self.core.bias(self.relations, self.radial(frame))
        shown = self.lags.features(lag_time_ps).unsqueeze(1).expand(-1, len(self.kinds), -1)
        handed = handed.unflatten(1, [len(self.kinds), -1])
        seen = torch.cat([placed, waves.flatten(2), handed, shown], dim=2)
        context = self.core.context(self.kinds, self.finer, self.finer_known, self.features, seen, bias)
        return [old, direction, context, bias, frame, self.lags.spread(lag_time_ps), self.gaps(frame)]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, D) from scaled latents (B, D), level ln(sigma)/4 (B,) and condition."""
        variance = torch.exp(8 * level).unsqueeze(1)
        padded = functional.pad(latent, [0, 1])
        grown = functional.pad(condition[5], [0, 1]).index_select(1, self.turn_leader) * self.turn_spread
        turn = (padded * torch.sqrt(1 + variance)).index_select(1, self.turn_slot) * grown
        # Where the noised latents lead, damped to what the noise leaves of it on average.
        angle = (condition[1] + turn).unsqueeze(2) * self.order
        rate = -0.5 * (grown.unsqueeze(2) * self.order) ** 2
        damped = torch.exp(variance.unsqueeze(2) * rate)
        wave = level.unsqueeze(1) * (self.order[:2] * (0.5 * torch.pi))
        # What presses on what, if the noised latents were normal and the network said nothing else.
        guess = padded.index_select(1, self.slot) / torch.sqrt(1 + variance)
        guessed = self.placed(guess * condition[5], condition[0], condition[4])
        torque, strength = self.contacts(guessed)
        usual_nm = torch.sqrt(self.noise_nm**2 * variance / (1 + variance) + self.swing_nm**2)
        waves = torch.cat([torch.sin(angle) * damped, torch.cos(angle) * damped], dim=2)
        noise = torch.cat([level.unsqueeze(1), torch.sin(wave), torch.cos(wave)], dim=1)
        parts = [
            padded.index_select(1, self.latent_grid).unflatten(1, [len(self.kinds), -1]),
            waves.unflatten(1, [len(self.kinds), -1]).flatten(2),
            torque.unflatten(1, [len(self.kinds), -1]).flatten(2),
            strength,
            torch.asinh((self.gaps(guessed) - condition[6]) / usual_nm.view(-1, 1, 1)),
            noise.unsqueeze(1).expand(-1, len(self.kinds), -1),
        ]
        # The guess is worth the less, the more of it is noise.
        shells = self.radial(guessed) / (1 + variance).view(-1, 1, 1, 1)
        raw = self.core.outcome(torch.cat(parts, dim=2), condition[2], condition[3], shells)
        return raw.flatten(1).index_select(1, self.outlet)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        change = functional.pad(latent, [0, 1]).index_select(1, self.slot)
        new = self.changed(change * condition[5], condition[0])
        positions = self.coordinates.place(new, history[:, -1])
        if self.closure.open:
            return positions
        closed = torch.where(self.closure.within, self.coordinates(self.closure(positions)), new)
        return self.coordinates.place(closed, history[:, -1])

    @torch.jit.export
    def radial(self, positions: Tensor) -> Tensor:
        """Radial functions of the distances between groups (B, G, G, RADIAL) at positions (B, N, 3), nm."""
        centres = positions.index_select(1, self.centres)
        arm = centres.unsqueeze(1) - centres.unsqueeze(2)
        distance = torch.sqrt((arm * arm).sum(3) + 1e-10)
        width = self.shells[1] - self.shells[0]
        return torch.exp(-(((distance.unsqueeze(3) - self.shells) / width) ** 2))

    @torch.jit.export
    def placed(self, change: Tensor, old: Tensor, frame: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, of whitened changes (B, C) of the coordinates (B, C) of a frame."""
        return self.coordinates.place(self.changed(change, old), frame)

    @torch.jit.export
    def changed(self, change: Tensor, old: Tensor) -> Tensor:
        """Coordinates (B, C) after whitened changes (B, C)."""
        change = change * self.spread
        return torch.where(self.soft, old + change, self.signs(old) * (self.mean + change))

    @torch.jit.export
    def change(self, old: Tensor, new: Tensor) -> Tensor:
        """Displacement (soft) or deviation from the mean of the class (others), nm or rad, (B, C)."""
        difference = torch.where(self.soft, new - old, self.signs(old) * new - self.mean)
        wrapped = torch.remainder(difference + torch.pi, 2 * torch.pi) - torch.pi
        return torch.where(self.dihedral, wrapped, difference)

    @torch.jit.export
    def signs(self, old: Tensor) -> Tensor:
        """-1 for signed coordinates below zero, 1 for all others, (B, C)."""
        return 1 - 2 * (self.signed & (old < 0)).to(old.dtype)

    @torch.jit.export
    def directions(self, old: Tensor) -> Tensor:
        """Dihedral of what turns in each group against the tree, siblings as well (B, TURNS G), rad; 0 for
        what the root itself places.
        """
        dihedral = functional.pad(old[:, self.first_dihedral :], [2, 1])
        rows = dihedral[:, :-1]
        lead = torch.where(self.coordinates.has_sibling, rows.index_select(1, self.coordinates.leader), 0.0)
        return functional.pad(rows + lead, [0, 1]).index_select(1, self.turning)

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D) of pairs of positions (B, N, 3), nm."""
        change = self.change(self.coordinates(before), self.coordinates(after)) * self.gain
        return (change / condition[5])[:, self.moving]

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """The noise itself: all latents mean something."""
        return eps


def _coordinates_of_rows(table: CoordinateTable, count: int) -> Tensor:
    """Numbers of the coordinates that each row of the Z-matrix of `count` particles holds (count, 3), and the
    number of coordinates where it holds none.
    """
    found = torch.full((count, 3), len(table.classes))
    found[torch.from_numpy(table.row), torch.from_numpy(table.part)] = torch.arange(len(table.classes))
    return found


def _leading_dihedral(coordinates: InternalCoordinates, turning: Tensor, soft: Tensor) -> Tensor:
    """The soft coordinate that turns each row in `turning`, or the number of coordinates where none does."""
    rows = len(coordinates.leader)
    leading = torch.cat([coordinates.leader, torch.tensor([0])])[turning]
    index = 2 * rows - 1 + leading - 2
    turns = (turning < rows) & (leading >= 2)
    turns &= torch.cat([soft, torch.tensor([False])])[torch.where(turns, index, len(soft))]
    return torch.where(turns, index, len(soft))
