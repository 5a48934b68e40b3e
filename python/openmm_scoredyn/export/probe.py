"""Inputs a program is tried on before it is written, and what it answers."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export.embedding import embed
from openmm_scoredyn.program.card import Card

REPLICAS = 8


@dataclass(frozen=True)
class Probe:
    """One batch of inputs.

    Attributes
    ----------
    history : (B, H, N, 3) nm;  box : (3, 3) nm
    sigma : (B,), from sigma_min to sigma_max
    clean, noised : (B, M, 3)
    noise : (B, K, M, 3), for programs of kind "transition"
    """

    history: Tensor
    box: Tensor
    sigma: Tensor
    clean: Tensor
    noised: Tensor
    noise: Tensor

    def to(self, dtype: torch.dtype) -> "Probe":
        """The same numbers in another precision."""
        return Probe(**{name: value.to(dtype) for name, value in vars(self).items()})

    def first(self) -> "Probe":
        """Replica 0 alone, as a batch of one."""
        return replace(Probe(**{k: v[:1] for k, v in vars(self).items()}), box=self.box)

    def moved(self, rotation: Tensor, shift: Tensor, turn_latents: bool) -> "Probe":
        """All replicas turned by `rotation` (3, 3) and moved by `shift` (3,), nm; latents turned along on
        request.
        """
        latents = {name: getattr(self, name) for name in ("clean", "noised", "noise")}
        if turn_latents:
            latents = {name: value @ rotation.T for name, value in latents.items()}
        return replace(self, history=self.history @ rotation.T + shift, box=self.box @ rotation.T, **latents)


def make_probe(card: Card, history: Tensor | None, box: Tensor | None) -> Probe:
    """Replicas of one example history, each turned another way and jittered by 0.5 pm, with noise of all
    levels.

    Raises
    ------
    ExportError
        If the history or the box has another shape than the card says, or a periodic model comes without a
        box.
    """
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    frames, box = _example(card, history, box)
    rows, kinds = (card.latent_size, 3), (card.noise_count, card.latent_size, 3)
    turned = torch.stack([frames @ random_rotation(generator).float().T for _ in range(REPLICAS)])
    if card.periodic:  # the box stays, so the molecule does too
        turned = frames.expand(REPLICAS, -1, -1, -1)
    sigma = torch.logspace(0, 1, REPLICAS, base=card.sigma_max / card.sigma_min) * card.sigma_min
    clean = card.sigma_data * normal(REPLICAS, *rows)
    return Probe(
        history=turned + 5e-4 * normal(*turned.shape),
        box=box,
        sigma=sigma,
        clean=clean,
        noised=clean + sigma[:, None, None] * normal(REPLICAS, *rows),
        noise=normal(REPLICAS, *kinds),
    )


def random_rotation(generator: torch.Generator) -> Tensor:
    """A proper rotation matrix (3, 3), float64, drawn uniformly."""
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r))
    return q if torch.linalg.det(q) > 0 else -q


def answer(program, probe: Probe) -> tuple[Tensor, Tensor]:
    """Latents (B, M, 3) and positions (B, N, 3), nm; a transition has no latents, hence an empty tensor."""
    with torch.no_grad():
        if hasattr(program, "propose"):
            positions = program.propose(probe.noise, probe.history, probe.box)
            return torch.empty(0, dtype=probe.box.dtype), positions
        denoised = program.denoise(probe.noised, probe.sigma, probe.history, probe.box)
        return denoised, program.advance(probe.clean, probe.history, probe.box)


def _example(card: Card, history: Tensor | None, box: Tensor | None) -> tuple[Tensor, Tensor]:
    shape = (card.history_length, card.num_particles, 3)
    if history is None and "history" in card.golden:
        history = torch.tensor(card.golden["history"]).reshape(shape)
    if box is None and "box" in card.golden:
        box = torch.tensor(card.golden["box"]).reshape(3, 3)
    if history is None:
        history = embed(card).expand(shape)
    if box is None:
        if card.periodic:
            raise ExportError(
                "export_program: the model is periodic, but there is no box to try it in; expected box=(3, 3)"
                " nm, found none; give the box of a training frame."
            )
        box = torch.zeros(3, 3)
    history, box = torch.as_tensor(history).float(), torch.as_tensor(box).float()
    for name, value, expected in (("history", history, shape), ("box", box, (3, 3))):
        if tuple(value.shape) != expected:
            raise ExportError(
                f"export_program: the example {name} has the wrong shape; expected {expected}, "
                f"found {tuple(value.shape)}; give one history of the model's molecule in nm."
            )
    return history - (0 if card.periodic else history[-1].mean(0)), box
