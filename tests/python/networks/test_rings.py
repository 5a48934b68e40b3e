"""What a network sees of the bonds that close rings."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from openmm import app

from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix
from openmm_scoredyn.networks.zmatrix_transformer.groups import find_groups
from openmm_scoredyn.networks.zmatrix_transformer.rings import (
    CLOSURES,
    RingClosure,
    RingGaps,
    closing_bonds,
    fit_rings,
)


def closing(particles: Particles):
    """Bonds beside the tree from the most central particle."""
    return closing_bonds(particles, build_zmatrix(particles))


def closure_of(particles: Particles, md: torch.Tensor, coordinates: InternalCoordinates) -> RingClosure:
    """What closes rings as they are in frames of MD."""
    tree = build_zmatrix(particles)
    return RingClosure(particles, tree, coordinates, fit_rings([(particles, tree, md)])).double()


def ring(size: int, *others: tuple[int, int], tail: int = 0) -> Particles:
    """A ring of carbons with a hydrogen on each, and further bonds across; a tail of carbons on the first."""
    topology = app.Topology()
    residue = topology.addResidue("RNG", topology.addChain())
    carbons = [topology.addAtom(f"C{k}", app.element.carbon, residue) for k in range(size)]
    hydrogens = [topology.addAtom(f"H{k}", app.element.hydrogen, residue) for k in range(size)]
    for k in range(size):
        topology.addBond(carbons[k], carbons[(k + 1) % size])
        topology.addBond(carbons[k], hydrogens[k])
    for i, j in others:
        topology.addBond(carbons[i], carbons[j])
    end = carbons[0]
    for k in range(tail):
        further = topology.addAtom(f"T{k}", app.element.carbon, residue)
        topology.addBond(end, further)
        end = further
    return Particles.from_topology(topology)


def circle(size: int, radius_nm: float = 0.14) -> torch.Tensor:
    """Positions (1, 2 size, 3), nm: the ring, then what is bonded to it."""
    angle = 2 * np.pi * np.arange(size) / size
    flat = np.stack([np.cos(angle), np.sin(angle), 0.1 * np.cos(2 * angle)], axis=1)
    return torch.from_numpy(np.concatenate([radius_nm * flat, (radius_nm + 0.11) * flat]))[None]


def gaps(particles: Particles) -> RingGaps:
    tree = build_zmatrix(particles)
    coordinates = InternalCoordinates(particles).double()
    return RingGaps(particles, tree, coordinates, find_groups(particles, tree)).double()


def test_a_ring_is_closed_by_one_bond_and_two_fused_ones_by_two():
    ((bond, members),) = closing(ring(6))
    assert members == frozenset(range(6)) and set(bond) <= members
    (_, small), (_, other) = closing(ring(8, (0, 4)))
    assert len(small) == len(other) == 5 and small | other == frozenset(range(8))


def test_a_ring_far_from_the_root_holds_nothing_of_the_way_there():
    particles = ring(5, tail=12)
    assert build_zmatrix(particles).root > 5
    ((_, members),) = closing(particles)
    assert members == frozenset(range(5))


@pytest.mark.parametrize("size", [5, 6])
def test_every_group_of_a_ring_sees_the_length_of_what_closes_it(size):
    particles, positions = ring(size), circle(size)
    (i, j), _ = closing(particles)[0]
    positions[:, i] += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(1))
    seen = gaps(particles)(positions).unflatten(2, [CLOSURES, 3])
    length = (positions[:, j] - positions[:, i]).norm(dim=1)
    torch.testing.assert_close(seen[0, :, 0].norm(dim=1), length.expand(size))
    assert not seen[0, :, 1].any()


def test_what_is_seen_turns_with_the_molecule():
    particles, positions = ring(6), circle(6)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double())[0]
    turn *= torch.linalg.det(turn)
    measure = gaps(particles)
    torch.testing.assert_close(measure(positions @ turn + 0.3), measure(positions))


def test_an_open_chain_has_nothing_to_close():
    topology = app.Topology()
    residue = topology.addResidue("CHN", topology.addChain())
    atoms = [topology.addAtom(f"C{k}", app.element.carbon, residue) for k in range(5)]
    for one, other in pairwise(atoms):
        topology.addBond(one, other)
    particles = Particles.from_topology(topology)
    assert closing(particles) == []
    seen = torch.jit.script(gaps(particles))(torch.randn(2, 5, 3).double())
    assert seen.shape == (2, 3, 3 * CLOSURES) and not seen.any()


def frames(size: int, number: int = 400) -> torch.Tensor:
    """Rings as MD shows them (number, 2 size, 3): every particle vibrates by 0.003 nm."""
    noise = torch.randn(number, 2 * size, 3, generator=torch.Generator().manual_seed(4)).double()
    return circle(size) + 0.003 * noise


@pytest.mark.parametrize("size", [5, 6])
def test_rings_that_independent_coordinates_leave_open_are_closed(size):
    particles, md = ring(size), frames(size)
    coordinates = InternalCoordinates(particles).double()
    closure = closure_of(particles, md, coordinates)
    values = coordinates(md)
    shuffled = torch.stack([column[torch.randperm(len(md))] for column in values.T], dim=1)
    drawn = coordinates.place(shuffled, md)
    (i, j), _ = closing(particles)[0]
    length, opened, closed = ((x[:, i] - x[:, j]).norm(dim=1) for x in (md, drawn, closure(drawn)))
    assert opened.std() > 3 * length.std()
    assert abs(closed.mean() - length.mean()) < length.std()
    assert closed.std() < 1.8 * length.std()


def test_rings_as_md_has_them_hardly_change():
    particles, md = ring(6), frames(6)
    coordinates = InternalCoordinates(particles).double()
    closure = closure_of(particles, md, coordinates)
    moved = (closure(md) - md).norm(dim=2)
    assert moved.mean() < 0.25 * 0.003 * 3**0.5
    others = [k for k in range(len(particles)) if k not in closure.atoms]
    assert others and not moved[:, others].any()


def test_hydrogens_on_the_closing_bond_follow_it():
    """The tree places them without knowing where the bond goes; angles of MD at the ends are kept."""
    particles, md = ring(5), frames(5)
    (i, j), _ = closing(particles)[0]
    hydrogen = next(k for k in particles.neighbours[i] if len(particles.neighbours[k]) == 1)
    closure = closure_of(particles, md, InternalCoordinates(particles).double())
    off = md.clone()
    off[:, hydrogen] += 0.3 * (md[:, j] - md[:, hydrogen])
    apart = [(x[:, hydrogen] - x[:, j]).norm(dim=1).mean() for x in (md, off, closure(off))]
    assert abs(apart[2] - apart[0]) < 0.4 * abs(apart[1] - apart[0])
