"""Estimators against a Markov chain on the Ramachandran plane whose populations, rates and
times are known.
"""

import json

import numpy as np
import pytest
from alanine import make_trajectory
from chains import CENTRES, CHAIN, PEPTIDE, counted, draw, joined, series, stationary
from small_md import bead_chain

from openmm_scoredyn.comparison import compare, write_report
from openmm_scoredyn.comparison.autocorrelation import autocorrelation
from openmm_scoredyn.comparison.blocks import cut
from openmm_scoredyn.comparison.measurement import Fit, measure
from openmm_scoredyn.comparison.passages import first_passage_times
from openmm_scoredyn.comparison.states import core_statistics, free_energies, hop_rate, populations
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.errors import MoleculeError, TrajectoryError
from openmm_scoredyn.observables import Observations, load_observations, observables_for, save_observations
from openmm_scoredyn.observables.peptide import RAMACHANDRAN

ANGLES = ("phi", "psi")


def passage_times(angles, spacing: float):
    together, blocks = joined(angles)
    return first_passage_times(together, spacing, RAMACHANDRAN, blocks)


def crossing_rate(angles, spacing: float):
    together, blocks = joined(angles)
    return hop_rate(together, spacing, RAMACHANDRAN, blocks)


def expected_passage(source: list[int], target: list[int]) -> float:
    """Mean time, frames, from leaving `target` for `source` until the return: equilibrium time over
    crossings.
    """
    weights = stationary()
    flux = sum(weights[i] * CHAIN[i, j] for i in source for j in target)
    return weights[source].sum() / flux


@pytest.fixture(scope="module")
def long_run():
    return draw(20, 20_000, seed=1)


def test_populations_are_those_of_the_chain(long_run):
    found = populations(*counted(long_run))
    for name, exact in zip(("beta", "alpha_R", "phi>0"), stationary(), strict=True):
        assert abs(found[name].value - exact) < 4 * found[name].error
        assert 0 < found[name].error < 0.02


@pytest.mark.parametrize("replicas, frames", [(20, 20_000), (2000, 200)])
def test_passage_times_of_long_runs_and_of_many_censored_ones(replicas, frames):
    times = passage_times(draw(replicas, frames, seed=2), 2.0)
    for name, source, target in (("into phi>0", [0, 1], [2]), ("out of phi>0", [2], [0, 1])):
        exact_ns = expected_passage(source, target) * 2.0 / 1000
        assert abs(times[name].value - exact_ns) < 4 * times[name].error
        assert times[name].error < 0.2 * exact_ns


def test_crossing_rate_without_a_third_state():
    chain = np.array([[0.96, 0.04, 0.0], [0.06, 0.94, 0.0], [0.5, 0.5, 0.0]])
    rate = crossing_rate(draw(10, 20_000, seed=3, chain=chain), 1.0)
    exact = 1000 * 2 * 0.04 * 0.06 / (0.04 + 0.06)
    assert abs(rate.value - exact) < 4 * rate.error
    assert rate.samples == pytest.approx(exact * 200, rel=0.1)


def test_a_passage_never_seen_is_a_lower_bound():
    chain = np.array([[0.96, 0.04, 0.0], [0.06, 0.94, 0.0], [0.0, 0.0, 1.0]])
    angles = [a for a in draw(20, 1000, seed=4, chain=chain) if (a[:, 0] < 0).all()]
    found = passage_times(angles, 1.0)["into phi>0"]
    assert np.isinf(found.error) and found.samples == 0
    assert found.value == pytest.approx(len(angles), rel=0.05)  # ns without an event


def test_block_bootstrap_errors_have_the_size_of_the_true_scatter():
    estimates = [populations(*counted(draw(4, 4000, seed=100 + k)), seed=k)["alpha_R"] for k in range(40)]
    scatter = np.std([e.value for e in estimates], ddof=1)
    assert 0.6 < np.mean([e.error for e in estimates]) / scatter < 1.6


def test_autocorrelation_of_an_autoregressive_angle():
    generator, memory = np.random.default_rng(5), np.exp(-1 / 20)
    angle = np.zeros((8, 40_000))
    for t in range(1, angle.shape[1]):
        angle[:, t] = memory * angle[:, t - 1] + np.sqrt(1 - memory**2) * 0.1 * generator.normal(size=8)
    series = [np.stack([a, a], axis=1).astype(np.float32) for a in angle[:, 1000:]]
    found = autocorrelation(np.concatenate(series), ANGLES, 1.0, joined(series)[1], 20).at(10.0)["sin phi"]
    assert abs(found.value - np.exp(-10 / 20)) < 4 * found.error + 0.005  # sin x = x to half a per cent


def test_no_pair_of_frames_is_left_out_of_an_autocorrelation():
    trajectories = draw(3, 700, seed=9)
    blocks = cut(trajectories, block_frames=60)
    found = autocorrelation(np.concatenate(trajectories), ANGLES, 1.0, blocks, longest_lag_ps=50)
    signal = [np.sin(angles[:, 0].astype(float)) for angles in trajectories]
    signal = [one - np.mean(signal) for one in signal]
    pairs = {
        k: np.concatenate([one[: len(one) - k] * one[k:] for one in signal]).mean() for k in (0, 1, 20, 50)
    }
    for lag, covariance in pairs.items():
        assert found.at(lag)["sin phi"].value == pytest.approx(covariance / pairs[0], abs=1e-9)


def test_divergence_of_equal_disjoint_and_known_histograms():
    half, other = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 3.0, 3.0])
    assert jensen_shannon(half, half) == pytest.approx(0.0, abs=1e-12)
    assert jensen_shannon(half, other) == pytest.approx(1.0)  # bit
    exact = 0.5 * np.log2(1 / 0.75) + 0.5 * (0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25))
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(exact)


