"""From fine beads to groups of them: what follows from a mapping, and what is refused."""

import bead_chains
import numpy as np
import openmm
import pytest
from openmm import unit

from openmm_scoredyn.coarse import Mapping, composition, composition_name
from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles

TYPES = ["B1", "S1", "S1", "B2", "S2", "B1"]
MASSES = {"B1": 10.0, "B2": 20.0, "S1": 30.0, "S2": 40.0}


@pytest.fixture
def mapping():
    return Mapping.equal_groups(bead_chains.fine_topology(TYPES), 3, masses_amu=MASSES)


def test_beads_are_named_by_what_they_are_made_of(mapping):
    beads = Particles.from_topology(mapping.topology, mapping.system())
    assert beads.types == ("B1x1.S1x2", "B1x1.B2x1.S2x1")
    assert beads.masses_amu == (70.0, 70.0)
    assert beads.bonds == ((0, 1),)
    assert composition(beads.types[0]) == {"B1": 1, "S1": 2}
    assert composition_name(["S1", "B1", "S1"]) == beads.types[0]


def test_positions_are_centres_of_mass(mapping):
    fine = np.random.default_rng(0).normal(size=(2, 6, 3)) + 0.1 * np.arange(6)[:, None]
    found = mapping.positions(fine * unit.nanometer)
    expected = (10 * fine[:, 0] + 30 * fine[:, 1] + 30 * fine[:, 2]) / 70
    assert np.allclose(found[:, 0], expected)
    assert found.shape == (2, 2, 3)


def test_the_system_has_masses_a_box_and_no_forces(mapping):
    system = mapping.system(np.eye(3) * 4)
    assert [system.getParticleMass(k) / unit.dalton for k in range(2)] == [70.0, 70.0]
    assert system.getNumForces() == 0
    assert system.getDefaultPeriodicBoxVectors()[0][0] == 4 * unit.nanometer


def test_trajectories_are_mapped(mapping):
    fine = Trajectory(
        segments=(np.cumsum(np.ones((3, 6, 3)), axis=1),),
        frame_spacing_ps=1.0,
        temperature_K=300.0,
        molecule=mapping.fine,
        steered=False,
        consecutive=True,
        source_sha256="0",
    )
    assert mapping.trajectory(fine).positions.shape == (3, 2, 3)
    assert mapping.trajectory(fine).molecule == mapping.particles


def test_a_system_says_the_masses():
    system = openmm.System()
    for _ in TYPES:
        system.addParticle(7.0)
    found = Mapping.equal_groups(bead_chains.fine_topology(TYPES), 3, system)
    assert found.particles.masses_amu == (21.0, 21.0)


def test_chains_that_cannot_be_cut_are_refused():
    with pytest.raises(MoleculeError, match="of 6 particles, .* cannot be cut into equal groups of 4"):
        bead_chains.mapped(TYPES, 4)


def test_groups_across_molecules_are_refused():
    fine = bead_chains.mapped(TYPES, 1, bonds=[(0, 1), (1, 2), (3, 4), (4, 5)]).fine
    with pytest.raises(MoleculeError, match="bead 0 holds particles .* of several molecules"):
        Mapping(fine, ((0, 1, 3), (2, 4, 5)))


def test_groups_of_far_particles_are_refused():
    fine = bead_chains.mapped(["B1"] * 12, 1).fine
    with pytest.raises(MoleculeError, match="bead 0 holds particles .* more than 6 bonds apart"):
        Mapping(fine, ((0, 1, 11), tuple(range(2, 11))))


def test_particles_left_out_are_refused(mapping):
    with pytest.raises(MoleculeError, match="every one of 6 particles in one group"):
        Mapping(mapping.fine, ((0, 1, 2), (3, 4)))


def test_wrapped_molecules_are_refused(mapping):
    fine = np.arange(6)[:, None] * np.ones(3)
    fine[4:] -= 20
    with pytest.raises(MoleculeError, match="bond of particles 3 and 4 .* across a periodic boundary"):
        mapping.positions(fine)


def test_beads_without_a_mass_are_refused():
    with pytest.raises(MoleculeError, match="has no mass"):
        Mapping.equal_groups(bead_chains.fine_topology(TYPES), 3)


def test_names_that_say_nothing_are_refused():
    with pytest.raises(MoleculeError, match="does not say what a bead is made of"):
        composition("B1")
    with pytest.raises(MoleculeError, match="cannot be part of the name of a bead"):
        composition_name(["a.b"])
