"""The network of a denoiser: its symmetries, and what must not show."""

import pytest
import torch
from small_denoisers import SMALL

from openmm_scoredyn.crystals.golden import make_examples
from openmm_scoredyn.crystals.network import LatticeDenoiser


def test_the_network_is_equivariant_before_training():
    torch.manual_seed(3)
    network = LatticeDenoiser(species=2, **SMALL).double().eval()
    vectors, *others = make_examples(2)[1]
    others[1] = others[1].double()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    straight, turned = network(vectors.double(), *others), network(vectors.double() @ turn.T, *others)
    assert float(straight.detach().abs().max()) > 1e-3
    assert float((turned - straight @ turn.T).detach().abs().max()) < 1e-10


def test_an_absent_neighbour_changes_nothing():
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    vectors, neighbours, present, kinds = make_examples(1)[1]
    other = vectors.clone()
    other[present == 0] = 0.7
    assert torch.equal(
        network(vectors, neighbours, present, kinds), network(other, neighbours, present, kinds)
    )


@pytest.mark.parametrize("kept_atoms", [0, 100])
def test_blocks_of_atoms_do_not_show(kept_atoms):
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    example = make_examples(1)[1]
    whole = network(*example)
    network.block, network.kept_atoms = 4, kept_atoms
    assert torch.allclose(network(*example), whole, atol=1e-6)


def test_a_neighbour_comes_into_view_gradually():
    """No jump at the cutoff: a neighbour 1e-4 inside moves an atom as one outside does."""
    torch.manual_seed(3)
    network = LatticeDenoiser(**SMALL).eval()
    vectors, neighbours, present, kinds = make_examples(1)[1]
    answers = []
    for length in (network.cutoff - 1e-4, network.cutoff + 1e-4):
        vectors[0, 0] *= length / vectors[0, 0].norm()
        answers.append(network(vectors, neighbours, present, kinds))
    assert float((answers[0] - answers[1]).detach().abs().max()) < 1e-4
