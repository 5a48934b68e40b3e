"""What training minimises."""

import torch
from torch import Tensor

from openmm_scoredyn.crystals.samples import Batch


def relative_loss(network, batch: Batch, noise_floor: float) -> Tensor:
    """Part of the noise that is not predicted, averaged over the lattices of a batch: a scalar, 1 if nothing
    is predicted.

    Parameters
    ----------
    network : as `LatticeDenoiser`
    noise_floor : as `DenoiserTraining`, in nearest-neighbour distances
    """
    predicted = network(batch.separations, batch.neighbours, batch.present, batch.kinds)
    errors = (predicted - batch.displacements).square().mean(1)
    per_lattice = torch.zeros_like(batch.sigmas).index_add(0, batch.owners, errors)
    per_lattice = per_lattice / torch.bincount(batch.owners, minlength=len(batch.sigmas))
    return (per_lattice / (batch.sigmas.square() + noise_floor**2)).mean()
