"""What the transferable network sees of particles that press on each other: the slope of a repulsion."""

from pathlib import Path

import alkanes
import numpy as np
import pytest
import torch

from openmm_scoredyn.data import load
from openmm_scoredyn.molecule.geometry import bonds_apart
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix
from openmm_scoredyn.networks.zmatrix_transformer.contacts import (
    PRESSURES,
    STEEPNESS,
    Contacts,
    far_pairs,
    fit_contacts,
)
from openmm_scoredyn.networks.zmatrix_transformer.groups import TERMINALS, find_groups

PEPTIDES = Path(__file__).parents[3] / "examples" / "data" / "peptides-obc2" / "validation"
CLOSEST = {"C4-C4": 0.32, "C4-H1(C4)": 0.25, "H1(C4)-H1(C4)": 0.19}


def crowded(particles, coordinates, seed: int):
    """Conformations (B, N, 3) with all torsions drawn uniformly, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.as_tensor(alkanes.positions(particles))[None].double()
    values = coordinates(first).repeat(6, 1)
    torsions = 2 * len(particles) - 3
    soft = coordinates.has_sibling[2:].logical_not()
    soft[coordinates.rows[1, 2:] == coordinates.rows[1, 0]] = False  # at the root: held by its angles
    draw = (2 * torch.rand(6, int(soft.sum()), generator=generator, dtype=torch.float64) - 1) * torch.pi
    values[:, torsions:][:, soft] = draw
    return coordinates.place(values, first.expand(6, -1, -1)), values


def class_names(particles) -> list[str]:
    """Of the carbons and hydrogens of an alkane."""
    return ["H1(C4)" if kind == "H" else "C4" for kind in particles.types]


def repulsion(positions, particles, steepness: float):
    """Energy (B,) whose force between two particles is exp(steepness (1 - distance / closest))."""
    names = class_names(particles)
    total = torch.zeros(len(positions), dtype=torch.float64)
    for i, j in np.argwhere(np.triu(bonds_apart(particles, 3) > 3)):
        scale = CLOSEST["-".join(sorted((names[i], names[j])))]
        near = (positions[:, i] - positions[:, j]).norm(dim=1) / scale
        # No longer steeper within 0.6 of the closest approach: linear from there on.
        flat = torch.exp(torch.tensor(steepness * 0.4)) * scale * ((0.6 - near).clamp(min=0) + 1 / steepness)
        total += torch.where(near > 0.6, scale / steepness * torch.exp(steepness * (1 - near)), flat)
    return total


@pytest.mark.parametrize("name", ["butane", "hexane", "isopentane"])
def test_a_torque_is_the_slope_of_the_repulsion(name):
    particles = alkanes.molecule(name)
    coordinates, groups = (
        InternalCoordinates(particles).double(),
        find_groups(particles, build_zmatrix(particles)),
    )
    turning = groups.rows[:, :2].clone()
    rows = len(particles) - 1
    leader = torch.cat([coordinates.leader, torch.tensor([0])])[turning]
    root = coordinates.rows[1, 0]
    parents = torch.cat([coordinates.rows[1], root[None]])
    turning[(leader < 2) | (parents[leader] == root) & (leader > 1)] = rows
    contacts = Contacts(particles, coordinates, groups, turning, CLOSEST).double()
    positions, values = crowded(particles, coordinates, 1)
    torque = torch.sinh(contacts(positions)[0])
    step = 1e-5
    measured = 0
    for slot, row in enumerate(turning.flatten().tolist()):
        if row == rows:
            assert not torque[:, slot].any()
            continue
        column = 2 * len(particles) - 3 + int(coordinates.leader[row]) - 2
        sides = []
        for sign in (1, -1):
            turned = values.clone()
            turned[:, column] += sign * step
            sides.append(coordinates.place(turned, positions))
        for k, steepness in enumerate(STEEPNESS):
            up, down = (repulsion(side, particles, steepness) for side in sides)
            slope = (up - down) / (2 * step) / 0.1  # per 0.1 nm, the unit of the torque
            torch.testing.assert_close(torque[:, slot, k], -slope, rtol=1e-4, atol=1e-5)
            measured += 1
    assert measured >= 2 * PRESSURES


def test_the_strength_belongs_to_the_groups_that_meet():
    particles = alkanes.molecule("hexane")
    coordinates, groups = (
        InternalCoordinates(particles).double(),
        find_groups(particles, build_zmatrix(particles)),
    )
    contacts = Contacts(
        particles, coordinates, groups, torch.full((len(groups.centres), 2), len(particles) - 1), CLOSEST
    ).double()
    positions, _ = crowded(particles, coordinates, 2)
    _, strength = contacts(positions)
    pairs = far_pairs(particles)
    names = class_names(particles)
    scale = torch.tensor([CLOSEST["-".join(sorted((names[i], names[j])))] for i, j in pairs.tolist()])
    near = (positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]]).norm(dim=2) / scale
    for group, centre in enumerate(groups.centres.tolist()):
        own = groups.members[group].bool()
        own[centre] = True
        touching = own[pairs].any(dim=1)
        for k, steepness in enumerate(STEEPNESS):
            expected = torch.exp(steepness * (1 - near[:, touching].clamp(min=0.6))).sum(dim=1)
            torch.testing.assert_close(torch.sinh(strength[:, group, k]), expected, rtol=1e-4, atol=0)


def test_the_closest_approach_is_that_of_particles_four_bonds_apart():
    particles = alkanes.molecule("butane")
    positions, _ = crowded(particles, InternalCoordinates(particles).double(), 3)
    closest = fit_contacts([(particles, positions.float())])
    assert set(closest) == {"C4-H1(C4)", "H1(C4)-H1(C4)"}  # carbons of butane are three bonds apart at most
    pairs = far_pairs(particles)
    gap = (positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]]).norm(dim=2)
    assert min(closest.values()) == pytest.approx(float(gap.min()), rel=0.05)


def test_a_hydrogen_on_nitrogen_has_a_closest_approach_of_its_own():
    """With one for all hydrogens, that of a hydrogen bond would stand for those on carbon, too."""
    trajectory = load(PEPTIDES / "GN")[0]
    closest = fit_contacts([(trajectory.molecule, torch.from_numpy(trajectory.segments[0]))])
    assert closest["H1(N3)-O1(C3)"] < 0.9 * closest["H1(C4)-O1(C3)"]


def test_groups_of_an_alkane():
    particles = alkanes.molecule("isobutane")
    groups = find_groups(particles, build_zmatrix(particles))
    assert sorted(groups.names) == ["C4 H1", "C4 H1 H1 H1", "C4 H1 H1 H1", "C4 H1 H1 H1"]
    assert groups.members.sum() == 10
    assert groups.members.sum(1).max() <= TERMINALS
