"""Networks of random weights and pairs of frames for them."""

import torch
from alanine import alanine_molecule, alanine_positions

from openmm_scoredyn.networks import fit_network

BOX = torch.zeros(3, 3)


def pairs(count: int = 400):
    """Two sets of distorted alanine dipeptides (count, 22, 3), nm, with correlated noise."""
    generator = torch.Generator().manual_seed(4)
    before = torch.as_tensor(alanine_positions()).float() + 0.005 * torch.randn(
        count, 22, 3, generator=generator
    )
    return before, before + 0.003 * torch.randn(count, 22, 3, generator=generator)


def network(kind: str):
    """A network of random weights, small, with an output that is not zero."""
    torch.manual_seed(0)
    built = fit_network(kind, 32, 2, alanine_molecule(), *pairs())
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.eval()
