"""Network (c): scalars and vectors on the pairs of a molecule, equivariant under SO(3), for any molecule."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.displacement import DisplacementLatent, DisplacementScales
from openmm_scoredyn.networks.equivariant.pair_features import PairFeatures

WAVES = 4


class EquivariantNetwork(nn.Module):
    """Raw output of a denoiser of displacements, which turns with the molecule and knows its mirror image
    apart.

    Every atom has scalars and vectors. What leaves the network is a sum of vectors with invariant weights:
    equivariant under rotation and, as only differences enter, blind to translation. Cross products make it
    change its answer in a mirror: with dot products alone a molecule and its mirror image would get mirrored
    answers. It expects EDM preconditioning with sigma_data = 1, as latents are whitened.

    Parameters
    ----------
    molecule : Particles
        Atoms of one kind share element, name and residue name.
    scales : DisplacementScales
    width, blocks : int
        `width` scalars an atom, a quarter as many vectors.

    Notes
    -----
    Scalars and vectors as in PaiNN (Schuett, Unke and Gastegger 2021), messages of our own: linear in the
    functions of a pair, so that one matrix product over all pairs makes all of them, and no array of pairs
    times width.
    """

    latent_type = "vector"
    symmetric = True
    loss_weight = 1.0

    kind: Tensor
    order: Tensor
    pull: Tensor

    def __init__(self, molecule: Particles, scales: DisplacementScales, width: int = 64, blocks: int = 3):
        super().__init__()
        labels = list(zip(molecule.types, molecule.atom_names, molecule.residue_names))
        kinds = {label: kind for kind, label in enumerate(sorted(set(labels)))}
        self.register_buffer("kind", torch.tensor([kinds[label] for label in labels]))
        self.register_buffer("order", torch.arange(1.0, WAVES + 1) * (0.5 * torch.pi))
        self.rows = DisplacementLatent(molecule, scales)
        self.pairs = PairFeatures(molecule, scales)
        self.register_buffer("pull", scales.spread.T / torch.linalg.matrix_norm(scales.spread, 2))
        self.label = nn.Embedding(len(kinds), width)
        self.level_inlet = nn.Sequential(nn.Linear(2 * WAVES + 1, width), nn.SiLU(), nn.Linear(width, width))
        self.vector_inlet = nn.Linear(2, width // 4, bias=False)
        self.blocks = nn.ModuleList([EquivariantBlock(width, self.pairs.size) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, width // 4)
        self.outlet = nn.Linear(width // 4, 2, bias=False)
        nn.init.zeros_(self.outlet.weight)

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """One tensor (B, N, 3), nm: the newest frame of the history about its centre of mass."""
        return [self.rows.centred(history[:, -1])]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, 3 N) from scaled latents (B, 3 N), level ln(sigma)/4 (B,), condition (B, N, 3)."""
        rows = latent.unflatten(1, [-1, 3])
        return self.predict_rows(rows, level, condition[0]).flatten(1)

    @torch.jit.export
    def predict_rows(self, latent: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """`predict`, with a vector (B, N, 3) for each atom."""
        sigma = torch.exp(4 * level)
        total = 1 + sigma * sigma
        latent = self.rows.internal(latent, condition)
        moved = torch.matmul(self.pull.T, latent)
        # Where the atoms would be if they forgot the condition as unit normals do: the noise is damped as it
        # grows.
        after = condition + self.rows.displacement(latent) / torch.sqrt(total)[:, None, None]
        pairs = self.pairs(condition, after, sigma / total)
        wave = level[:, None] * self.order
        noise = self.level_inlet(torch.cat([level[:, None], torch.sin(wave), torch.cos(wave)], dim=1))
        scalar = self.label(self.kind) + noise[:, None]
        vector = self.vector_inlet(torch.stack([latent, moved], dim=-1))
        for block in self.blocks:
            scalar, vector = block(scalar, vector, pairs)
        out = self.outlet(vector * self.gate(self.norm(scalar))[:, :, None])
        return self.rows.internal(out[..., 0] + torch.matmul(self.pull, out[..., 1]), condition)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm: the newest frame moved by the latent displacement, neither shifted nor
        turned.
        """
        internal = self.rows.internal(latent.unflatten(1, [-1, 3]), condition[0])
        return history[:, -1] + self.rows.displacement(internal)

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, 3 N) of pairs of positions (B, N, 3), nm."""
        return self.rows.encode(before, after).flatten(1)

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, 3 N) without what would move or turn the molecule."""
        return self.rows.internal(eps.unflatten(1, [-1, 3]), condition[0]).flatten(1)


class EquivariantBlock(nn.Module):
    """Messages between all pairs, then scalars and vectors of each atom among themselves, all residual.

    Four things reach an atom from another along the direction u: scalars, scalars times u, vectors w, and the
    tensor u w, whose trace is u . w and whose antisymmetric part is u x w.
    """

    def __init__(self, width: int, functions: int):
        super().__init__()
        self.vectors, self.sent, self.carried = width // 4, 3 * width // 8, width // 8
        self.norm = nn.LayerNorm(width)
        self.send = nn.Linear(width, functions * self.sent)
        self.carry = nn.Linear(self.vectors, functions * self.carried, bias=False)
        self.receive = nn.Linear(self.sent + 2 * self.carried, self.vectors, bias=False)
        self.mix = nn.Linear(self.vectors, 3 * self.vectors, bias=False)
        seen = width + self.sent + self.carried + 3 * self.vectors
        self.widen = nn.Linear(seen, 2 * width)
        self.narrow = nn.Linear(2 * width, width + 2 * self.vectors)
        self.merge = nn.Linear(2 * self.vectors, self.vectors, bias=False)
        self.sizes = [width, self.vectors, self.vectors]

    def forward(self, scalar: Tensor, vector: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Updated scalars (B, N, width) and vectors (B, N, 3, width / 4); `pairs` (B, 4 N, N F) of
        `PairFeatures`.
        """
        batch, atoms = scalar.shape[0], scalar.shape[1]
        own = self.norm(scalar)
        sent = self.send(own).view(batch, -1, self.sent)
        got = torch.matmul(pairs, sent).view(batch, atoms, 4, self.sent)
        carried = self.carry(vector).view(batch, atoms, 3, -1, self.carried).transpose(2, 3)
        moved = torch.matmul(pairs, carried.reshape(batch, -1, 3 * self.carried)).view(
            batch, atoms, 4, 3, self.carried
        )
        tensor = moved[:, :, 1:]
        received = torch.cat([got[:, :, 1:], moved[:, :, 0], antisymmetric(tensor)], dim=3)
        vector = vector + self.receive(received)
        left, right, third = saturated(self.mix(vector)).chunk(3, dim=3)
        across = torch.linalg.cross(left, right, dim=2)
        trace = tensor[:, :, 0, 0] + tensor[:, :, 1, 1] + tensor[:, :, 2, 2]
        products = [(left * right).sum(2), third.square().sum(2), (across * third).sum(2)]
        seen = torch.cat([own, got[:, :, 0], trace] + products, dim=2)
        change, along, turned = self.narrow(functional.silu(self.widen(seen))).split(self.sizes, dim=2)
        added = torch.cat([left * along[:, :, None], across * turned[:, :, None]], dim=3)
        return scalar + change, vector + self.merge(added)


def antisymmetric(tensor: Tensor) -> Tensor:
    """u x w (B, N, 3, C) of u w (B, N, 3, 3, C)."""
    x = tensor[:, :, 1, 2] - tensor[:, :, 2, 1]
    y = tensor[:, :, 2, 0] - tensor[:, :, 0, 2]
    z = tensor[:, :, 0, 1] - tensor[:, :, 1, 0]
    return torch.stack([x, y, z], dim=2)


def saturated(vectors: Tensor) -> Tensor:
    """Vectors (B, N, 3, C), shortened to lengths below 2, so that products of three of them stay of ordinary
    size.
    """
    return vectors / torch.sqrt(1 + 0.25 * vectors.square().sum(2, keepdim=True))
