"""Matrices of three rows, without a call to a solver."""

import torch
from torch import Tensor


def inverse_3x3(matrices: Tensor) -> Tensor:
    """Inverses of matrices (..., 3, 3), in closed form: three cross products and a determinant.

    `torch.linalg.inv` asks the host whether a matrix is singular: a step with it waits for the GPU in every
    evaluation, and cannot be recorded as a CUDA graph. Here a singular matrix gives what is not finite, which
    the guard rejects. Computed in float64, because cofactors of a nearly singular matrix cancel.
    """
    first, second, third = matrices.double().unbind(-2)
    columns = torch.stack(
        [
            torch.linalg.cross(second, third),
            torch.linalg.cross(third, first),
            torch.linalg.cross(first, second),
        ],
        dim=-1,
    )
    determinant = (first * columns[..., 0]).sum(-1)
    return (columns / determinant[..., None, None]).to(matrices.dtype)
