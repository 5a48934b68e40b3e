"""Many copies of a molecule in one box: the repulsion between them, and their trajectories."""

import dataclasses

import numpy as np
import pytest
from alanine import PDB
from water import FREE, TINY

from openmm_scoredyn import data
from openmm_scoredyn.molecule.geometry import phi_psi
from openmm_scoredyn.reference.copies import repulsion
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan
from openmm_scoredyn.reference.simulate import simulate
from openmm_scoredyn.reference.solvation import SolvatedBox

KT = 0.00831446 * 300


def centres_context(masses, contact, box_nm, integrator):
    """Two rigid-less molecules of as many atoms as there are masses, without any force but the repulsion."""
    import openmm

    system = openmm.System()
    for mass in [*masses, *masses]:
        system.addParticle(mass)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * box_nm))
    system.addForce(repulsion(2, len(masses), contact))
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def test_repulsion_is_flat_beyond_contact_and_along_the_line_of_centres_within():
    import openmm

    masses, contact, box = np.array([12.0, 3.0, 16.0]), 1.2, 4.0
    context = centres_context(masses, contact, box, openmm.VerletIntegrator(0.001))
    generator = np.random.default_rng(1)
    shape = generator.normal(size=(2, 3, 3)) * 0.1
    shape -= np.einsum("a,mak->mk", masses, shape)[:, None] / masses.sum()
    direction = np.array([2.0, -1.0, 2.0]) / 3

    def evaluate(distance, image=(0, 0, 0)):
        positions = shape.copy()
        positions[1] += distance * direction + np.array(image) * box
        context.setPositions(positions.reshape(6, 3))
        state = context.getState(getEnergy=True, getForces=True)
        return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value.reshape(2, 3, 3)

    for distance in (1.21, 1.9):
        energy, forces = evaluate(distance)
        assert energy == 0 and np.all(forces == 0)
    for distance, image in ((1.1, (0, 0, 0)), (0.9, (0, 0, 0)), (1.1, (1, 0, -1))):
        energy, forces = evaluate(distance, image)
        assert energy == pytest.approx(0.5 * 500 * (contact - distance) ** 2, rel=1e-5)
        # All atoms of a molecule are accelerated alike: nothing inside it is pushed about.
        acceleration = forces / masses[None, :, None]
        expected = 500 * (contact - distance) / masses.sum() * direction
        np.testing.assert_allclose(acceleration[1], np.tile(expected, (3, 1)), rtol=1e-4)
        np.testing.assert_allclose(acceleration[0], np.tile(-expected, (3, 1)), rtol=1e-4)


def test_copies_come_as_close_as_the_boltzmann_distribution_says():
    """Two free atoms in a box: how often they are within contact, and how deep, against the integral over
    distances.
    """
    import openmm

    contact, box = 0.8, 2.0
    integrator = openmm.LangevinMiddleIntegrator(300, 20.0, 0.01)
    integrator.setRandomNumberSeed(3)
    context = centres_context([20.0], contact, box, integrator)
    context.setPositions(np.array([[0.0, 0, 0], [1.0, 0, 0]]))
    context.setVelocitiesToTemperature(300, 4)
    distances = []
    for _ in range(20_000):
        integrator.step(10)
        x = context.getState(getPositions=True).getPositions(asNumpy=True)._value
        difference = x[1] - x[0]
        distances.append(np.linalg.norm(difference - box * np.round(difference / box)))
    distances = np.array(distances)
    r = np.linspace(0, contact, 4001)
    density = 4 * np.pi * r**2 * np.exp(-0.5 * 500 * (contact - r) ** 2 / KT)
    within = np.trapezoid(density, r)
    expected = within / (box**3 - 4 / 3 * np.pi * contact**3 + within)
    inside = distances < contact
    blocks = inside.reshape(40, -1).mean(1)
    assert abs(inside.mean() - expected) < 4 * blocks.std(ddof=1) / np.sqrt(40)
    assert 0 < inside.mean() and blocks.std(ddof=1) / np.sqrt(40) < 0.2 * expected
    assert distances.min() > contact - 5 * np.sqrt(KT / 500)


