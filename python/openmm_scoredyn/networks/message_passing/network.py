"""Network (b): the published message-passing network of Score Dynamics, for any molecule."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.neighbours import periodic_graph, radius_graph

SCALE_PER_NM = 20.0  # the published 2 per Angstrom, for displacements, coordinates and cutoff
CUTOFF_NM = 0.4


class MessagePassingNetwork(nn.Module):
    """MeshGraphNets on the radius graph of the condition, predicting what its parametrisation asks for.

    Nodes carry the kind of particle and the noise level, edges the vector and length between two particles in
    the condition and after the noised displacement. Not equivariant: train with random rotations.

    Parameters
    ----------
    molecule : Particles
        Atoms of one kind share element, name and residue name.
    width, blocks : int
    history_length : int
        Frames H of condition; nodes carry the last H - 1 displacements, too. The published network has 1.
    periodic : bool
        Vectors between particles are those to the nearest image.
    cutoff_nm : float
        Of the radius graph, below half the shortest width of a box.

    Notes
    -----
    Hsu et al., J. Chem. Theory Comput. 2024, doi 10.1021/acs.jctc.3c01361; the blocks are those of Pfaff et
    al. 2021. The displacement is diffused without its centre, which differences between atoms cannot see.

    The first layer of a perceptron whose input is joined from parts is applied part by part, W [x, y] = Wx x
    + Wy y: what belongs to an atom or a replica is multiplied once there, not once for each of its edges, and
    no joined array is made. The function and its parameters are the published ones.
    """

    latent_type = "vector"
    symmetric = False
    loss_weight = 1.0

    kind: Tensor
    frequency: Tensor

    def __init__(
        self,
        molecule: Particles,
        width: int = 200,
        blocks: int = 5,
        history_length: int = 1,
        periodic: bool = False,
        cutoff_nm: float = CUTOFF_NM,
    ):
        super().__init__()
        labels = list(zip(molecule.types, molecule.atom_names, molecule.residue_names))
        kinds = {label: kind for kind, label in enumerate(sorted(set(labels)))}
        self.size = len(molecule)
        self.scale = SCALE_PER_NM
        self.cutoff = cutoff_nm
        self.periodic = periodic
        self.register_buffer("kind", torch.tensor([kinds[label] for label in labels]))
        self.register_buffer(
            "frequency", torch.randn(32, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
        )
        self.node_inlet = Perceptron(len(kinds) + 64 + 3 * (history_length - 1), width)
        self.label = nn.Embedding.from_pretrained(torch.eye(len(kinds)))
        self.edge_inlet = Perceptron(8, width)
        self.blocks = nn.ModuleList([GraphBlock(width) for _ in range(blocks)])
        self.outlet = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3))

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """The newest frame of the history about its centre (B, N, 3) and the box (B, 3, 3), nm, and the
        scaled displacements before it (B, N, 3 (H - 1)).
        """
        moved = (history[:, 1:] - history[:, :-1]) * self.scale
        return [centred(history[:, -1]), box, moved.transpose(1, 2).flatten(2)]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, 3 N) from scaled latents (B, 3 N), level (B,) and condition (B, N, 3)."""
        frame = condition[0]
        batch = frame.shape[0]
        before = (frame * self.scale).reshape(-1, 3)
        step = centred(latent.unflatten(1, [-1, 3])).reshape(-1, 3)
        if self.periodic:
            sender, receiver, reach = periodic_graph(frame, condition[1], self.cutoff)
            reach = reach * self.scale
        else:
            sender, receiver = radius_graph(frame, self.cutoff)
            reach = before[sender] - before[receiver]
        goal = reach + step[sender] - step[receiver]
        edge = self.edge_inlet(torch.cat([reach, length(reach), goal, length(goal)], dim=1))
        wave = level[:, None] * self.frequency
        noise = torch.cat([torch.sin(wave), torch.cos(wave)], dim=1)
        node = self.node_inlet.rest(self._node_layer(noise, condition[2]).flatten(0, 1))
        for block in self.blocks:
            node, edge = block(node, edge, sender, receiver)
        return centred(self.outlet(node).view(batch, -1, 3)).flatten(1)

    def _node_layer(self, noise: Tensor, moved: Tensor) -> Tensor:
        """First layer of the node inlet, (B, N, width), for noise levels as waves (B, 64) and displacements
        (B, N, 3 (H - 1)).
        """
        weight, bias = self.node_inlet.first()
        kinds = weight.shape[1] - noise.shape[1] - moved.shape[2]
        of_kind, of_noise, of_moves = weight.split([kinds, noise.shape[1], moved.shape[2]], dim=1)
        own = functional.linear(self.label(self.kind), of_kind)
        out = functional.linear(noise, of_noise, bias)[:, None] + own
        return out + functional.linear(moved, of_moves) if moved.shape[2] > 0 else out

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm: the newest frame moved by the latent displacement, the centre kept."""
        return history[:, -1] + centred(latent.unflatten(1, [-1, 3])) / self.scale

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Scaled displacement (B, 3 N) without its centre, of pairs of positions (B, N, 3), nm."""
        return (centred(after - before) * self.scale).flatten(1)

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, 3 N) in the subspace without centre."""
        return centred(eps.unflatten(1, [-1, 3])).flatten(1)


class GraphBlock(nn.Module):
    """One round of messages: edges from their ends, nodes from the sum of their edges, both residual."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.edge_update = Perceptron(3 * width, width)
        self.node_update = Perceptron(2 * width, width)

    def forward(self, node: Tensor, edge: Tensor, sender: Tensor, receiver: Tensor) -> tuple[Tensor, Tensor]:
        """Updated nodes and edges."""
        weight, bias = self.edge_update.first()
        own, from_sender, from_receiver = weight.split(self.width, dim=1)
        sent = functional.linear(node, from_sender)[sender] + functional.linear(node, from_receiver)[receiver]
        edge = edge + self.edge_update.rest(functional.linear(edge, own, bias) + sent)
        received = torch.zeros_like(node).scatter_add(0, receiver[:, None].expand(-1, self.width), edge)
        weight, bias = self.node_update.first()
        own, from_edges = weight.split(self.width, dim=1)
        joined = functional.linear(node, own, bias) + functional.linear(received, from_edges)
        return node + self.node_update.rest(joined), edge


class Perceptron(nn.Sequential):
    """Two hidden layers with SiLU, normalised output."""

    def __init__(self, inputs: int, width: int):
        hidden = [nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
        super().__init__(*hidden, nn.Linear(width, width), nn.LayerNorm(width))

    def first(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the first layer, for `functional.linear`."""
        layer = getattr(self, "0")  # as nn.Sequential names it
        return layer.weight, layer.bias

    def rest(self, x: Tensor) -> Tensor:
        """Output (..., width) for what the first layer gave, before its activation."""
        for number, layer in enumerate(self):
            if number > 0:
                x = layer(x)
        return x


def centred(vectors: Tensor) -> Tensor:
    """Vectors (B, N, 3) without their mean over N."""
    return vectors - vectors.mean(dim=1, keepdim=True)


def length(vectors: Tensor) -> Tensor:
    """Lengths (..., 1) of vectors (..., 3)."""
    return torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
