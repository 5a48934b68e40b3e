"""Beads in a box: an ideal gas has g(r) = 1, a random walk a known displacement."""

import numpy as np
from small_md import as_trajectory, bead_chain

from openmm_scoredyn.comparison import compare
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables import Observations, observables_for
from openmm_scoredyn.observables.liquid import nearest_image

BOX = 2.5
TRICLINIC = np.array([[2.5, 0.0, 0.0], [0.6, 2.4, 0.0], [-0.7, 0.5, 2.6]])


def beads(types) -> Particles:
    n = len(types)
    return Particles(tuple(types), (30.0,) * n, tuple(types), ("B",) * n, tuple(range(n)), ())


def walk(frames: int, step_nm: float, seed: int, box=None) -> np.ndarray:
    """Beads of a random walk, wrapped into the box; uniform at every time."""
    generator, box = np.random.default_rng(seed), np.eye(3) * BOX if box is None else box
    start = generator.random((1, 12, 3)) @ box
    moved = start + np.cumsum(step_nm * generator.normal(size=(frames, 12, 3)), axis=0)
    cell = np.floor(moved @ np.linalg.inv(box))
    return moved - cell @ box


def see(positions, particles, box=None):
    trajectory = as_trajectory(positions, particles, box=np.eye(3) * BOX if box is None else box)
    observables = observables_for(particles, True)
    return Observations.from_trajectories([trajectory], observables), observables


def test_an_ideal_gas_and_its_random_walk():
    particles, step = beads("AB" * 6), 0.05
    for box in (np.eye(3) * BOX, TRICLINIC):
        ours, observables = see(walk(8000, step, 1, box), particles, box)
        theirs, _ = see(walk(8000, step, 2, box), particles, box)
        rows = {row.quantity.name: row for row in compare(ours, theirs, observables).rows}
        shells = [row for name, row in rows.items() if name.startswith("g of ")]
        assert {row.quantity.curve for row in shells} == {"A-A", "A-B", "B-B"}
        assert max(row.quantity.at for row in shells) > 0.9
        for row in shells:
            if row.quantity.at > 0.3:
                assert abs(row.reference.value - 1.0) < 4.5 * row.reference.error, row.quantity.name
        for kind in "AB":
            row = rows[f"{kind} at 10 ps"]
            # Relative to the centre of twelve, each keeps 11/12 of its own motion.
            exact = 3 * 10 * step**2 * 11 / 12
            assert abs(row.reference.value - exact) < 4 * row.reference.error < 0.2 * exact


def test_a_slower_walk_differs_in_its_motion_alone():
    particles = beads("AB" * 6)
    ours, observables = see(walk(12_000, 0.15, 1), particles)
    theirs, _ = see(walk(12_000, 0.13, 2), particles)
    rows = {row.quantity.name: row for row in compare(ours, theirs, observables).rows}
    assert rows["A at 5 ps"].verdict == "differs"
    shells = [row.verdict == "differs" for name, row in rows.items() if name.startswith("g of ")]
    # 4.6 % of some 140 shells by chance, 10 % is three of their standard deviations.
    assert np.mean(shells) < 0.10


def test_bonded_chains_move_as_wholes():
    """Two dimers: their centres move, pairs of one molecule are no part of g(r)."""
    chain = bead_chain(2)
    particles = Particles(
        chain.types * 2, (20.0,) * 4, chain.types * 2, ("CHN",) * 4, (0, 0, 1, 1), ((0, 1), (2, 3))
    )
    generator = np.random.default_rng(5)
    first = 0.2 + generator.random((500, 1, 3))
    frames = np.concatenate([first, first + [0.15, 0, 0], first + [1.0, 0, 0], first + [1.15, 0, 0]], axis=1)
    ours, _ = see(frames, particles)
    radial = ours.values["rdf"][:, :-1]
    shells = np.flatnonzero(radial.any(axis=0)) % 50
    assert set(shells.tolist()) <= {42, 49, 50}, "0.85 and 1 nm, and 1.15 beyond: no bond of 0.15 nm"
    assert ours.values["msd"].shape == (500, 2 * 3 + 9)


def test_the_nearest_image_is_the_shortest_of_all():
    generator = np.random.default_rng(6)
    vectors = 0.9 * generator.normal(size=(1, 200, 3))
    found = np.linalg.norm(nearest_image(vectors + TRICLINIC[2] - TRICLINIC[0], TRICLINIC[None]), axis=-1)
    shifts = np.array(list(np.ndindex(7, 7, 7))) - 3
    every = vectors[0][:, None] + shifts @ TRICLINIC
    shortest = np.linalg.norm(every, axis=-1).min(axis=1)
    half = 0.5 / np.linalg.norm(np.linalg.inv(TRICLINIC), axis=0).max()
    near = shortest < half
    assert near.mean() > 0.2
    np.testing.assert_allclose(found[0][near], shortest[near], atol=1e-9)
