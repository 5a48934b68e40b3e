"""One step of a chain as a normalising flow: correlated normal bond vectors, and a radial map of each."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.networks.chain_flow.chain import RANGES, SEPARATIONS, Chain
from openmm_scoredyn.networks.chain_flow.radial import log_slope, radial_parameters, shrunk, stretched

WIDTHS = (0.5, 0.8, 1.2, 1.8, 2.7)  # of the functions of distances between beads, bond lengths
GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K
_SEEN = 4 + len(WIDTHS) + 2 + len(SEPARATIONS)
_TINY = 1e-12


def exponential(matrix: Tensor, vectors: Tensor, terms: int = 12) -> Tensor:
    """exp(S) x for symmetric S (B, n, n) and x (B, n, 3), by its series in Horner's form; right to 1e-6 for a
    norm of 2.
    """
    total = vectors
    for k in range(terms, 0, -1):
        total = torch.baddbmm(vectors, matrix, total, alpha=1.0 / k)
    return total


class ChainFlowCore(nn.Module):
    """The parameters: what is the same for all chains.

    Parameters
    ----------
    kinds : int, number of kinds of fine beads
    width, layers : int
    radial : bool, whether bond lengths have a map of their own
    lengths_nm : (mean, spread) of bonds between beads
    friction_per_ps : float, of the Langevin dynamics that made the data

    Attributes
    ----------
    known : (n,) uint8, what it was trained on; registered by whoever makes it
    """

    known: Tensor
    usual: Tensor

    def __init__(
        self,
        kinds: int,
        width: int,
        layers: int,
        radial: bool,
        lengths_nm: tuple[float, float],
        friction_per_ps: float,
    ):
        super().__init__()
        features = kinds + len(RANGES) * (kinds + 1)
        self.radial, self.scale_nm = radial, float(lengths_nm[0])
        self.friction_per_ps = friction_per_ps
        self.describe = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))
        self.look = nn.Linear(_SEEN, width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.inside = nn.Linear(2, width)
        self.gather = nn.ModuleList([nn.Linear(width, width) for _ in range(layers)])
        self.send = nn.ModuleList([nn.Linear(width, width) for _ in range(layers)])
        self.change = nn.ModuleList([nn.Linear(width, width) for _ in range(layers)])
        self.relate = nn.ModuleList([nn.Linear(width, 2 * width) for _ in range(layers)])
        self.outlet = nn.Linear(width, 3)
        self.shape = nn.Linear(width, 4)
        for last in (self.outlet, self.shape):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        # A free bond is normal in all directions; its length has a mean of 1.596 and a spread of 0.673.
        spread = lengths_nm[1] / lengths_nm[0] / 0.673
        offset = max(1 - 1.596 * spread, 0.1)
        begin = [spread, offset, 3.0, 0.02] if radial else [1 / 1.596, 1.0, 1.0, 1.0]
        self.register_buffer("usual", torch.log(torch.tensor(begin)))

    def tokens(self, beads: Tensor) -> Tensor:
        """What each bond is (n, width), from features of the beads (N, F)."""
        described = self.describe(beads)
        return described[:-1] + described[1:]

    def forward(self, bonds: Tensor, seen: Tensor, inside: Tensor) -> Tensor:
        """Three numbers of each two bonds (B, n, n, 3), from what bonds are (n, width), what is seen of each
        two (B, n, n, _SEEN), and of each (B, n, 2).
        """
        token = bonds + self.inside(inside)
        pair = self.look(seen) + self.first(bonds).unsqueeze(1) + self.first(bonds).unsqueeze(0)
        count = float(bonds.shape[0])
        for gather, send, change, relate in zip(self.gather, self.send, self.change, self.relate):
            edge = functional.silu(pair)
            sent = send(token).unsqueeze(1)
            token = token + gather(functional.silu((edge * sent).sum(2) / math.sqrt(count)))
            mine, other = relate(token).chunk(2, dim=2)
            pair = pair + change(edge) + mine.unsqueeze(2) + other.unsqueeze(1)
        return self.outlet(functional.silu(pair))


class ChainFlow(nn.Module):
    """A step of one chain of N beads, n = N - 1 bonds.

    The bond vectors of the present frame go through the inverse of a radial map, which makes a free bond
    normal in all directions. There the step is normal: a mean that is a sum over bonds, and vectors between
    bonds, with coefficients that see invariants alone, and a covariance exp(2 S) with symmetric S over bonds,
    alike in x, y and z. The map then gives every bond its length. The centre of mass diffuses freely, as
    that of a chain under Langevin dynamics does: variance 2 k T t / (M friction) along each axis.

    All is equivariant under rotations, mirror images and the exchange of both ends, by construction.

    Parameters
    ----------
    core : ChainFlowCore, shared among chains
    chain : Chain
    """

    latent_type = "vector"
    symmetric = True
    loss_weight = 1.0

    path: Tensor
    back: Tensor
    shares: Tensor
    beads: Tensor
    separations: Tensor
    side: Tensor
    widths: Tensor

    def __init__(self, core: ChainFlowCore, chain: Chain):
        super().__init__()
        self.core = core
        count = len(chain.path)
        self.latent_size = 3 * count
        mass_amu = float(chain.masses_amu.sum())
        self.diffusion_nm2_per_ps_K = GAS_CONSTANT / (mass_amu * core.friction_per_ps)
        self.scale_nm = core.scale_nm
        self.radial = core.radial
        place = torch.arange(count - 1, dtype=torch.float32)
        buffers = {
            "path": chain.path,
            "back": chain.path.argsort(),
            "shares": (chain.masses_amu / chain.masses_amu.sum()).reshape(1, count, 1),
            "beads": chain.beads,
            "separations": chain.separations,
            "side": torch.sign(place[None] - place[:, None]),
            "widths": 1 / torch.tensor(WIDTHS) ** 2,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """Mean (B, n, 3) and S (B, n, n) of the normal variable, numbers of the radial maps (B, n, 4), and
        the standard deviation (B, 1), nm, of what the centre of mass moves along an axis.
        """
        frame = history[:, -1].index_select(1, self.path) / self.scale_nm
        bonds = frame[:, 1:] - frame[:, :-1]
        tokens = self.core.tokens(self.beads)
        raw = self.core.usual + self.core.shape(tokens) * float(self.radial)
        raw = raw.unsqueeze(0).expand(frame.shape[0], -1, -1)
        normal = self.inverse(bonds, raw)
        centred = frame - frame.mean(1, keepdim=True)
        middle = 0.5 * (centred[:, 1:] + centred[:, :-1])
        # invariants of each two bonds, and of the way from one to the other
        towards = torch.bmm(normal, middle.transpose(1, 2))  # bond k along the middle of j
        own = (normal * middle).sum(2)
        ahead = self.side * (towards - own.unsqueeze(2))  # bond k along the way to j
        behind = self.side * (own.unsqueeze(1) - towards.transpose(1, 2))  # bond j along it
        way = torch.sqrt(self.squares(middle) + 0.25)
        along = torch.bmm(normal, normal.transpose(1, 2))
        near = torch.exp(-self.squares(centred).unsqueeze(3) * self.widths)
        near = near[:, 1:] + near[:, :-1]
        near = near[:, :, 1:] + near[:, :, :-1]
        numbers = torch.stack([along / 3, ahead / way, behind / way, torch.log(way)], dim=3)
        static = self.separations.unsqueeze(0).expand(frame.shape[0], -1, -1, -1)
        seen = torch.cat([numbers, near, static], dim=3)
        length = (normal * normal).sum(2)
        inside = torch.stack([length / 3, torch.log(1 + length)], dim=2)
        found = self.core(tokens, seen, inside)
        pull = found[..., 1] * self.side / way
        mean = torch.bmm(found[..., 0], normal) + torch.bmm(pull, middle)
        mean = mean - pull.sum(2, keepdim=True) * middle
        spread = 0.5 * (found[..., 2] + found[..., 2].transpose(1, 2))
        moved = torch.sqrt(2 * self.diffusion_nm2_per_ps_K * temperature_K * lag_time_ps)
        return [mean, spread, raw, moved.unsqueeze(1)]

    @torch.jit.export
    def squares(self, points: Tensor) -> Tensor:
        """Squared distances of all points (B, M, 3) from each other (B, M, M)."""
        gap = points.unsqueeze(1) - points.unsqueeze(2)
        return (gap * gap).sum(3)

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        """The move of the centre of mass and the bond vectors, nm (B, 3 N), from normals (B, 3 N)."""
        eps = noise.unflatten(1, [-1, 3])
        normal = condition[0] + exponential(condition[1], eps[:, 1:])
        bonds = normal
        if self.radial:
            outer, offset, inner, rounding = radial_parameters(condition[2])
            length = torch.sqrt((normal * normal).sum(2) + 1e-12)
            bonds = normal * (stretched(length, outer, offset, inner, rounding) / length).unsqueeze(2)
        else:
            bonds = normal * torch.exp(condition[2][:, :, :1])
        moved = condition[3].unsqueeze(2) * eps[:, :1]
        return torch.cat([moved, self.scale_nm * bonds], dim=1).flatten(1)

    @torch.jit.export
    def inverse(self, bonds: Tensor, raw: Tensor) -> Tensor:
        """Normal variables (B, n, 3) of bond vectors (B, n, 3), in units of the usual length."""
        if not self.radial:
            return bonds * torch.exp(-raw[:, :, :1])
        outer, offset, inner, rounding = radial_parameters(raw)
        length = torch.sqrt((bonds * bonds).sum(2) + 1e-12)
        return bonds * (shrunk(length, outer, offset, inner, rounding) / length).unsqueeze(2)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        vectors = latent.unflatten(1, [-1, 3])
        frame = history[:, -1].index_select(1, self.path)
        end = frame[:, :1]  # digits are kept however far the chain has moved
        centre = end + (self.shares * (frame - end)).sum(1, keepdim=True)
        chain = functional.pad(torch.cumsum(vectors[:, 1:], dim=1), [0, 0, 1, 0])
        placed = chain - (self.shares * chain).sum(1, keepdim=True) + centre + vectors[:, :1]
        return placed.index_select(1, self.back)

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D) of pairs of positions (B, N, 3), nm."""
        before, after = before[:, self.path], after[:, self.path]
        moved = (self.shares * (after - before)).sum(1, keepdim=True)
        return torch.cat([moved, after[:, 1:] - after[:, :-1]], dim=1).flatten(1)

    @torch.jit.ignore
    def negative_log_likelihood(self, latent: Tensor, condition: list[Tensor]) -> Tensor:
        """Of the bond vectors, in units of the usual length, per coordinate (B,); the centre of mass has
        nothing to learn.
        """
        mean, spread, raw, _ = condition
        bonds = latent.unflatten(1, [-1, 3])[:, 1:] / self.scale_nm
        normal = self.inverse(bonds, raw)
        eps = exponential(-spread, normal - mean)
        trace = spread.diagonal(dim1=1, dim2=2).sum(1)
        if self.radial:
            shape = radial_parameters(raw)
            length = torch.sqrt((normal * normal).sum(2) + 1e-12)
            bond = torch.sqrt((bonds * bonds).sum(2) + 1e-12)
            volume = log_slope(length, *shape) + 2 * torch.log(bond / length)
        else:
            volume = 3 * raw[:, :, 0]
        total = 0.5 * (eps * eps).sum((1, 2)) + 3 * trace + volume.sum(1)
        return total / (3 * bonds.shape[1]) + 0.5 * math.log(2 * math.pi)
