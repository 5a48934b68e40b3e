"""A map of the lengths of vectors: a vector that is normal in all directions becomes a bond."""

import torch
from torch import Tensor


def radial_parameters(raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Slope far out, offset, slope at the origin and rounding, each (..., n), from raw numbers (..., n, 4).

    The origin's slope is larger than the outer one, offset and rounding are positive.
    """
    outer = torch.exp(raw[..., 0])
    return outer, torch.exp(raw[..., 1]), outer + torch.exp(raw[..., 2]), torch.exp(raw[..., 3])


def stretched(length: Tensor, outer: Tensor, offset: Tensor, inner: Tensor, rounding: Tensor) -> Tensor:
    """Lengths of bonds of lengths in the normal variable: a line inner * x that bends over, smoothly, into
    offset + outer * x; zero at zero and rising.
    """
    shift = 0.5 * (offset - torch.sqrt(offset * offset + 4 * rounding))
    gap = (inner - outer) * length - offset
    return 0.5 * ((inner + outer) * length + offset - torch.sqrt(gap * gap + 4 * rounding)) - shift


def shrunk(bond: Tensor, outer: Tensor, offset: Tensor, inner: Tensor, rounding: Tensor) -> Tensor:
    """The inverse of `stretched`, in closed form."""
    shift = 0.5 * (offset - torch.sqrt(offset * offset + 4 * rounding))
    height = bond + shift  # (height - inner x) (height - offset - outer x) = rounding, the larger root
    sum_ = outer * height + inner * (height - offset)
    gap = outer * height - inner * (height - offset)
    root = torch.sqrt(gap * gap + 4 * inner * outer * rounding)
    product = height * (height - offset) - rounding
    # of two ways to write the root, the one that does not cancel
    positive = (sum_ + root) / (2 * inner * outer)
    negative = -2 * product / (root - sum_).clamp(min=1e-12)
    return torch.where(sum_ > 0, positive, negative)


def log_slope(length: Tensor, outer: Tensor, offset: Tensor, inner: Tensor, rounding: Tensor) -> Tensor:
    """Logarithm of the derivative of `stretched`."""
    gap = (inner - outer) * length - offset
    bend = gap / torch.sqrt(gap * gap + 4 * rounding)
    return torch.log(0.5 * (inner + outer - (inner - outer) * bend))
