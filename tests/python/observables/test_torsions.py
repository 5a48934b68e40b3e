"""Torsions of any molecule: wells from a histogram, and a Markov chain of known populations and rates."""

import numpy as np
import pytest
from alanine import alanine_molecule
from small_md import as_trajectory, bead_chain, butane, cyclohexane

from openmm_scoredyn.comparison import chapman_kolmogorov, compare
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.observables import Observations, observables_for, wells

CENTRES = np.radians([180.0, 60.0, -60.0])
NAMES = ("trans", "gauche+", "gauche-")
CHAIN = np.array([[0.98, 0.015, 0.005], [0.04, 0.95, 0.01], [0.02, 0.02, 0.96]])
FASTER = np.array([[0.94, 0.045, 0.015], [0.12, 0.85, 0.03], [0.06, 0.06, 0.88]])


def stationary(chain) -> np.ndarray:
    values, vectors = np.linalg.eig(chain.T)
    weights = np.real(vectors[:, np.argmax(np.real(values))])
    return weights / weights.sum()


def passage(chain, source: int, target: int) -> float:
    """Frames last in the source over passages to the target; the third state was entered from either."""
    weights, third = stationary(chain), 3 - source - target
    onwards = chain[third, target] / (chain[third, source] + chain[third, target])
    into = [weights[side] * chain[side, third] for side in (source, target)]
    time = weights[source] + weights[third] * into[0] / sum(into)
    return time / (weights[source] * (chain[source, target] + chain[source, third] * onwards))


def torsion(chain, frames: int, seed: int):
    """Four beads whose dihedral hops among three wells, with a spread of 8 degrees."""
    generator, path, state = np.random.default_rng(seed), np.empty(frames, dtype=int), 0
    draws = generator.random(frames)
    steps = np.cumsum(chain, axis=1)
    for frame in range(frames):
        path[frame] = state
        state = int(np.searchsorted(steps[state], draws[frame]))
    angle = CENTRES[path] + np.radians(8.0) * generator.normal(size=frames)
    fixed = np.array([[0.1, 0.1, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.0]])
    last = np.stack([0.1 * np.cos(angle), np.full(frames, -0.02), 0.1 * np.sin(angle)], axis=1)
    positions = np.concatenate([np.repeat(fixed[None], frames, axis=0), last[:, None]], axis=1)
    return as_trajectory(positions, bead_chain(4), seed=seed)


OBSERVABLES = observables_for(bead_chain(4), False, ["torsions"])


def see(trajectory) -> Observations:
    return Observations.from_trajectories([trajectory], OBSERVABLES)


@pytest.fixture(scope="module")
def long_run() -> Observations:
    return see(torsion(CHAIN, 200_000, seed=1))


@pytest.fixture(scope="module")
def same_and_faster(long_run):
    return [compare(long_run, see(torsion(chain, 200_000, seed=2)), OBSERVABLES) for chain in (CHAIN, FASTER)]


def test_populations_and_rates_are_those_of_the_chain(same_and_faster):
    rows = {row.quantity.name.split(": ")[-1]: row for row in same_and_faster[0].rows}
    weights = stationary(CHAIN)
    for name, exact in zip(NAMES, weights, strict=True):
        assert abs(rows[name].reference.value - exact) < 4 * rows[name].reference.error
    hops = rows["hops between wells"].reference
    assert abs(hops.value - 1000 * weights @ (1 - np.diag(CHAIN))) < 4 * hops.error < 0.2 * hops.value
    for i, source in enumerate(NAMES):
        for j, target in enumerate(NAMES):
            if i != j:
                found = rows[f"first passage, {source} -> {target}"].reference
                assert abs(found.value - passage(CHAIN, i, j) / 1000) < 4 * found.error < 0.3 * found.value
    slow = -1 / np.log(np.sort(np.linalg.eigvals(CHAIN).real)[::-1][1])
    process = rows["process 1 at lag 10 ps"].reference
    assert abs(process.value - slow) < 4 * process.error < 0.5 * slow


def test_an_equal_chain_agrees_and_a_faster_one_differs(same_and_faster):
    same, faster = same_and_faster
    assert max(abs(row.difference) for row in same.rows if np.isfinite(row.difference)) < 4
    differing = {row.quantity.name.split(": ")[-1] for row in faster.rows if row.verdict == "differs"}
    assert {"hops between wells", *(f"first passage, trans -> {name}" for name in NAMES[1:])} <= differing
    assert not {"trans", "gauche+", "gauche-"} & differing, "its populations are the same"
    roots = [row for row in same.rows if row.quantity.unit == "sqrt(nat)"]
    bits = [row for row in same.rows if row.quantity.unit == "bit"]
    assert roots[0].candidate.value == pytest.approx(np.sqrt(bits[0].candidate.value * np.log(2)))


