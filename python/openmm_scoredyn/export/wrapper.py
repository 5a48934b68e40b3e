"""The methods of a score program, as modules to be scripted around the user's own."""

import copy

import torch
from torch import Tensor, nn

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.program.card import Card


class DenoiserProgram(nn.Module):
    """The canonical denoiser of a network, whatever its parametrisation."""

    def __init__(self, network: nn.Module, parametrization: Parametrization):
        super().__init__()
        self.network = network
        self.parametrization = parametrization

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Expected clean latent (B, M, 3) of a noised one; sigma (B,), history (B, H, N, 3) nm, box (3, 3)
        nm.
        """
        shown = self.parametrization.network_input(latent, sigma)
        raw = self.network(shown, self.parametrization.network_level(sigma), history, box)
        return self.parametrization.clean(raw, latent, sigma)

    @torch.jit.export
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.network.advance(latent, history, box)


class ConditionedDenoiserProgram(DenoiserProgram):
    """A denoiser whose network says apart what it needs of the history, which is the same for all noise
    levels of a step.
    """

    @torch.jit.export
    def condition(self, history: Tensor, box: Tensor) -> Tensor:
        """What `denoise_conditioned` needs (B, ...) of history (B, H, N, 3) and box (3, 3), nm."""
        return self.network.condition(history, box)

    @torch.jit.export
    def denoise_conditioned(self, latent: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """`denoise`, from what `condition` returned."""
        shown = self.parametrization.network_input(latent, sigma)
        raw = self.network.predict(shown, self.parametrization.network_level(sigma), condition)
        return self.parametrization.clean(raw, latent, sigma)


class WhollyConditionedProgram(ConditionedDenoiserProgram):
    """One whose step out of the latents needs the same of the history."""

    @torch.jit.export
    def advance_conditioned(self, latent: Tensor, condition: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """`advance`, from what `condition` returned."""
        return self.network.advance_conditioned(latent, condition, history, box)


class TransitionProgram(nn.Module):
    """A whole step in the network's own way."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    @torch.jit.export
    def propose(self, noise: Tensor, history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time later, from normals (B, K, M, 3)."""
        return self.network.propose(noise, history, box)


def wrap(network: nn.Module, card: Card, parametrization: Parametrization) -> nn.Module:
    """A copy of the network on the CPU, in float32, without gradients or training behaviour, as a program.

    Raises
    ------
    ExportError
        If the network lacks the methods that its kind needs.
    """
    needed = {"denoiser": ("forward", "advance"), "transition": ("propose",)}[card.kind]
    for method in needed:
        if not callable(getattr(network, method, None)):
            raise ExportError(
                f"export_program: the module {type(network).__name__} has no method {method}; expected"
                f" {' and '.join(needed)} for a program of kind {card.kind!r}, found none of that name;"
                " add it."
            )
    network = copy.deepcopy(network).cpu().float().requires_grad_(False)
    if card.kind == "transition":
        return TransitionProgram(network).eval()
    has = [
        callable(getattr(network, method, None)) for method in ("condition", "predict", "advance_conditioned")
    ]
    kind = DenoiserProgram
    if all(has[:2]):
        kind = WhollyConditionedProgram if has[2] else ConditionedDenoiserProgram
    return kind(network, copy.deepcopy(parametrization)).eval()