def bond_lengths(trajectory):
    first, second = np.array(trajectory.molecule.bonds).T
    return np.linalg.norm(trajectory.positions[:, first] - trajectory.positions[:, second], axis=-1)


def test_copies_have_trajectories_of_their_own_and_are_whole(tmp_path):
    plan = dataclasses.replace(
        FREE, copies=2, frames_per_segment=3, physics=dataclasses.replace(TINY, npt_ps=0.4)
    )
    reports = []
    paths = simulate(PDB, plan, tmp_path, progress=lambda *report: reports.append(report))
    assert [path.name for path in paths] == ["trajectory_0000.frames"]
    assert reports[-1] == pytest.approx((2 * 2 * 0.04, 2 * 2 * 0.04))
    trajectories = data.load(tmp_path)
    for trajectory in trajectories:
        lengths = bond_lengths(trajectory)
        assert 0.08 < lengths.min() and lengths.max() < 0.2
    inside = [t.positions - t.positions.mean(1, keepdims=True) for t in trajectories]
    assert np.abs(inside[0] - inside[1]).max() > 0.01
    box = SolvatedBox.load(tmp_path / "box" / "box.npz")
    difference = trajectories[0].positions.mean(1) - trajectories[1].positions.mean(1)
    difference -= np.diag(box.vectors) * np.round(difference / np.diag(box.vectors))
    assert np.linalg.norm(difference, axis=1).min() > box.contact_nm - 5 * np.sqrt(KT / 500)


def slow_runs(directory, platform, copies, frames, seed):
    """Trajectories of `copies` in one box, in water as real simulations have it."""
    physics = Physics.in_solvent("tip3p", platform=platform, npt_ps=100.0)
    plan = SimulationPlan(1, frames, equilibration_ps=20.0, physics=physics, copies=copies, seed=seed)
    return data.load(simulate(PDB, plan, directory / f"{copies}_{seed}"))


def measure(trajectory):
    """Populations and how fast they change, of one trajectory (K,): share of alpha_R, its crossings, means,
    fast motions.
    """
    angles = phi_psi(trajectory.positions, trajectory.molecule)
    psi = np.degrees(angles[:, 1])
    helical, extended = (psi > -70) & (psi < 10), (psi > 110) | (psi < -150)
    visited = helical[helical | extended]
    steps = np.angle(np.exp(1j * np.diff(angles, axis=0)))
    ends = np.linalg.norm(trajectory.positions[:, 1] - trajectory.positions[:, 18], axis=-1)
    decay = ends - ends.mean()
    return np.array(
        [
            helical.mean(),
            (visited[1:] != visited[:-1]).mean(),
            *np.cos(angles).mean(0),
            *(steps**2).mean(0),
            ends.mean(),
            ends.var(),
            (decay[1:] * decay[:-1]).mean() / ends.var(),
        ]
    )


@pytest.mark.slow
def test_many_copies_behave_like_one_alone(tmp_path):
    """The same start and the same history in both, so that they agree at any length; on a GPU long enough for
    crossings.

    Half an hour on a processor of its own.
    """
    from platforms import platforms_here

    on_gpu = bool(platforms_here(("CUDA",)))
    platform, copies, alone, frames = ("CUDA", 64, 8, 4000) if on_gpu else ("CPU", 4, 6, 120)
    together = np.array([measure(t) for t in slow_runs(tmp_path, platform, copies, frames, seed=1)])
    apart = [t for seed in range(alone) for t in slow_runs(tmp_path, platform, 1, frames, seed)]
    apart = np.array([measure(t) for t in apart])
    error = np.sqrt(sum(part.var(0, ddof=1) / len(part) for part in (together, apart)))
    difference = together.mean(0) - apart.mean(0)
    # Few trajectories: Student's t with about 7 degrees of freedom goes beyond 5 once in a thousand times.
    assert np.all(np.abs(difference) <= 5 * error), (difference, error)
