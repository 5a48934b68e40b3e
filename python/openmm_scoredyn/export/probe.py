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
    history : (B, H, N, 3);  box : (B, 3, 3), nm
    lag_time_ps, temperature_K : (B,), what the card knows, in turn
    sigma : (B,), from sigma_min to sigma_max
    clean, noised, noise : (B, D)
    """

    history: Tensor
    box: Tensor
    lag_time_ps: Tensor
    temperature_K: Tensor
    sigma: Tensor
    clean: Tensor
    noised: Tensor
    noise: Tensor

    def to(self, dtype: torch.dtype) -> "Probe":
        """The same numbers in another precision."""
        return Probe(**{name: value.to(dtype) for name, value in vars(self).items()})

    def rows(self, chosen: slice) -> "Probe":
        """Some of the replicas."""
        return Probe(**{name: value[chosen] for name, value in vars(self).items()})

    def moved(self, rotation: Tensor, shift: Tensor, turn_latents: bool) -> "Probe":
        """All replicas turned by `rotation` (3, 3) and moved by `shift` (3,), nm; latents turned along on
        request.
        """
        latents = {name: getattr(self, name) for name in ("clean", "noised", "noise")}
        if turn_latents:
            latents = {name: turned(value, rotation) for name, value in latents.items()}
        return replace(self, history=self.history @ rotation.T + shift, box=self.box @ rotation.T, **latents)


def turned(latents: Tensor, rotation: Tensor) -> Tensor:
    """Latents (B, D) of vectors, turned by `rotation` (3, 3)."""
    return (latents.unflatten(1, [-1, 3]) @ rotation.T).flatten(1)


def make_probe(card: Card, history: Tensor | None, box: Tensor | None) -> Probe:
    """Replicas of example histories in turn, each turned another way and jittered by 0.5 pm, with noise of
    all levels.

    Raises
    ------
    ExportError
        If the history or the box has another shape than the card says, or a periodic model comes without a
        box.
    """
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    capabilities = card.capabilities
    examples, box = _example(card, history, box)
    frames = examples[torch.arange(REPLICAS) % len(examples)]
    if not capabilities.periodic:  # in a box, which stays, the particles do too
        rotations = torch.stack([random_rotation(generator).float() for _ in range(REPLICAS)])
        frames = frames @ rotations[:, None].mT
    low, high = capabilities.sigma_min, capabilities.sigma_max
    sigma = torch.logspace(0, 1, REPLICAS, base=high / low) * low
    clean = capabilities.sigma_data * normal(REPLICAS, capabilities.latent_size)
    return Probe(
        history=frames + 5e-4 * normal(*frames.shape),
        box=box.expand(REPLICAS, 3, 3).clone(),
        lag_time_ps=_known(capabilities.lag_times_ps, capabilities.lag_time_range),
        temperature_K=_known(capabilities.temperatures_K, capabilities.temperature_range),
        sigma=sigma,
        clean=clean,
        noised=clean + sigma[:, None] * normal(*clean.shape),
        noise=normal(*clean.shape),
    )


def _known(values: tuple[float, ...], is_range: bool) -> Tensor:
    """What a model knows of a quantity, in turn, (B,); of a range the ends and their geometric mean."""
    if is_range:
        low, high = values
        values = (low, high, (low * high) ** 0.5)
    return torch.tensor([values[k % len(values)] for k in range(REPLICAS)])


def random_rotation(generator: torch.Generator) -> Tensor:
    """A proper rotation matrix (3, 3), float64, drawn uniformly."""
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * torch.sign(torch.diagonal(r))
    return q if torch.linalg.det(q) > 0 else -q


def answer(program, probe: Probe) -> tuple[Tensor, Tensor]:
    """Latents (B, D), of `start` and `denoise` one behind the other if there are both, and positions
    (B, N, 3), nm.
    """
    with torch.no_grad():
        condition = program.condition(probe.history, probe.box, probe.lag_time_ps, probe.temperature_K)
        latents = []
        if hasattr(program, "start"):
            latents.append(program.start(probe.noise, condition))
        if hasattr(program, "denoise"):
            latents.append(program.denoise(probe.noised, probe.sigma, condition))
        positions = program.advance(probe.clean, condition, probe.history, probe.box)
        return torch.cat(latents, dim=1), positions


def _example(card: Card, history: Tensor | None, box: Tensor | None) -> tuple[Tensor, Tensor]:
    """Histories (K, H, N, 3) and a box (3, 3), nm."""
    capabilities = card.capabilities
    shape = (capabilities.history_length, card.num_particles, 3)
    golden = [entry for entry in card.golden if "history" in entry]
    if history is None and golden:
        history = torch.tensor([entry["history"] for entry in golden]).reshape(-1, *shape)
    if box is None and golden and "box" in golden[0]:
        box = torch.tensor(golden[0]["box"]).reshape(3, 3)
    if history is None:
        history = embed(card).expand(shape)
    if box is None:
        if capabilities.periodic:
            raise ExportError(
                "export_program: the model is periodic, but there is no box to try it in; expected box=(3, 3)"
                " nm, found none; give the box of a training frame."
            )
        box = torch.zeros(3, 3)
    history, box = torch.as_tensor(history).float(), torch.as_tensor(box).float()
    for name, value, expected in (("history", history, shape), ("box", box, (3, 3))):
        if tuple(value.shape[-len(expected) :]) != expected or value.ndim > len(expected) + (
            name == "history"
        ):
            raise ExportError(
                f"export_program: the example {name} has the wrong shape; expected {expected}, "
                f"found {tuple(value.shape)}; give a history of the model's particles in nm."
            )
    history = history.reshape(-1, *shape)
    if capabilities.periodic:
        return history, box
    return history - history[:, -1:].mean(2, keepdim=True), box
