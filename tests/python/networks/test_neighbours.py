"""Pairs of particles in boxes: cells against all pairs, and images."""

import pytest
import torch

from openmm_scoredyn.networks import neighbours
from openmm_scoredyn.networks.neighbours import cell_counts, cell_graph, periodic_graph

CUBE = 2.5 * torch.eye(3)
TILTED = torch.tensor([[2.6, 0.0, 0.0], [0.4, 2.5, 0.0], [-0.5, 0.3, 2.7]])


def scattered(box, count: int = 300):
    """Two replicas (2, N, 3), nm, some particles boxes away."""
    generator = torch.Generator().manual_seed(1)
    places = torch.rand(2, count, 3, generator=generator) + torch.randint(
        -2, 3, (2, count, 3), generator=generator
    )
    return places @ box


def sorted_pairs(graph):
    sender, receiver, offset = graph
    order = torch.argsort(sender * 10_000 + receiver)
    return sender[order], receiver[order], offset[order]


@pytest.mark.parametrize("box", [CUBE, TILTED], ids=["cube", "tilted"])
def test_cells_find_the_pairs_that_looking_at_all_finds(box):
    positions, boxes = scattered(box), torch.stack([box, 1.1 * box])
    cells = cell_counts(boxes, 0.6)
    assert int(cells.min()) >= 3
    found = sorted_pairs(cell_graph(positions, boxes, 0.6, cells))
    expected = sorted_pairs(periodic_graph(positions, boxes, 0.6))
    assert len(found[0]) > 5000
    for one, other in zip(found[:2], expected[:2], strict=True):
        assert torch.equal(one, other)
    torch.testing.assert_close(found[2], expected[2], rtol=0, atol=1e-5)


def test_many_particles_are_looked_at_in_cells_and_scripts_agree(monkeypatch):
    positions, boxes = scattered(CUBE), torch.stack([CUBE, CUBE])
    expected = sorted_pairs(periodic_graph(positions, boxes, 0.6))
    scripted = sorted_pairs(torch.jit.script(periodic_graph)(positions, boxes, 0.6, 100))
    asked = []
    monkeypatch.setattr(neighbours, "cell_graph", lambda *given: asked.append(1) or cell_graph(*given))
    found = sorted_pairs(periodic_graph(positions, boxes, 0.6, few=100))
    assert len(asked) == 1
    for graph in (found, scripted):
        assert torch.equal(graph[0], expected[0]) and torch.equal(graph[1], expected[1])


def test_boxes_of_two_cells_are_looked_at_pair_by_pair():
    positions, boxes = scattered(CUBE), torch.stack([CUBE, CUBE])
    found = periodic_graph(positions, boxes, 1.2, few=100)
    assert sorted_pairs(found)[0].equal(sorted_pairs(periodic_graph(positions, boxes, 1.2))[0])


def test_vectors_lead_to_the_nearest_image():
    positions = torch.tensor([[[0.1, 0.1, 0.1], [2.4, 2.4, 0.1]]])
    sender, receiver, offset = periodic_graph(positions, CUBE[None], 0.6)
    assert sender.tolist() == [1, 0] and receiver.tolist() == [0, 1]
    torch.testing.assert_close(offset[0], torch.tensor([-0.2, -0.2, 0.0]), rtol=0, atol=1e-6)
