"""Pairs of particles within a cutoff, in a periodic box or without one, for scripted networks."""

import torch
from torch import Tensor

from openmm_scoredyn.networks.small_matrices import inverse_3x3

FEW = 500  # particles, up to which looking at all pairs costs less than cells (benchmarks/liquid.py)


def radius_graph(positions: Tensor, cutoff_nm: float) -> tuple[Tensor, Tensor]:
    """Senders and receivers (E,), flat over batch and atoms, of all pairs (B, N, 3) nm within the cutoff."""
    atoms = positions.shape[1]
    offset = positions[:, :, None] - positions[:, None]
    near = (offset * offset).sum(-1) < cutoff_nm * cutoff_nm
    near = near & ~torch.eye(atoms, dtype=torch.bool, device=positions.device)
    batch, receiver, sender = torch.nonzero(near).unbind(1)
    return batch * atoms + sender, batch * atoms + receiver


def periodic_graph(
    positions: Tensor, box: Tensor, cutoff_nm: float, few: int = FEW
) -> tuple[Tensor, Tensor, Tensor]:
    """Senders and receivers (E,) as `radius_graph`, of nearest images in boxes (B, 3, 3), nm, and the vectors
    from receiver to sender (E, 3), nm. The cutoff is below half of the shortest height of a box. Of more than
    `few` particles only those in cells about each are looked at.
    """
    if positions.shape[1] > few:
        cells = cell_counts(box, cutoff_nm)
        if int(cells.min()) >= 3:
            return cell_graph(positions, box, cutoff_nm, cells)
    atoms = positions.shape[1]
    offset = nearest_image(positions[:, None] - positions[:, :, None], box)
    near = (offset * offset).sum(-1) < cutoff_nm * cutoff_nm
    near = near & ~torch.eye(atoms, dtype=torch.bool, device=positions.device)
    batch, receiver, sender = torch.nonzero(near).unbind(1)
    return batch * atoms + sender, batch * atoms + receiver, offset[batch, receiver, sender]


def nearest_image(vectors: Tensor, box: Tensor) -> Tensor:
    """Vectors (B, K, N, 3) to the nearest images in boxes (B, 3, 3), nm."""
    fractions = torch.matmul(vectors, inverse_3x3(box)[:, None])
    return torch.matmul(fractions - torch.round(fractions), box[:, None])


def cell_counts(box: Tensor, cutoff_nm: float) -> Tensor:
    """Cells (3,) along the vectors of boxes (B, 3, 3), each at least a cutoff high in all of them."""
    heights = 1.0 / torch.linalg.vector_norm(inverse_3x3(box), dim=1)
    return torch.floor(heights.min(0)[0] / cutoff_nm).to(torch.long)


def cell_graph(
    positions: Tensor, box: Tensor, cutoff_nm: float, cells: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As `periodic_graph`, by looking into the 27 cells about each particle: linear in the number of
    particles. There are three cells (3,) or more along each vector of the box.
    """
    batch, atoms = positions.shape[0], positions.shape[1]
    fractions = torch.matmul(positions, inverse_3x3(box))
    fractions = fractions - torch.floor(fractions)
    place = torch.minimum((fractions * cells).to(torch.long), cells - 1).reshape(-1, 3)
    replica = torch.arange(batch, device=positions.device).repeat_interleave(atoms)
    number = cell_number(place, replica, cells)
    order = torch.argsort(number)
    count = torch.bincount(number, minlength=batch * int(cells.prod()))
    first = torch.cumsum(count, 0) - count
    steps = torch.arange(-1, 2, device=positions.device)
    shifts = torch.cartesian_prod(steps, steps, steps)
    about = cell_number((place[:, None] + shifts) % cells, replica[:, None], cells).flatten()
    many = count[about]
    receiver = torch.arange(batch * atoms, device=positions.device).repeat_interleave(27)
    receiver = receiver.repeat_interleave(many)
    begin = first[about] - (torch.cumsum(many, 0) - many)
    sender = order[begin.repeat_interleave(many) + torch.arange(len(receiver), device=positions.device)]
    flat, own = fractions.reshape(-1, 3), box[replica]
    apart = flat[sender] - flat[receiver]
    offset = torch.matmul((apart - torch.round(apart))[:, None], own[receiver])[:, 0]
    near = ((offset * offset).sum(-1) < cutoff_nm * cutoff_nm) & (sender != receiver)
    return sender[near], receiver[near], offset[near]


def cell_number(place: Tensor, replica: Tensor, cells: Tensor) -> Tensor:
    """Number of the cell at `place` (..., 3) of a replica (...)."""
    inner = (place[..., 0] * cells[1] + place[..., 1]) * cells[2] + place[..., 2]
    return replica * cells.prod() + inner