def test_steps_of_ten_frames_are_the_tenth_power(long_run):
    (reference,) = chapman_kolmogorov(long_run, {}, OBSERVABLES)
    exact = np.linalg.matrix_power(CHAIN, 10)
    for i, source in enumerate(NAMES):
        for j, target in enumerate(NAMES):
            found = reference.probabilities[source, target]
            # 8 degrees of spread never reach another well, 60 degrees away.
            assert abs(found.value - exact[i, j]) < 4 * found.error


def test_a_single_well_has_no_states_and_a_scatter_of_frames_makes_none():
    generator = np.random.default_rng(3)
    one = np.radians(170.0) + 0.3 * generator.normal(size=20_000)
    assert wells(one) is None
    assert wells(np.concatenate([one, np.radians([10.0] * 60)])) is None, "0.3 % of the frames are no well"
    assert wells(generator.uniform(-np.pi, np.pi, 20_000)) is None
    two = wells(np.concatenate([one, np.radians(10.0) + 0.3 * generator.normal(size=2000)]))
    assert (two.zero, len(two.states)) == ("trans", 2)
    assert [state.rare for state in two.states if state.name != "trans"] == [True]


def test_wells_tile_the_circle_and_cores_lie_inside():
    generator = np.random.default_rng(4)
    angles = np.concatenate([centre + 0.25 * generator.normal(size=5000) for centre in CENTRES])
    definition = wells(angles)
    assert {state.name for state in definition.states} == set(NAMES)
    everywhere = np.radians(np.arange(-180.0, 180.0, 0.5))[:, None]
    regions, cores = (
        np.array([getattr(state, kind).contains(everywhere) for state in definition.states])
        for kind in ("region", "core")
    )
    assert (regions.sum(axis=0) == 1).all()
    assert (cores <= regions).all() and 0.2 < cores.any(axis=0).mean() < 0.8


def test_observables_follow_from_the_particles():
    def names(particles, periodic=False):
        return {observable.name for observable in observables_for(particles, periodic)}

    assert names(butane()) == {"geometry", "rotors", "size", "torsions", "tumbling"}
    assert names(cyclohexane()) == {"geometry", "size", "torsions", "tumbling"}
    assert names(alanine_molecule()) == {
        "geometry",
        "hydrogen_bonds",
        "peptide",
        "rotors",
        "size",
        "tumbling",
    }
    assert names(bead_chain()) == {"geometry", "size", "torsions", "tumbling"}
    loose = bead_chain(4).subset([0, 2])
    assert names(loose, periodic=True) == {"msd", "rdf"}
    with pytest.raises(MoleculeError, match="nothing to see in 2 particle"):
        observables_for(loose)


def test_one_s_own_dihedral_is_the_one_of_the_four_atoms():
    (own,) = observables_for(bead_chain(4), False, ["dihedral:0-1-2-3"])
    trajectory = torsion(CHAIN, 50, seed=5)
    boxes = np.zeros((50, 3, 3))
    expected = OBSERVABLES[0].features(trajectory.positions, boxes)
    np.testing.assert_allclose(own.features(trajectory.positions, boxes), expected)
    (distance,) = observables_for(alanine_molecule(), False, ["distance:ACE:CH3-NME:C"])
    assert distance.label == "ACE1:CH3-NME3:C"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("torsion", "unknown name; expected one of chain, dihedral, distance, .* found 'torsion'"),
        ("dihedral:CA-CB", "expected 4 different atoms joined by hyphens, found 'CA-CB'"),
        ("distance:CA-CX", "expected one particle called 'CX', found 0"),
        ("distance:CA-C", "expected one particle called 'C', found 3; name it as 'ACE1:C'"),
        ("distance:CA-CA", "expected 2 different atoms"),
        ("rdf", "rdf sees nothing in these particles"),
        ("size:CA", "size takes no argument; found 'CA'"),
    ],
)
def test_what_is_not_there_is_refused(wanted, sentence):
    with pytest.raises(MoleculeError, match=sentence):
        observables_for(alanine_molecule(), False, [wanted])
