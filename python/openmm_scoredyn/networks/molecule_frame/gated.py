"""A molecule-frame network that decides first which rare event happens, if any, then where the
molecule goes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from openmm_scoredyn.networks.molecule_frame.gate import EventGate
from openmm_scoredyn.networks.molecule_frame.network import MoleculeFrameNetwork


class GatedNetwork(nn.Module):
    """p(y|x) as a sum over rare events, P(event|x) p(y|x, event), and the rest, where none happens.

    An event of probability 10^-5 is a region of the latent space that a denoising loss does not see: its
    weight there is 10^-5. Here the probability is learnt by itself, on a logarithmic scale (`EventGate`), and
    the network is told what happens. Events are decided one after the other, each given that those before it
    did not happen.

    A decision needs one random number. It is a latent of its own, a standard normal u that nothing else
    depends on: the event happens where its distribution function is below its probability. For a unit normal
    latent the optimal raw output is zero (`edm` preconditioning), and u = noised / sqrt(1 + sigma^2) stays
    the same along the probability-flow ODE; solver `trig_2m` follows that exactly, so all evaluations of a
    step agree. The other solvers do not, and are refused.

    Parameters
    ----------
    inner : MoleculeFrameNetwork with a flag for each of E events, D latents
    gates : list of E EventGates on the features of the inner network's condition
    """

    latent_type = "invariant"
    symmetric = True
    solvers = ("trig_2m",)

    def __init__(self, inner: MoleculeFrameNetwork, gates: list[EventGate]):
        super().__init__()
        self.inner = inner
        self.gates = nn.ModuleList(gates)
        self.events = len(gates)
        self.moving = inner.dimension
        self.padding = self.events + (-self.moving - self.events) % 3
        weight = functional.pad(inner.loss_weight.flatten()[: self.moving], [0, self.padding])
        self.register_buffer("loss_weight", weight.unflatten(0, [-1, 3]))

    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Raw output (B, M, 3) for scaled latents (B, M, 3), level ln(sigma)/4 (B,), history
        (B, H, N, 3) nm.
        """
        return self.predict(latent, level, self.condition(history, box))

    @torch.jit.export
    def condition(self, history: Tensor, box: Tensor) -> Tensor:
        """What the inner network sees of the newest frame, and below which u every event
        happens, (B, S + E).
        """
        seen = self.inner.condition(history, box)
        features = seen[:, self.inner.measured : self.inner.measured + self.inner.features]
        parts = [seen]
        for gate in self.gates:
            parts.append(torch.special.ndtri(torch.exp(gate(features))))
        return torch.cat(parts, dim=1)

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Raw output (B, M, 3) from scaled latents (B, M, 3), level ln(sigma)/4 (B,) and condition (B, S +
        E).
        """
        flat = latent.flatten(1)
        drawn = flat[:, self.moving : self.moving + self.events]
        happens = (drawn < condition[:, -self.events :]).to(condition.dtype)
        first = happens * (torch.cumsum(happens, dim=1) < 1.5)
        told = torch.cat([condition[:, : -self.events], first], dim=1)
        raw = self.inner.predict_flat(flat[:, : self.moving], level, told)
        return functional.pad(raw, [0, self.padding]).unflatten(1, [-1, 3])

    @torch.jit.ignore
    def told(self, condition: Tensor, labels: Tensor) -> Tensor:
        """The condition (B, S + E) of pairs of which it is known which event happened, `labels` (B, E) bool:
        every P is 1 or 0.
        """
        known = torch.where(labels, torch.inf, -torch.inf).to(condition.dtype)
        return torch.cat([condition[:, : -self.events], known], dim=1)

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor) -> Tensor:
        """Latents (B, M, 3) of pairs of positions (B, N, 3), nm; every u, which the network is not trained
        on, is 0.
        """
        return self._refill(self.inner.latent(before, after))

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: Tensor) -> Tensor:
        """Noise (B, M, 3) without every u and padding."""
        return self._refill(eps)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.inner.advance(latent, history, box)

    @torch.jit.export
    def advance_conditioned(self, latent: Tensor, condition: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """`advance`, from what `condition` returned."""
        return self.inner.advance_conditioned(latent, condition, history, box)

    def _refill(self, latent: Tensor) -> Tensor:
        """The moving latents, zeros behind them."""
        flat = latent.flatten(1)[:, : self.moving]
        return functional.pad(flat, [0, self.padding]).unflatten(1, [-1, 3])
