"""Every refusal of a System that a model was not made for, by the text of its sentence."""

import openmm
import pytest
from programs import MASSES, Drift
from refusals import make_context, refusal

from openmm_scoredyn import ScoreDynamicsIntegrator


def test_particle_count(make_program, make_system):
    with refusal("the model 'Drift' describes 5 particles, but the System has 4. Name the model's particles"):
        make_context(make_program(Drift()), make_system(MASSES[:4]))


def test_particle_count_of_subset(make_program, make_system):
    with refusal("the model 'Drift' describes 5 particles, but setParticles names 3."):
        make_context(make_program(Drift()), make_system(), lambda i: i.setParticles([0, 1, 2]))


def test_mass(make_program, make_system):
    masses = [*MASSES[:1], 1.008, *MASSES[2:]]
    with refusal("the mass of particle 1 is 1.008 amu, but atom 1 (H) of the model 'Drift' has 3 amu."):
        make_context(make_program(Drift()), make_system(masses))
    make_context(make_program(Drift()), make_system([m * 1.009 for m in MASSES]))


def test_order(make_program, make_system):
    with refusal("the mass of particle 3 is 79.904 amu, but atom 3 (Cl)"):
        make_context(make_program(Drift()), make_system([*MASSES[:3], MASSES[4], MASSES[3]]))


@pytest.mark.parametrize(
    "particles, text",
    [
        (
            [0, 1, 2, 3, 9],
            "setParticles names particle 9, but the System has 5 particles. Give indices from 0 to 4.",
        ),
        ([0, 1, 2, 3, 3], "setParticles names particle 3 twice."),
    ],
)
def test_particle_indices(make_program, make_system, particles, text):
    with refusal(text):
        make_context(make_program(Drift()), make_system(), lambda i: i.setParticles(particles))


def test_negative_particle_index(make_program):
    with refusal("the particle index is -1; expected an integer from 0"):
        ScoreDynamicsIntegrator(make_program(Drift())).setParticles([0, -1])


@pytest.mark.parametrize(
    "mass, text", [(16.0, "virtual site. Remove"), (0.0, "virtual site (it has no mass). Remove")]
)
def test_particle_that_is_neither_modelled_nor_virtual(make_program, make_system, mass, text):
    with refusal("particle 5 is neither modelled nor a " + text):
        make_context(make_program(Drift()), make_system([*MASSES, mass]), lambda i: i.setParticles(range(5)))


def test_virtual_site_among_modelled(make_program, make_system):
    system = make_system([*MASSES[:4], 0.0])
    system.setVirtualSite(4, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    with refusal("particle 4 is a virtual site, which a model cannot move. Leave it out with setParticles."):
        make_context(make_program(Drift()), system)


@pytest.mark.parametrize(
    "force, kind",
    [
        (openmm.MonteCarloBarostat(1, 300), "barostat (MonteCarloBarostat)"),
        (openmm.MonteCarloAnisotropicBarostat((1, 1, 1), 300), "barostat (MonteCarloAnisotropicBarostat)"),
        (openmm.MonteCarloMembraneBarostat(1, 0, 300, 0, 0), "barostat (MonteCarloMembraneBarostat)"),
        (openmm.MonteCarloFlexibleBarostat(1, 300), "barostat (MonteCarloFlexibleBarostat)"),
        (openmm.AndersenThermostat(300, 1), "thermostat (AndersenThermostat)"),
    ],
)
def test_barostats_and_thermostats(make_program, make_system, force, kind):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.CutoffPeriodic))
    system.addForce(force)
    with refusal(f"force 1 of the System is a {kind}"):
        make_context(make_program(Drift(), periodic=True), system)


def nonbonded(method):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(method)
    for _ in MASSES:
        force.addParticle(0, 0.1, 0)
    return force


def test_periodic_system_with_non_periodic_model(make_program, make_system):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.CutoffPeriodic))
    with refusal("the System is periodic, but the model 'Drift' was trained without periodic boundaries."):
        make_context(make_program(Drift()), system)


def test_non_periodic_system_with_periodic_model(make_program, make_system):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.NoCutoff))
    with refusal("the System is not periodic, but the model 'Drift' was trained with periodic boundaries."):
        make_context(make_program(Drift(), periodic=True), system)
