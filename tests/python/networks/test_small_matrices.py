"""Closed-form inverses against torch's, and that no program with them waits for the host."""

import pytest
import torch
from alanine import alanine_molecule
from torch.testing import assert_close

from openmm_scoredyn.networks.displacement import DisplacementLatent, DisplacementScales
from openmm_scoredyn.networks.small_matrices import inverse_3x3


def matrices(*shape):
    """Random matrices (*shape, 3, 3), float64."""
    return torch.randn(*shape, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(50,), (4, 5), ()])
def test_inverses_are_those_of_torch(shape):
    given = matrices(*shape)
    assert_close(inverse_3x3(given), torch.linalg.inv(given), rtol=1e-9, atol=1e-9)
    assert inverse_3x3(given.float()).dtype == torch.float32


def test_of_a_line_of_atoms_no_digit_is_lost():
    """Moments about a line, but for 1e-7 of their trace: as exact as float32 can hold it."""
    axis = torch.nn.functional.normalize(matrices(20)[..., 0], dim=-1)
    identity = torch.eye(3, dtype=torch.float64)
    moments = (identity - axis[:, :, None] * axis[:, None, :] + 2e-7 * identity).float()
    exact = torch.linalg.inv(moments.double())
    found = inverse_3x3(moments).double()
    assert ((found - exact).abs() <= 1e-6 * exact.abs().amax((1, 2), keepdim=True)).all()


def test_gradients_are_those_of_torch():
    given = matrices(3).requires_grad_()
    ours, theirs = (
        torch.autograd.grad(inverse(given).sin().sum(), given)[0]
        for inverse in (inverse_3x3, torch.linalg.inv)
    )
    assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_an_equivariant_step_has_no_operation_that_waits_for_the_host():
    particles = alanine_molecule()
    count = len(particles)
    scales = DisplacementScales(torch.eye(count), torch.ones(count, count), torch.ones(count, count))
    graph = str(torch.jit.script(DisplacementLatent(particles, scales)).internal.inlined_graph)
    assert "aten::linalg_cross" in graph
    for waits in ("linalg_inv", "linalg_solve", "aten::item", "aten::nonzero", "aten::Bool", "prim::If"):
        assert waits not in graph
