"""The methods of a score program, as a module to be scripted around the user's own."""

import copy

import torch
from torch import Tensor, nn

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.program.card import Card

_OWN = {"denoise": "predict"}  # methods of a program that are made of another one of the network


class ScoreProgram(nn.Module):
    """The contract in terms of a network, whatever its parametrisation."""

    def __init__(self, network: nn.Module, parametrization: Parametrization):
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
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        """Expected clean latent (B, D) of a noised one at noise levels (B,)."""
        shown = self.parametrization.network_input(latent, sigma)
        raw = self.network.predict(shown, self.parametrization.network_level(sigma), condition)
        return self.parametrization.clean(raw, latent, sigma)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time after the newest frame of the history."""
        return self.network.advance(latent, condition, history, box)


class StartingProgram(ScoreProgram):
    """One whose network makes the first latent itself."""

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        """The latent (B, D) that denoising begins with, from standard normals (B, D)."""
        return self.network.start(noise, condition)


class OneStepProgram(nn.Module):
    """One whose network makes the clean latent in one go."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """As `ScoreProgram.condition`."""
        return self.network.condition(history, box, lag_time_ps, temperature_K)

    @torch.jit.export
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        """The clean latent (B, D), from standard normals (B, D)."""
        return self.network.start(noise, condition)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """As `ScoreProgram.advance`."""
        return self.network.advance(latent, condition, history, box)


def wrap(network: nn.Module, card: Card, parametrization: Parametrization) -> nn.Module:
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
    network = _copied(network)
    if "denoise" not in needed:
        return OneStepProgram(network).eval()
    kind = StartingProgram if "start" in needed else ScoreProgram
    return kind(network, copy.deepcopy(parametrization)).eval()


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
