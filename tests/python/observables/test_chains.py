"""Size, modes and diffusion of a chain of beads, against a Rouse chain whose numbers are known."""

import bead_chains
import numpy as np
import pytest
from alanine import alanine_molecule

from openmm_scoredyn.observables.chains import GROUP, ChainOfBeads
from openmm_scoredyn.observables.protocol import Sample

BEADS, BOND_NM, STEPS = 8, 0.5, 30_000


@pytest.fixture(scope="module")
def particles():
    return bead_chains.mapped(["B1"] * 2 * BEADS, 2).particles


def estimates(particles, positions, spacing_ps):
    observable = ChainOfBeads.of(particles, False)
    values = observable.features(positions, np.zeros((len(positions), 3, 3)))
    sample = Sample(values, (len(values),), spacing_ps)
    found = {}
    for statistic in observable.statistics(sample, {}):
        sums = [np.append(v.sum(axis=0), len(v)) for part in statistic.parts for _, v in part.rows()]
        numbers = statistic.estimate(np.concatenate(sums))
        found |= {q.name: float(value) for q, value in zip(statistic.quantities, numbers)}
        assert all(quantity.group == GROUP for quantity in statistic.quantities)
    return found


def test_a_rouse_chain_has_its_size_and_its_bonds(particles):
    """Independent frames: <Rg^2> = b^2 (N^2 - 1) / (6 N), <bond^2> = b^2; four standard errors."""
    frames = bead_chains.RouseChain(BEADS, BOND_NM / 3**0.5, rate=1.0).pairs(STEPS, 1)[0].numpy()
    found = estimates(particles, frames, 1.0)
    expected = BOND_NM**2 * (BEADS**2 - 1) / (6 * BEADS)
    error = found["squared radius of gyration, spread"] / STEPS**0.5
    assert abs(found["squared radius of gyration, mean"] - expected) < 4 * error
    bond2 = found["bond of beads, mean"] ** 2 + found["bond of beads, spread"] ** 2
    assert bond2 == pytest.approx(BOND_NM**2, rel=0.01)
    assert abs(found["squared end-to-end distance, mean"] / (BOND_NM**2 * (BEADS - 1)) - 1) < 0.03


def test_correlation_and_diffusion_are_those_of_the_dynamics(particles):
    """An Ornstein-Uhlenbeck process in every mode at once, and a centre that walks freely."""
    rng, decay = np.random.default_rng(2), 0.8
    inner = np.empty((STEPS, BEADS, 3))
    inner[0] = rng.normal(size=(BEADS, 3))
    for k in range(1, STEPS):
        inner[k] = decay * inner[k - 1] + (1 - decay**2) ** 0.5 * rng.normal(size=(BEADS, 3))
    inner -= inner.mean(axis=1, keepdims=True)
    centre = 0.1 * rng.normal(size=(STEPS, 1, 3)).cumsum(axis=0)
    found = estimates(particles, inner + centre, 2.0)
    for lag in (1, 4):
        assert found[f"Rouse mode 2, correlation at {2 * lag} ps"] == pytest.approx(decay**lag, abs=0.03)
        diffusion = found[f"diffusion of the centre of mass over {2 * lag} ps"]
        assert diffusion == pytest.approx(1000 * 0.01 / (2 * 2.0), rel=0.05)


def test_atoms_branches_and_boxes_are_not_looked_at(particles):
    assert ChainOfBeads.of(alanine_molecule(), False) is None
    assert ChainOfBeads.of(particles, True) is None
    assert ChainOfBeads.of(particles, False) is not None