def test_equal_chains_agree_and_another_differs(long_run, tmp_path):
    faster = CHAIN.copy()
    faster[0, :2] = [0.88, 0.115]
    same = compare(series(long_run), series(draw(20, 20_000, seed=6)), PEPTIDE)
    other = compare(series(long_run), series(draw(20, 20_000, seed=7, chain=faster)), PEPTIDE)
    # The rows of one comparison are correlated, so their verdicts cannot be counted; none may be far off.
    assert max(abs(row.difference) for row in same.rows) < 4
    assert {row.quantity.name for row in other.rows if row.verdict == "differs"} >= {
        "beta",
        "beta <-> alpha_R crossings",
        "first passage, beta -> alpha_R",
    }
    write_report(same, tmp_path)
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert len(stored["rows"]) == len(same.rows)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64") >= 5 and "http" not in page.replace("http://www.w3.org", "")


def test_visits_are_counted_once_for_each_state(monkeypatch):
    names = []

    def note(angles, blocks, source, target):
        names.append([region.name for region in source])
        return core_statistics(angles, blocks, source, target)

    monkeypatch.setattr("openmm_scoredyn.comparison.states.core_statistics", note)
    angles = draw(4, 2000, seed=12)
    seen = series(angles)
    estimates = measure(seen, Fit.of(seen, PEPTIDE)).estimates
    assert names == [[name] for name in ("beta", "alpha_R", "phi>0", "alpha_L", "C7ax")]
    found = {(quantity.group, quantity.name): estimate.samples for quantity, estimate in estimates.items()}
    together, states, blocks, visited = counted(angles)
    for name, alone in populations(together, states, blocks, visited).items():
        assert found["Populations", name] == alone.samples
    for name, alone in free_energies(together, states, 300.0, blocks, visited).items():
        assert found["Free energies", name] == alone.samples


def test_observations_survive_storage(tmp_path, long_run):
    kept = series(long_run[:3])
    kept.statistics["geometry"] = {"fitted": {}, "estimates": {}}
    save_observations(tmp_path / "s.npz", kept, ["peptide"])
    loaded = load_observations(tmp_path / "s.npz")
    for name in ("lengths", "frame_spacing_ps", "temperature_K", "particles", "conditions", "statistics"):
        assert getattr(loaded, name) == getattr(kept, name), name
    assert np.abs(loaded.values["peptide"] - kept.values["peptide"]).max() < 6e-5
    content = (tmp_path / "s.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrajectoryError, match="cannot read"):
        load_observations(tmp_path / "cut.npz")


def test_a_reference_shorter_than_there_are_clusters():
    assert compare(series(draw(1, 30, seed=10)), series(draw(1, 3000, seed=11)), PEPTIDE).rows


def test_what_cannot_be_compared_is_refused(long_run):
    with pytest.raises(TrajectoryError, match="every trajectory is steered"):
        Observations.from_trajectories([make_trajectory(50, steered=True)], PEPTIDE)
    with pytest.raises(TrajectoryError, match="frame spacings do not fit"):
        compare(series(long_run[:2]), series(long_run[:2], spacing=1.5), PEPTIDE)


def test_a_trajectory_does_not_remember_the_one_before():
    """The second begins between the cores and falls into alpha_R: it came from nowhere, so nothing was
    crossed.
    """
    between = np.radians([-90.0, 60.0])
    first = np.tile(CENTRES[0], (50, 1))
    second = np.concatenate([np.tile(between, (5, 1)), np.tile(CENTRES[1], (45, 1))])
    assert crossing_rate([first, second], 1.0).samples == 0
    assert crossing_rate([np.concatenate([first, second])], 1.0).samples == 1


def test_sums_of_pieces_add_up_to_those_of_the_whole():
    blocks = cut(draw(3, 1000, seed=8), block_frames=70)
    values = np.random.default_rng(9).normal(size=(3000, 2))
    parts = sum(blocks.sum_part(first, values[first : first + 130]) for first in range(0, 3000, 130))
    exact = [values[blocks.owner == block].sum(axis=0) for block in range(len(blocks))]
    assert parts == pytest.approx(np.array(exact))


def test_sides_of_other_spacings_meet_at_the_wider_one():
    """Every second frame of each trajectory, odd lengths too, is a series of twice the spacing."""
    angles = [one[:length] for one, length in zip(draw(3, 901, seed=13), (901, 500, 333), strict=True)]
    halves = series(angles).every(2)
    expected = series([one[::2] for one in angles], spacing=2.0)
    assert (halves.lengths, halves.frame_spacing_ps) == (expected.lengths, 2.0)
    np.testing.assert_array_equal(halves.values["peptide"], expected.values["peptide"])
    report = compare(series(angles), expected, PEPTIDE)
    assert report.reference.observations.frame_spacing_ps == 2.0
    assert {row.difference for row in report.rows if row.quantity.group == "Populations"} == {0.0}
    assert any("wider of the two frame spacings, 2 ps" in note for note in report.notes)


def test_sides_without_a_common_observable_are_refused():
    one = make_trajectory(20)
    geometry = observables_for(one.molecule, False, ["geometry"])
    seen = Observations.from_trajectories([one], geometry)
    with pytest.raises(
        MoleculeError, match="no observable in common; expected one of geometry .* found peptide"
    ):
        compare(series(draw(1, 20, seed=14)), seen, geometry)
    with pytest.raises(MoleculeError, match="different particles; expected 22 of types"):
        compare(series(draw(1, 20, seed=14)), Observations({}, (20,), 1.0, None, bead_chain(4)), PEPTIDE)
