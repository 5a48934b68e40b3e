"""Scalars and vectors on the beads of a periodic liquid, which meet along pairs within a cutoff."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.neighbours import nearest_image, periodic_graph

RADIAL = 12
BONDS = 2  # how many bonds apart beads have a distance of their own
CLASSES = BONDS + 1  # one bond apart, two, and all others
SATURATION = 3.0  # standard deviations beyond which a deviation counts less and less
WAVES = 4
_GAIN = 0.2  # of the order of 1 / sqrt(neighbours), so that sums of messages are of ordinary size


class LiquidCore(nn.Module):
    """The parameters, for any numbers of the kinds of beads in training.

    Parameters
    ----------
    kinds : int
    width, blocks : int
        `width` scalars a bead, half as many vectors and messages.
    cutoff_nm : float
    history_length : int
    spread_nm : (K,), root mean square displacement of each kind over the lag time, along an axis
    lengths_nm : (2, 2), mean and standard deviation of the distance of beads one and two bonds apart

    Notes
    -----
    Scalars and vectors as in PaiNN (Schuett, Unke and Gastegger 2021). A pair is seen twice: as it is before
    the step, and as the noised step would leave it; where bonds say how long it should be, as the deviation
    from that in units of what spread and noise make of it, too. Vectors meet in dot products only, so that
    the network serves mirror images alike: beads have no hand.
    """

    spread: Tensor
    lengths: Tensor
    centres: Tensor
    order: Tensor

    def __init__(
        self,
        kinds: int,
        width: int,
        blocks: int,
        cutoff_nm: float,
        history_length: int,
        spread_nm: Tensor,
        lengths_nm: Tensor,
    ):
        super().__init__()
        self.cutoff = cutoff_nm
        self.saturation = SATURATION
        self.register_buffer("spread", spread_nm)
        self.register_buffer("lengths", lengths_nm)
        self.register_buffer("centres", torch.linspace(0.0, cutoff_nm, RADIAL))
        self.register_buffer("order", torch.arange(1.0, WAVES + 1) * (0.5 * torch.pi))
        self.label = nn.Embedding(kinds, width)
        self.inlet = nn.Sequential(
            nn.Linear(2 * WAVES + history_length, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.vector_inlet = nn.Linear(history_length, width // 2, bias=False)
        features = (2 + CLASSES) * RADIAL + CLASSES + 2 * BONDS
        self.blocks = nn.ModuleList([LiquidBlock(width, features) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, width // 2)
        self.outlet = nn.Linear(width // 2, 1, bias=False)
        nn.init.zeros_(self.outlet.weight)

    def forward(
        self, kind: Tensor, rows: Tensor, level: Tensor, known: Tensor, pairs: list[Tensor]
    ) -> Tensor:
        """A vector (B, N, 3) of each bead.

        Parameters
        ----------
        kind : (N,)
        rows : (B, N, 3, H), latents and displacements before, in units of the spread
        level : (B,), ln(sigma)/4
        known : (B, H - 1), 1 where the displacement was given
        pairs : senders, receivers (E,), features (E, F) and directions before and after (E, 3)
        """
        wave = level[:, None] * self.order
        inlet = torch.cat([level[:, None], torch.sin(wave), torch.cos(wave), known], dim=1)
        scalar = (self.label(kind) + self.inlet(inlet)[:, None]).flatten(0, 1)
        vector = self.vector_inlet(rows).flatten(0, 1)
        for block in self.blocks:
            scalar, vector = block(scalar, vector, pairs)
        out = self.outlet(vector * self.gate(self.norm(scalar))[:, None])
        return out[..., 0].view(level.shape[0], -1, 3)

    def features(self, before: Tensor, after: Tensor, noise: Tensor, classes: Tensor) -> Tensor:
        """Of pairs (E, F): Gaussians of the distance before and after the step (E,), by class (E, C), and
        deviations of those that bonds hold, told apart as noise (E,), nm, lets them be. They go to zero at
        the cutoff before the step.
        """
        fade = 0.5 * (torch.cos(torch.pi * (before / self.cutoff).clamp(max=1.0)) + 1)
        width = self.centres[1] - self.centres[0]
        near = torch.exp(-(((before[:, None] - self.centres) / width) ** 2))
        then = torch.exp(-(((after[:, None] - self.centres) / width) ** 2))
        apart = (classes[:, :, None] * then[:, None]).flatten(1)
        held, mean, spread = classes[:, :-1], self.lengths[:, 0], self.lengths[:, 1]
        off = held * self._saturated((before[:, None] - mean) / spread)
        off_then = held * self._saturated((after[:, None] - mean) / torch.hypot(spread, noise[:, None]))
        return torch.cat([near, then, apart, off, off_then, classes], dim=1) * fade[:, None]

    def _saturated(self, deviation: Tensor) -> Tensor:
        return deviation / torch.sqrt(1 + (deviation / self.saturation) ** 2)


class LiquidBlock(nn.Module):
    """Messages along pairs, then scalars and vectors of each bead among themselves, all residual."""

    def __init__(self, width: int, features: int):
        super().__init__()
        self.vectors, self.gain = width // 2, _GAIN
        self.norm = nn.LayerNorm(width)
        self.send = nn.Linear(width, 4 * self.vectors)
        self.carry = nn.Linear(self.vectors, self.vectors, bias=False)
        self.filter = nn.Linear(features, 4 * self.vectors, bias=False)
        self.receive = nn.Linear(self.vectors, self.vectors, bias=False)
        self.mix = nn.Linear(self.vectors, 2 * self.vectors, bias=False)
        self.widen = nn.Linear(width + 3 * self.vectors, 2 * width)
        self.narrow = nn.Linear(2 * width, width + self.vectors)

    def forward(self, scalar: Tensor, vector: Tensor, pairs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Updated scalars (B N, width) and vectors (B N, 3, width / 2)."""
        sender, receiver, features, before, after = pairs
        own = self.norm(scalar)
        message = self.send(own)[sender] * self.filter(features)
        plain, along, aim, turned = message.chunk(4, dim=1)
        carried = self.carry(vector)[sender] * turned[:, None]
        moved = carried + along[:, None] * before[:, :, None] + aim[:, None] * after[:, :, None]
        got = torch.zeros_like(own[:, : self.vectors]).index_add(0, receiver, plain) * self.gain
        vector = vector + self.receive(torch.zeros_like(vector).index_add(0, receiver, moved) * self.gain)
        left, right = saturated(self.mix(vector)).chunk(2, dim=2)
        seen = torch.cat([own, got, (left * right).sum(1), right.square().sum(1)], dim=1)
        change, gate = self.narrow(functional.silu(self.widen(seen))).split(
            [own.shape[1], self.vectors], dim=1
        )
        return scalar + change, vector + left * gate[:, None]


