"""The published message-passing network written as its equations are, as an oracle of the one
that is fast.
"""

import torch
from torch import Tensor

from openmm_scoredyn.networks.message_passing.network import (
    MessagePassingNetwork,
    centred,
    length,
)
from openmm_scoredyn.networks.neighbours import radius_graph


class PlainMessagePassing(MessagePassingNetwork):
    """Inputs of every perceptron are joined, edge by edge. Same parameters, same state dict."""

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, 3 N)."""
        frame = condition[0]
        batch = frame.shape[0]
        before = (frame * self.scale).reshape(-1, 3)
        after = before + centred(latent.unflatten(1, [-1, 3])).reshape(-1, 3)
        sender, receiver = radius_graph(frame, self.cutoff)
        reach, goal = before[sender] - before[receiver], after[sender] - after[receiver]
        edge = self.edge_inlet(torch.cat([reach, length(reach), goal, length(goal)], dim=1))
        wave = level[:, None] * self.frequency
        noise = torch.cat([torch.sin(wave), torch.cos(wave)], dim=1).repeat_interleave(self.size, 0)
        node = self.node_inlet(torch.cat([self.label(self.kind).repeat(batch, 1), noise], dim=1))
        for block in self.blocks:
            edge = edge + block.edge_update(torch.cat([edge, node[sender], node[receiver]], dim=1))
            received = torch.zeros_like(node).index_add(0, receiver, edge)
            node = node + block.node_update(torch.cat([node, received], dim=1))
        return centred(self.outlet(node).view(batch, -1, 3)).flatten(1)
