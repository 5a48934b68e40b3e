"""The networks: whitened latents, symmetry, independence of replicas."""

import pytest
import torch
from alanine import alanine_molecule, alanine_positions
from plain_message_passing import PlainMessagePassing
from small_networks import ask, fit_network, latents, network, pairs, step

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.message_passing.network import CUTOFF_NM
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.scales import fit_scales
from openmm_scoredyn.networks.neighbours import radius_graph
from openmm_scoredyn.training.dataset import random_rotations


@pytest.mark.parametrize("kind", ["molecule_frame", "message_passing"])
def test_advance_inverts_latent(kind):
    before, after = pairs()
    model = network(kind)
    after = after + (before - after).mean(1, keepdim=True)  # the centre is not modelled
    built = step(model, latents(model, before, after), before)
    if kind == "molecule_frame":
        measure = InternalCoordinates(alanine_molecule())
        assert (measure(built) - measure(after)).abs().max() < 1e-4
    else:
        assert (built - after).abs().max() < 1e-6


def test_latents_of_the_training_pairs_are_white():
    before, after = pairs()
    model = network("molecule_frame")
    flat = latents(model, before, after).double()
    assert flat.mean(0).abs().max() < 1e-4
    assert (torch.cov(flat.T) - torch.eye(model.dimension)).abs().max() < 1e-3


def test_a_constrained_bond_is_not_diffused_and_comes_back_exactly():
    before, after = pairs()
    coordinates = InternalCoordinates(alanine_molecule())
    rigid = coordinates(after)
    rigid[:, 20] = 0.109
    after = coordinates.place(rigid, before)
    scales = fit_scales(coordinates, before, after)
    assert scales.whiten.shape[1] == 59
    model = fit_network("molecule_frame", before, after, width=8, blocks=1)
    drawn = step(model, torch.randn(5, 59), before[:5])
    assert (coordinates(drawn)[:, 20] - 0.109).abs().max() < 1e-6


def test_too_few_pairs_are_refused():
    before, after = pairs(20)
    with pytest.raises(TrainingError, match="expected at least 120, found 20"):
        fit_network("molecule_frame", before, after, width=8, blocks=1)


@pytest.mark.parametrize("kind", ["molecule_frame", "message_passing", "equivariant"])
def test_a_replica_does_not_depend_on_the_others(kind):
    model, (before, after) = network(kind), pairs()
    latent, level = latents(model, before, after)[:6], torch.linspace(-0.5, 0.5, 6)
    together = ask(model, latent, level, before[:6])
    alone = torch.cat([ask(model, latent[i : i + 1], level[i : i + 1], before[i : i + 1]) for i in range(6)])
    assert together.abs().max() > 0.1
    assert (together - alone).abs().max() < 1e-4


def test_molecule_frame_output_is_invariant_and_feels_the_mirror():
    model, (before, after) = network("molecule_frame"), pairs()
    latent, level = latents(model, before, after)[:8], torch.zeros(8)
    turn = random_rotations(8, torch.Generator().manual_seed(5))
    raw = ask(model, latent, level, before[:8])
    turned = ask(model, latent, level, before[:8] @ turn + 1.0)
    assert (turned - raw).abs().max() < 1e-2 * raw.abs().max()
    mirrored = ask(model, latent, level, before[:8] * torch.tensor([1.0, 1.0, -1.0]))
    assert (mirrored - raw).abs().max() > 0.05 * raw.abs().max()


def test_message_passing_neither_sees_nor_moves_the_centre():
    model, (before, after) = network("message_passing"), pairs()
    latent, level = latents(model, before, after)[:4], torch.full((4,), 0.5)
    raw = ask(model, latent, level, before[:4])
    assert raw.unflatten(1, [-1, 3]).mean(1).abs().max() < 1e-5
    shifted = ask(model, latent + 3.0, level, before[:4] + 1.0)
    assert (shifted - raw).abs().max() < 1e-3 * raw.abs().max()


def test_the_published_network_has_its_published_size():
    model = fit_network("message_passing", *pairs())
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == pytest.approx(2.0e6, rel=0.1)


@pytest.mark.parametrize("batch", [1, 7])
def test_message_passing_is_the_published_function(batch):
    """In float64, where rounding cannot hide a difference, and in float32 to its rounding."""
    model, (before, after) = network("message_passing"), pairs()
    plain = PlainMessagePassing(alanine_molecule(), 32, 2)
    plain.load_state_dict(model.state_dict())
    latent, level = latents(model, before, after)[:batch], torch.linspace(-0.5, 0.5, batch)
    for dtype, limit in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        inputs = [x.to(dtype) for x in (latent, level, before[:batch])]
        expected = ask(plain.to(dtype), *inputs)
        assert expected.abs().max() > 0.1
        assert (ask(model.to(dtype), *inputs) - expected).abs().max() < limit * expected.abs().max()


def test_radius_graph_is_every_near_pair_of_the_same_replica():
    positions = pairs()[0][:3]
    sender, receiver = radius_graph(positions, CUTOFF_NM)
    found = set(zip(sender.tolist(), receiver.tolist()))
    expected = {
        (22 * b + i, 22 * b + j)
        for b in range(3)
        for i in range(22)
        for j in range(22)
        if i != j and float((positions[b, i] - positions[b, j]).norm()) < CUTOFF_NM
    }
    assert found == expected and len(found) == len(sender)


def test_rotations_are_rotations_and_uniform():
    turn = random_rotations(20000, torch.Generator().manual_seed(6))
    assert (turn @ turn.transpose(1, 2) - torch.eye(3)).abs().max() < 1e-5
    assert torch.linalg.det(turn).min() > 0.99
    assert turn.mean(0).abs().max() < 4 / (3 * 20000) ** 0.5  # each entry has variance 1/3


def test_only_what_a_lag_time_remembers_is_a_condition():
    """Bond 20 keeps 90 % of its deviation from frame to frame, all others are drawn independently."""
    coordinates, generator = InternalCoordinates(alanine_molecule()), torch.Generator().manual_seed(7)
    start = coordinates(torch.as_tensor(alanine_positions()).float()[None])
    old, new = (start + 0.002 * torch.randn(2000, 60, generator=generator) for _ in range(2))
    new[:, 20] = (
        start[:, 20] + 0.9 * (old[:, 20] - start[:, 20]) + 0.0009 * torch.randn(2000, generator=generator)
    )
    like = torch.as_tensor(alanine_positions()).float().expand(2000, 22, 3)
    scales = fit_scales(coordinates, coordinates.place(old, like), coordinates.place(new, like))
    assert scales.feature_scale.nonzero()[:, 0].tolist() == [20]
