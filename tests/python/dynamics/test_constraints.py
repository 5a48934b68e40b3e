"""What holds after a step beside the model: constraints, virtual sites, whole molecules in a box."""

import numpy as np
import openmm
import pytest
from contexts import KT, make_context, positions_of, velocities_of
from programs import MASSES, POSITIONS, BoxLength, Drift, OrnsteinUhlenbeck, Turn

from openmm_scoredyn import ScoreDynamicsIntegrator


def constrained_system(make_system):
    system = make_system()
    system.addConstraint(0, 1, 0.11)
    system.addConstraint(0, 2, 0.14)
    return system


def test_constraints_hold_for_positions_and_velocities(make_either, make_system, platform, rounding):
    context, integrator = make_context(
        make_either(OrnsteinUhlenbeck()), constrained_system(make_system), platform
    )
    tolerance = max(1e-7, 10 * rounding)
    integrator.setConstraintTolerance(tolerance)
    for _ in range(20):
        integrator.step(1)
        x, v = positions_of(context), velocities_of(context)
        for j, length in ((1, 0.11), (2, 0.14)):
            r = x[j] - x[0]
            assert np.linalg.norm(r) == pytest.approx(length, rel=3 * tolerance)
            assert abs(r @ (v[j] - v[0])) / length < 100 * tolerance
    # One degree of freedom less each.
    energies = []
    for _ in range(2000):
        integrator.step(1)
        energies.append(context.getState(energy=True).getKineticEnergy()._value)
    assert abs(np.mean(energies) / (6.5 * KT) - 1) < 4 * np.sqrt(2 / (13 * 2000))


def test_constraints_hold_when_the_molecule_turns(make_program, make_system, platform):
    """Every bond rigid and all turned by 100 degrees: the old directions of the bonds are of no use."""
    system = make_system()
    for atom in range(1, 5):
        system.addConstraint(0, atom, np.linalg.norm(POSITIONS[atom] - POSITIONS[0]) + 0.001)
    program = Turn()
    context, integrator = make_context(make_program(program), system, platform)
    integrator.step(1)
    moved = positions_of(context)
    np.testing.assert_allclose(moved, POSITIONS @ program.rotation.numpy().T, atol=0.0015)
    for atom in range(1, 5):
        length = np.linalg.norm(moved[atom] - moved[0])
        assert length == pytest.approx(np.linalg.norm(POSITIONS[atom] - POSITIONS[0]) + 0.001, rel=2e-5)


def test_constraint_out_of_reach_is_refused(make_program, make_system, platform):
    system = make_system()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        system.addConstraint(i, j, 0.1 if j == 1 else 0.5)
    system.addConstraint(1, 3, 0.1)
    system.addConstraint(2, 3, 0.1)  # 0.1 + 0.1 does not reach 0.5
    context, integrator = make_context(make_program(Drift()), system, platform)
    context.setVelocitiesToTemperature(300, 1)
    before = velocities_of(context)
    with pytest.raises(openmm.OpenMMException, match="constraint between particles .* cannot be satisfied"):
        integrator.step(1)
    assert np.array_equal(positions_of(context), POSITIONS)
    assert np.array_equal(velocities_of(context), before)
    assert context.getState().getStepCount() == 0


def test_virtual_sites_follow_a_subset_in_another_order(make_program, make_system, platform, rounding):
    path = make_program(Drift((0.125, 0.0, 0.0)))
    order = [3, 0, 5, 1, 4]  # particle 2 is the virtual site
    system = openmm.System()
    positions = np.zeros((6, 3))
    for particle in range(6):
        system.addParticle(0.0 if particle == 2 else MASSES[order.index(particle)])
    system.setVirtualSite(2, openmm.TwoParticleAverageSite(3, 0, 0.25, 0.75))
    positions[order] = POSITIONS
    integrator = ScoreDynamicsIntegrator(path)
    integrator.setParticles(order)
    context = openmm.Context(system, integrator, platform)
    context.setPositions(positions)
    integrator.step(2)
    moved = positions_of(context)
    np.testing.assert_allclose(moved[order], POSITIONS + [0.25, 0, 0], atol=1e-6)
    np.testing.assert_allclose(moved[2], 0.25 * moved[3] + 0.75 * moved[0], atol=rounding)
    assert np.array_equal(velocities_of(context)[2], np.zeros(3))


def periodic_system(make_system, vectors):
    system = make_system()
    system.setDefaultPeriodicBoxVectors(*vectors)
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    for _ in MASSES:
        force.addParticle(0, 0.1, 0)
    system.addForce(force)
    return system


@pytest.mark.parametrize(
    "vectors", [np.diag([2.0, 2.5, 3.0]), np.array([[2.0, 0, 0], [0.7, 2.5, 0], [-0.6, 0.9, 3.0]])]
)
def test_molecules_are_made_whole_in_a_box(make_program, make_system, platform, vectors):
    system = periodic_system(make_system, vectors)
    shifts = np.array([[0, 0, 0], [1, 0, 0], [-1, 1, 0], [0, 2, -1], [1, -1, 2]])
    path = make_program(BoxLength(), periodic=True)
    context, integrator = make_context(path, system, platform, positions=POSITIONS + shifts @ vectors)
    integrator.step(1)
    np.testing.assert_allclose(positions_of(context), POSITIONS + [0.02, 0, 0], atol=1e-5)
