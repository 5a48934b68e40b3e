"""Networks of random weights and pairs of frames for them."""

import torch
from alanine import alanine_molecule, alanine_positions

from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.registry import NetworkChoice


def situation(frames):
    """History of one frame, no box, 1 ps and 300 K, for frames (B, N, 3), nm."""
    one = torch.ones(len(frames), dtype=frames.dtype)
    return frames[:, None], torch.zeros(len(frames), 3, 3, dtype=frames.dtype), one, 300 * one


def ask(model, latent, level, frames):
    """Raw output for latents, (B, D) or a vector an atom, (B, N, 3), in the same shape."""
    condition = model.condition(*situation(frames))
    return model.predict(latent.flatten(1), level, condition).view_as(latent)


def latents(model, before, after):
    """Clean latents (B, D) of pairs of frames (B, N, 3), nm."""
    return model.latent(before, after, model.condition(*situation(before)))


def step(model, latent, frames):
    """Frames (B, N, 3), nm, that latents (B, D) lead to."""
    history, box, *_ = now = situation(frames)
    return model.advance(latent, model.condition(*now), history, box)


def pairs(count: int = 400):
    """Two sets of distorted alanine dipeptides (count, 22, 3), nm, with correlated noise."""
    generator = torch.Generator().manual_seed(4)
    before = torch.as_tensor(alanine_positions()).float() + 0.005 * torch.randn(
        count, 22, 3, generator=generator
    )
    return before, before + 0.003 * torch.randn(count, 22, 3, generator=generator)


def examples(before, after, particles=None) -> Examples:
    """Examples of pairs of frames, all of weight one."""
    count = len(before)
    history, box, lag, temperature = situation(before)
    free = torch.zeros(count, dtype=torch.int8)
    arrays = (history, after, box, torch.ones(count), free, lag, temperature)
    return Examples.joined(particles or alanine_molecule(), [arrays])


def fit_network(name: str, before, after, particles=None, **options):
    """A fresh network of a name, its scales fitted to pairs of frames."""
    choice = NetworkChoice.of(name, **options)
    return choice.architecture.fit(choice.config, [examples(before, after, particles)])


def network(name: str, **options):
    """A network of random weights, small, with an output that is not zero."""
    torch.manual_seed(0)
    built = fit_network(name, *pairs(), width=32, blocks=2, **options)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.eval()