def saturated(vectors: Tensor) -> Tensor:
    """Vectors (..., 3, C), shortened to lengths below 2, so that their products stay of ordinary size."""
    return vectors / torch.sqrt(1 + 0.25 * vectors.square().sum(-2, keepdim=True))


class LiquidNetwork(nn.Module):
    """A `LiquidCore` for the beads of one box.

    Latents are displacements to the nearest image in units of the spread of the bead's kind, without that of
    the centre of mass of all beads, which stays: momentum is conserved. It expects EDM preconditioning with
    sigma_data = 1.

    Parameters
    ----------
    core : LiquidCore
    particles : Particles
    kinds : types of beads, in the order of the core
    """

    latent_type = "vector"
    symmetric = True
    loss_weight = 1.0

    kind: Tensor
    scale: Tensor
    mass: Tensor
    lever: Tensor
    bonded: Tensor

    def __init__(self, core: LiquidCore, particles: Particles, kinds: tuple[str, ...]):
        super().__init__()
        self.core = core
        self.latent_size = 3 * len(particles)
        kind = torch.tensor([kinds.index(name) for name in particles.types])
        masses = torch.tensor(particles.masses_amu, dtype=torch.float64)
        scale = core.spread.double()[kind]
        lever = masses * scale
        self.register_buffer("kind", kind)
        self.register_buffer("scale", scale.float()[:, None])
        self.register_buffer("mass", (masses / masses.sum()).float()[:, None])
        self.register_buffer("lever", (lever / lever.norm()).float()[:, None])
        self.register_buffer("bonded", bonds_between(particles))

    def centred(self, latent: Tensor) -> Tensor:
        """Latents (B, N, 3) that leave the centre of mass where it is: the nearest ones, so that noise stays
        white.
        """
        return latent - self.lever * (self.lever * latent).sum(1, keepdim=True)

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """The newest frame of the history (B, N, 3) and the box (B, 3, 3), nm; displacements before, newest
        last (B, N, 3, H - 1), in units of the spread; where they are given (B, H - 1): a history of equal
        frames tells nothing.
        """
        moved = nearest_image(history[:, 1:] - history[:, :-1], box) / self.scale
        known = (moved.flatten(2).abs().sum(2) > 0).to(history.dtype)
        return [history[:, -1], box, moved.permute(0, 2, 3, 1), known]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, 3 N) from scaled latents (B, 3 N), level ln(sigma)/4 (B,) and the condition."""
        rows = self.centred(latent.unflatten(1, [-1, 3]))
        sender, receiver, before = periodic_graph(condition[0], condition[1], self.core.cutoff)
        step = (rows * self.scale).flatten(0, 1)
        after = before + step[sender] - step[receiver]
        lengths = [torch.sqrt(arm.square().sum(1) + 1e-10) for arm in [before, after]]
        sigma = torch.exp(4 * level)
        blur = (sigma / torch.sqrt(1 + sigma * sigma)).repeat_interleave(rows.shape[1])
        size = self.scale[:, 0].repeat(rows.shape[0])
        noise = blur[sender] * torch.hypot(size[sender], size[receiver])
        features = self.core.features(lengths[0], lengths[1], noise, self._classes(sender, receiver))
        directions = [before / lengths[0][:, None], after / lengths[1][:, None]]
        pairs = [sender, receiver, features, directions[0], directions[1]]
        inputs = torch.cat([rows[..., None], condition[2]], dim=3)
        return self.centred(self.core(self.kind, inputs, level, condition[3], pairs)).flatten(1)

    def _classes(self, sender: Tensor, receiver: Tensor) -> Tensor:
        """One bond apart, two, more (E, 3)."""
        beads = self.kind.shape[0]
        apart = (self.bonded[receiver % beads] == (sender % beads)[:, None, None]).any(2)
        near = apart.to(self.scale.dtype)
        return torch.cat([near, 1 - near.sum(1, keepdim=True)], dim=1)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm: the newest frame moved by the latent displacement."""
        return history[:, -1] + self.centred(latent.unflatten(1, [-1, 3])) * self.scale

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, 3 N) of pairs of positions (B, N, 3), nm."""
        moved = nearest_image((after - before)[:, None], condition[1])[:, 0]
        return ((moved - (self.mass * moved).sum(1, keepdim=True)) / self.scale).flatten(1)

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, 3 N) without what would move the centre of mass."""
        return self.centred(eps.unflatten(1, [-1, 3])).flatten(1)


def bonds_between(particles: Particles) -> Tensor:
    """Beads one bond and two bonds apart from each (N, 2, M), filled up with -1."""
    near = particles.neighbours
    rows = []
    for bead, first in enumerate(near):
        second = {other for k in first for other in near[k]} - {bead, *first}
        rows.append([sorted(first), sorted(second)])
    most = max([1, *(len(some) for row in rows for some in row)])
    return torch.tensor([[some + [-1] * (most - len(some)) for some in row] for row in rows])
