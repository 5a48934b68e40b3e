"""What the report of the alkanes measures, on a butane whose torsion is a Markov chain of known rates."""

import alkanes as small
import numpy as np
import pytest
from recipes import recipe

from openmm_scoredyn.comparison.rows import make_row
from openmm_scoredyn.molecule.geometry import dihedral_angles
from openmm_scoredyn.units import GAS_CONSTANT_KJ_PER_MOL_K

# Hops a picosecond between trans, gauche+ and gauche-; the stationary shares follow.
OUT, BACK, ACROSS = 0.02, 0.04, 0.01
TRANS = BACK / (BACK + 2 * OUT)


@pytest.fixture(scope="module")
def measured():
    with recipe("alkanes") as module:
        yield module("measure")


def butane(atoms, picoseconds: int, seed: int) -> np.ndarray:
    """Positions (T, 14, 3) of a butane that stands still but for its torsion, which hops."""
    molecule = small.molecule("butane")
    generator = np.random.default_rng(seed)
    hop = np.array([[0, OUT, OUT], [BACK, 0, ACROSS], [BACK, ACROSS, 0]])
    hop += np.diag(1 - hop.sum(1))
    states = [0]
    for draw in generator.random(picoseconds - 1):
        states.append(int(np.searchsorted(hop[states[-1]].cumsum(), draw)))
    wanted = np.radians([180.0, 65.0, -65.0])[states] + generator.normal(0, 0.1, picoseconds)
    start = small.positions(molecule).astype(float)
    _, b, c, _ = atoms
    turned = [k for k in range(14) if k in (3, *range(9, 14))]  # the last carbon, hydrogens of the last two
    axis = (start[c] - start[b]) / np.linalg.norm(start[c] - start[b])
    arm = start[turned] - start[b]
    along = (arm @ axis)[:, None] * axis
    angle = (wanted - dihedral_angles(start[None], atoms[None])[0, 0])[:, None, None]
    positions = start[None].repeat(picoseconds, 0)
    aside, across = arm - along, np.cross(axis, arm)
    positions[:, turned] = start[b] + along + np.cos(angle) * aside + np.sin(angle) * across
    found = dihedral_angles(positions, atoms[None])[:, 0]
    assert np.abs(np.angle(np.exp(1j * (found - wanted)))).max() < 1e-5
    return positions


def by_name(found):
    return {f"{quantity.group}: {quantity.name}": estimate for quantity, estimate in found.items()}


def test_free_energies_rates_and_correlations_of_a_markov_chain(measured):
    parts = measured.Parts.of(small.molecule("butane"))
    assert parts.places == {"1": [0]} and parts.rotors.shape == (2, 4)
    walks = [butane(parts.torsions[0], 8000, seed) for seed in (1, 2)]
    found = by_name(measured.measure(measured.Series.of_trajectories(parts, walks, 1.0)))
    energy = -GAS_CONSTANT_KJ_PER_MOL_K * 300 * np.log((1 - TRANS) / 2 / TRANS)
    # The correlation of a torsion: of the wells, from the eigenvalues of the chain, times that of the noise.
    expected = {
        "free energy: gauche - trans, torsion 1": energy,
        "hop rate: trans to gauche, torsion 1": 2000 * OUT,
        "hop rate: gauche to gauche, torsion 1": 1000 * ACROSS,
    }
    for name, value in expected.items():
        estimate = found[name]
        assert abs(estimate.value - value) < 3.5 * estimate.error, (name, estimate)
        assert estimate.error < 0.25 * max(abs(value), 1)
    correlation = found["autocorrelation: torsion 1, 50 ps"]
    shares, places = np.array([TRANS, (1 - TRANS) / 2, (1 - TRANS) / 2]), np.radians([180.0, 65.0, -65.0])
    far = abs((shares * np.exp(1j * places)).sum()) ** 2 * np.exp(-0.01)
    assert abs(correlation.value - far) < 3.5 * correlation.error + 0.03  # what 50 ps have not forgotten


def test_replicas_are_trajectories_and_a_biased_side_is_told(measured):
    parts = measured.Parts.of(small.molecule("butane"))
    walks = np.stack([butane(parts.torsions[0], 2000, seed) for seed in (3, 4, 5)], 1)
    replicas = measured.Series.of_replicas(parts, np.split(walks, 4), 1.0)
    single = measured.Series.of_trajectories(parts, list(walks.swapaxes(0, 1)), 1.0)
    np.testing.assert_array_equal(replicas.torsions, single.torsions)
    assert replicas.lengths == single.lengths == [2000] * 3
    other = [butane(parts.torsions[0], 6000, 6)[::2]]  # hops twice as often
    slow, fast = (
        measured.measure(single),
        measured.measure(measured.Series.of_trajectories(parts, other, 1.0)),
    )
    rows = {q.name: make_row(q, slow[q], fast[q], 0.5) for q in slow}
    assert rows["trans to gauche, torsion 1"].target == "missed"
    assert rows["bond C-C, mean"].target == "met"
    apart, floor = measured.size_divergence(single, replicas, 0)
    assert apart == pytest.approx(0, abs=1e-12) and floor > 0


@pytest.mark.parametrize(
    "name, places",
    [("octane", {"1": 2, "2": 2, "3": 1}), ("isopentane", {"1": 2}), ("dimethylbutane", {"1": 3})],
)
def test_places_along_the_chain_do_not_depend_on_the_end_they_are_counted_from(measured, name, places):
    from openmm_scoredyn.molecule.particles import Particles

    with recipe("alkanes") as module:
        topology = module("molecules").alkane(name).topology()
    parts = measured.Parts.of(Particles.from_topology(topology))
    assert {place: len(columns) for place, columns in parts.places.items()} == places
