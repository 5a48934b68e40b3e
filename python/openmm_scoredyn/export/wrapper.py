"""The methods of a score program, as a module to be scripted around the user's own."""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.networks.protocol import Network
from openmm_scoredyn.program.card import Card

_OWN = {"denoise": "predict"}  # methods of a program that are made of another one of the network


class ScoreProgram(nn.Module):
    """The contract in terms of a network, whatever its parametrisation: what every program has of it."""

    def __init__(self, network: Network, parametrization: Parametrization):
        super().__init__()
        self.network = network
        self.parametrization = parametrization

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """What a step needs of history (B, H, N, 3) and box (B, 3, 3), nm, lag time and temperature (B,)."""
        return self.network.condition(history, box, lag_time_ps, temperature_K)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.network.advance(latent, condition, history, box)


@torch.jit.export
def _start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
    """The latent (B, D) that denoising begins with, or the clean one, from standard normals (B, D)."""
    return self.network.start(noise, condition)


@torch.jit.export
def _denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
    """Expected clean latent (B, D) of a noised one at noise levels (B,)."""
    shown = self.parametrization.network_input(latent, sigma)
    raw = self.network.predict(shown, self.parametrization.network_level(sigma), condition)
    return self.parametrization.clean(raw, latent, sigma)


# Compiled is what the class has, so that it has what the card says and no more.
_OPTIONAL = {"start": _start, "denoise": _denoise}


def wrap(network: nn.Module, card: Card, parametrization: Parametrization) -> ScoreProgram:
    """A copy of the network on the CPU, in float32, without gradients or training behaviour, as a program.

    Raises
    ------
    ExportError
        If the network lacks a method of the contract, is compiled already or cannot be copied.
    """
    needed = methods_of(card)
    for method in needed:
        own = _OWN.get(method, method)
        if not callable(getattr(network, own, None)):
            raise ExportError(
                f"export_program: the module {type(network).__name__} has no method {own}; expected"
                f" {', '.join(_OWN.get(name, name) for name in needed)}, found none of that name; add it."
            )
    kind = type(
        "ScoreProgram", (ScoreProgram,), {name: _OPTIONAL[name] for name in needed if name in _OPTIONAL}
    )
    return kind(cast(Network, _copied(network)), copy.deepcopy(parametrization)).eval()


def _copied(network: nn.Module) -> nn.Module:
    name = type(network).__name__
    kinds = {base.__name__ for base in type(network).__mro__}
    for kind, inside in (
        ("ScriptModule", "the module that was scripted"),
        ("OptimizedModule", "the module that was compiled, its _orig_mod"),
        ("LightningModule", "the network inside, a plain torch.nn.Module"),
    ):
        if kind in kinds:
            raise ExportError(
                f"export_program: the module {name} cannot be exported; expected a plain torch.nn.Module,"
                f" found a {kind}; give {inside}."
            )
    if not isinstance(network, nn.Module):
        raise ExportError(
            f"export_program: {name} is no module; expected an instance of torch.nn.Module, found"
            f" {network!r:.60}; give one."
        )
    try:
        return copy.deepcopy(network).cpu().float().requires_grad_(False)
    except Exception as error:  # of whatever the module holds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"export_program: the module {name} cannot be copied; expected parameters, buffers and plain"
            f" values, found {reason.rstrip('.')}; make anything else in its methods."
        ) from error


def methods_of(card: Card) -> tuple[str, ...]:
    """Methods that a program with this card has, in the order of a step."""
    start = ("start",) if card.capabilities.has_start else ()
    denoise = ("denoise",) if card.capabilities.denoising_steps else ()
    return ("condition", *start, *denoise, "advance")
