"""Muon for matrices: steps that are as long in rare directions as in common ones."""

import copy

import pytest
import torch
from torch import nn

from openmm_scoredyn.training.optimizer import MuonAndAdam


def stepped(gradient: torch.Tensor, rate: float) -> torch.Tensor:
    """What one step with this gradient adds to a matrix."""
    matrix, vector = nn.Parameter(torch.zeros_like(gradient)), nn.Parameter(torch.zeros(3))
    optimizer = MuonAndAdam([matrix, vector], 1e-3, rate)
    matrix.grad, vector.grad = gradient, torch.ones(3)
    optimizer.step()
    assert vector.detach().tolist() == pytest.approx([-1e-3] * 3, rel=1e-4), "Adam's first step"
    return matrix.detach()


def test_a_rare_direction_is_followed_as_far_as_a_common_one():
    torch.manual_seed(1)
    left, right = (torch.linalg.qr(torch.randn(size, 2))[0] for size in (24, 16))
    gradient = left @ torch.diag(torch.tensor([1.0, 0.02])) @ right.T
    moved = torch.diagonal(left.T @ stepped(gradient, 1e-2) @ right)
    assert 0.5 < float(moved[1] / moved[0]) < 2, "fifty times less gradient"
    assert (moved < 0).all()


def test_steps_are_of_the_size_that_adam_would_make():
    """Root mean square 0.2 of the learning rate (Liu et al. 2025)."""
    torch.manual_seed(2)
    step = stepped(torch.randn(64, 48), 1e-2)
    assert float(step.square().mean().sqrt()) == pytest.approx(0.2e-2, rel=0.25)


def test_a_schedule_reaches_both_parts_also_after_a_restart():
    torch.manual_seed(3)
    network = nn.Linear(4, 4)

    def run(optimizer, updates):
        for _ in range(updates):
            optimizer.zero_grad()
            network(torch.eye(4)).square().sum().backward()
            optimizer.step()

    first = MuonAndAdam(network.parameters(), 1e-3, 5e-3)
    run(first, 2)
    for group in first.param_groups:
        group["lr"] *= 0.5
    saved, weights = copy.deepcopy((first.state_dict(), network.state_dict()))
    run(first, 2)
    expected = copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    second = MuonAndAdam(network.parameters(), 1e-3, 5e-3)
    second.load_state_dict(saved)
    assert [group["lr"] for group in second.param_groups] == [2.5e-3, 0.5e-3]
    run(second, 2)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    second.param_groups[0]["lr"] = second.param_groups[1]["lr"] = 0.0
    run(second, 1)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
