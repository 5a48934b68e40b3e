"""Markov state models and passages against chains that can be solved with pencil and paper."""

import numpy as np
import pytest
from chains import CHAIN, PEPTIDE, counted, draw, joined, series, stationary

from openmm_scoredyn.comparison import compare
from openmm_scoredyn.comparison.markov import passage_time, sample_posterior
from openmm_scoredyn.comparison.passages import first_passage_times
from openmm_scoredyn.comparison.states import free_energies, populations
from openmm_scoredyn.comparison.timescales import fit_timescales
from openmm_scoredyn.observables.peptide import RAMACHANDRAN

# beta <-> alpha_R <-> alpha_L and no other step: first passages have a closed form.
FORTH, BACK, ON, HOME = 0.04, 0.05, 0.02, 0.10
LINE = np.array([[1 - FORTH, FORTH, 0.0], [BACK, 1 - BACK - ON, ON], [0.0, HOME, 1 - HOME]])
TO_THE_END = (1 + BACK / ON) / FORTH + 1 / ON  # frames, from beta to alpha_L


def test_passage_time_of_a_line_of_three_states():
    states = np.eye(3, dtype=bool)
    assert passage_time(LINE, states[0], states[2]) == pytest.approx(TO_THE_END)
    assert passage_time(LINE, states[2], states[1]) == pytest.approx(1 / HOME)
    # From two states in equilibrium: the mean over their stationary weights, which balance as FORTH to BACK.
    both = (BACK * TO_THE_END + FORTH * (TO_THE_END - 1 / FORTH)) / (BACK + FORTH)
    assert passage_time(LINE, states[0] | states[1], states[2]) == pytest.approx(both)
    assert np.isnan(passage_time(LINE, states[0], np.zeros(3, dtype=bool)))


def test_a_target_that_some_states_never_reach_has_no_passage_time():
    apart = np.array([[1.0, 0.0, 0.0], [0.0, 0.9, 0.1], [0.0, 0.2, 0.8]])
    assert np.isnan(passage_time(apart, *np.eye(3, dtype=bool)[[1, 2]]))


def test_passages_counted_and_by_the_markov_model():
    angles = draw(20, 4000, seed=11, chain=LINE)
    together, blocks = joined(angles)
    seen = first_passage_times(together, 1.0, RAMACHANDRAN, blocks)["beta -> alpha_L"]
    assert seen.samples > 100
    assert abs(seen.value - TO_THE_END / 1000) < 4 * seen.error
    model = fit_timescales(together, blocks.lengths, 1.0, RAMACHANDRAN, clusters=6)
    # Seen at every tenth frame only: the chain of ten steps, in frames.
    matrix = np.linalg.matrix_power(LINE, 10)
    exact = 10 * passage_time(matrix, *np.eye(3, dtype=bool)[[0, 2]])
    found = model.measure(together, 1.0, blocks).passages["beta", "alpha_L"]
    assert abs(found.value - exact) < 4 * found.error
    assert found.error < 0.2 * exact


def test_time_scales_and_both_of_their_errors():
    angles = draw(20, 4000, seed=12)
    together, blocks = joined(angles)
    found = fit_timescales(together, blocks.lengths, 1.0, clusters=6).measure(together, 1.0, blocks)
    assert found.passages == {}, "of no states"
    exact = -1 / np.log(np.sort(np.linalg.eigvals(CHAIN).real)[::-1][1:])
    for known in (found.timescales[5.0], found.posterior[5.0]):
        for estimate, scale in zip(known, exact, strict=True):
            assert abs(estimate.value - scale) < 4 * estimate.error
    for bootstrap, posterior in zip(found.timescales[5.0], found.posterior[5.0], strict=True):
        assert 1 / 3 < bootstrap.error / posterior.error < 3


def test_posterior_of_two_states_is_that_of_a_coin():
    """Independent transitions out of a state: its exit probability has a spread of sqrt(p (1 - p) / n)."""
    counts = np.array([[900.0, 100.0], [100.0, 400.0]])
    drawn, active = sample_posterior(counts, 1, samples=400)
    assert list(active) == [0, 1]
    exits = drawn[:, 0, 1]
    assert abs(exits.mean() - 0.1) < 0.01
    # Reversible sampling sees both directions of every crossing, so at most as wide.
    assert 0.5 < exits.std() / np.sqrt(0.1 * 0.9 / 1000) < 1.15
    wider, _ = sample_posterior(counts, 4, samples=400)
    assert wider[:, 0, 1].std() / exits.std() == pytest.approx(2.0, rel=0.25)


def test_free_energies_are_logarithms_of_populations():
    angles = draw(20, 5000, seed=13)
    exact = -8.314462618e-3 * 300 * np.log(stationary()[1:] / stationary()[0])
    together, states, blocks, visited = counted(angles)
    found = free_energies(together, states, 300.0, blocks, visited)
    for name, value in zip(("alpha_R - beta", "phi>0 - beta"), exact, strict=True):
        assert abs(found[name].value - value) < 4 * found[name].error
        assert found[name].error < 0.3
    assert found["alpha_L - beta"].value == found["phi>0 - beta"].value
    assert np.isnan(found["C7ax - beta"].value) and found["C7ax - beta"].samples == 0


def test_two_visits_leave_a_free_energy_open():
    """The bootstrap of trajectories of which one holds both visits cannot know; the number of visits does."""
    angles = [np.tile(np.radians([-100.0, 150.0]), (1000, 1)) for _ in range(8)]
    for begin in (200, 600):
        angles[3][begin : begin + 50] = np.radians([60.0, 40.0])
    together, states, blocks, visited = counted(angles)
    found = free_energies(together, states, 300.0, blocks, visited)["alpha_L - beta"]
    assert found.samples == 2
    assert found.error >= 8.314462618e-3 * 300 * 0.999


def test_markov_passages_stand_where_few_were_counted():
    rare = np.array([[0.959, 0.04, 0.001], [0.06, 0.939, 0.001], [0.02, 0.02, 0.96]])
    short, long = draw(2, 1500, seed=14, chain=rare), draw(20, 1500, seed=15, chain=rare)
    report = compare(series(long), series(short), PEPTIDE)
    rows = {row.quantity.name: row for row in report.rows if row.quantity.group.startswith("First passages")}
    assert "beta -> alpha_R" not in rows, "counted often on both sides"
    assert all(min(row.reference.samples, row.candidate.samples) < 10 for row in rows.values())
    assert populations(*counted(short))["phi>0"].value > 0
    assert "beta -> alpha_L" in rows
