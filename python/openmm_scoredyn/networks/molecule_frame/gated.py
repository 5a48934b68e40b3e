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
    loss_weight: Tensor

    def __init__(self, inner: MoleculeFrameNetwork, gates: list[EventGate]):
        super().__init__()
        self.inner = inner
        self.gates = nn.ModuleList(gates)
        self.events = len(gates)
        self.moving = inner.dimension
        self.register_buffer("loss_weight", functional.pad(inner.loss_weight, [0, self.events]))

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """One tensor (B, S + E): what the inner network sees of the newest frame, and below which u every
        event happens.
        """
        seen = self.inner.condition(history, box, lag_time_ps, temperature_K)[0]
        features = seen[:, self.inner.measured : self.inner.measured + self.inner.features]
        parts = [seen]
        for gate in self.gates:
            parts.append(torch.special.ndtri(torch.exp(gate(features))))
        return [torch.cat(parts, dim=1)]

    @torch.jit.export
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, D + E) from scaled latents (B, D + E), level ln(sigma)/4 (B,) and condition."""
        seen = condition[0]
        happens = (latent[:, self.moving :] < seen[:, -self.events :]).to(seen.dtype)
        first = happens * (torch.cumsum(happens, dim=1) < 1.5)
        told = torch.cat([seen[:, : -self.events], first], dim=1)
        raw = self.inner.predict_seen(latent[:, : self.moving], level, told, None)
        return functional.pad(raw, [0, self.events])

    @torch.jit.ignore
    def told(self, condition: list[Tensor], happened: Tensor) -> list[Tensor]:
        """The condition of pairs of which it is known which event happened (B, E): every P is 1 or 0."""
        seen = condition[0][:, : -self.events]
        known = torch.where(happened, torch.inf, -torch.inf).to(seen.dtype)
        return [torch.cat([seen, known], dim=1)]

    @torch.jit.ignore
    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D + E) of pairs of positions (B, N, 3), nm; every u, which the network is not trained
        on, is 0.
        """
        return functional.pad(self.inner.latent(before, after, condition), [0, self.events])

    @torch.jit.ignore
    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, D + E) without every u."""
        return functional.pad(eps[:, : self.moving], [0, self.events])

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.inner.advance(latent[:, : self.moving], condition, history, box)
