"""Pairs of torsions, slow processes and the field's suite against chains and processes with known answers."""

import numpy as np
import pytest
from chains import CHAIN, PEPTIDE, draw, series, stationary
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.spatial.distance import jensenshannon
from small_md import bead_chain, dialanine

from openmm_scoredyn.comparison import compare
from openmm_scoredyn.comparison.analyses import chosen_analyses, suite_names
from openmm_scoredyn.comparison.analyses.markov_states import MarkovStates
from openmm_scoredyn.comparison.analyses.mdgen import MDGen
from openmm_scoredyn.comparison.analyses.pairs import Pairs, neighbouring
from openmm_scoredyn.comparison.analyses.slow import SlowProcesses
from openmm_scoredyn.comparison.blocks import cut
from openmm_scoredyn.comparison.decorrelation import component_time, decorrelation_times
from openmm_scoredyn.comparison.macrostates import fit_macrostates
from openmm_scoredyn.comparison.measurement import Fit, measure
from openmm_scoredyn.comparison.sides import Sides
from openmm_scoredyn.comparison.tica import fit_components, vamp2
from openmm_scoredyn.errors import TrajectoryError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables import Observations, observables_for

# The same populations, every transition twice as likely.
FASTER = np.eye(3) + 2 * (CHAIN - np.eye(3))
NO_THIRD = np.array([[0.96, 0.04, 0.0], [0.06, 0.94, 0.0], [0.5, 0.5, 0.0]])


def sides_of(reference, candidate, observables=PEPTIDE) -> Sides:
    fit = Fit.of(reference, observables, markov_models=False)
    return Sides(measure(reference, fit), measure(candidate, fit), fit)


def rows_of(analysis, sides) -> dict:
    return {row.quantity.name.split(" (")[0]: row for row in analysis.find(sides).rows}


def eigenvalues(chain) -> np.ndarray:
    return np.sort(np.linalg.eigvals(chain).real)[::-1][1:]


@pytest.fixture(scope="module")
def reference() -> Observations:
    return series(draw(20, 4000, seed=1))


def test_components_find_the_time_scales_of_a_chain(reference):
    rows = rows_of(SlowProcesses(), sides_of(reference, series(draw(20, 4000, seed=2))))
    slow = rows["TICA process 1 at lag 10 ps"]
    score = rows["VAMP-2 score of 2 components at lag 10 ps"]
    for side in ("reference", "candidate"):
        found = getattr(slow, side)
        assert abs(found.value + 1 / np.log(eigenvalues(CHAIN)[0])) < 4 * found.error < 0.4 * found.value
        found = getattr(score, side)
        assert abs(found.value - 1 - (eigenvalues(CHAIN) ** 20).sum()) < 4 * found.error < 0.15
    assert "TICA process 2 at lag 10 ps" not in rows, "it decays within the lag"
    assert {row.verdict for row in rows.values()} <= {"agrees", "within tolerance"}


def test_a_faster_chain_differs_in_kinetics_and_one_without_a_state_in_its_distribution(reference):
    faster = rows_of(SlowProcesses(), sides_of(reference, series(draw(20, 4000, 3, FASTER))))
    assert faster["VAMP-2 score of 2 components at lag 10 ps"].verdict == "differs"
    assert faster["TICA process 1 at lag 10 ps"].verdict == "differs"
    assert faster["JSD of TICA-0"].verdict == faster["JSD of TICA-0,1"].verdict == "agrees"
    without = rows_of(SlowProcesses(), sides_of(reference, series(draw(20, 4000, 4, NO_THIRD))))
    assert without["JSD of TICA-0"].verdict == without["JSD of TICA-0,1"].verdict == "differs"


def test_floors_are_what_independent_halves_show():
    """Of ten pairs of independent runs, divergences of the first component have the mean of their floors."""
    found = []
    for seed in range(10):
        halves = [series(draw(8, 2000, seed=10 * seed + half)) for half in (1, 2)]
        found.append(rows_of(SlowProcesses(), sides_of(*halves))["JSD of TICA-0"])
    shown, floors = (
        np.array([getattr(row, side).value for row in found]) for side in ("candidate", "reference")
    )
    assert abs(shown.mean() - floors.mean()) < 3 * np.hypot(shown.std(), floors.std()) / np.sqrt(10)


def test_scores_and_components_are_those_of_deeptime():
    from deeptime.decomposition import TICA, VAMP

    angles = draw(1, 3000, seed=5)[0].astype(np.float64)
    components = fit_components(angles, [3000], 10)
    circles = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(3000, -1)
    theirs = TICA(lagtime=10, scaling=None).fit_from_timeseries(circles).fetch_model()
    np.testing.assert_allclose(components.eigenvalues, theirs.singular_values, rtol=1e-6)
    blocks = cut([angles], block_frames=300)
    ours = vamp2(components.project(angles), blocks, 10).value
    assert ours == pytest.approx(
        VAMP(lagtime=10).fit_from_timeseries(circles).fetch_model().score(2), rel=1e-4
    )


def test_a_score_of_trajectories_of_which_most_hold_no_pair_of_frames_is_not_an_error():
    """Resamples without a pair are left out; where most are, the error is not known."""
    signal = np.random.default_rng(1).normal(size=(56, 2))
    blocks = cut([signal[:20], *(signal[k : k + 4] for k in range(20, 56, 4))], block_frames=20)
    score = vamp2(signal, blocks, 10)
    assert np.isfinite(score.value)


def gaussian(spread: float, time_frames: float, frames: int, seed: int) -> np.ndarray:
    """An Ornstein-Uhlenbeck process, (frames, 1)."""
    generator, decay = np.random.default_rng(seed), np.exp(-1 / time_frames)
    noise = spread * np.sqrt(1 - decay**2) * generator.normal(size=frames)
    noise[0] = spread * generator.normal()
    return lfilter([1.0], [1.0, -decay], noise)[:, None]


def test_decorrelation_time_of_a_gaussian_process():
    """<cos(x(t) - x(0))> = exp(-s^2 (1 - r(t))), so that less its baseline and normalised it is
    (exp(s^2 r) - 1) / (exp(s^2) - 1).
    """
    spread, time = 0.9, 25.0

    def above(t: float) -> float:
        return np.expm1(spread**2 * np.exp(-t / time)) / np.expm1(spread**2) - np.exp(-1)

    parts = [gaussian(spread, time, 50_000, seed) for seed in range(4)]
    (found,) = decorrelation_times(np.concatenate(parts), 0.5, cut(parts))
    assert abs(found.value - 0.5 * brentq(above, 1.0, 200.0)) < 4 * found.error < 0.2 * found.value


def test_decorrelation_time_of_a_component_of_a_gaussian_process():
    """Its autocovariance is exp(-t / time) of that at lag 0; about another centre it falls to a level."""
    parts = [gaussian(3.0, 25.0, 50_000, seed)[:, 0] for seed in range(4)]
    blocks = cut([part[:, None] for part in parts])
    found = component_time(np.concatenate(parts), 0.5, blocks)
    assert abs(found.value - 0.5 * 25.0) < 4 * found.error < 0.2 * found.value
    # (exp(-t / time) + c^2) / (1 + c^2) is 1/e at t = -time ln((1 + c^2) / e - c^2).
    moved = component_time(np.concatenate(parts) + 1.5, 0.5, blocks)
    expected = -0.5 * 25.0 * np.log(1.25 / np.e - 0.25)
    assert abs(moved.value - expected) < 4 * moved.error < 0.3 * moved.value
    assert np.isnan(component_time(np.concatenate(parts) + 3.0, 0.5, blocks).value)


def test_a_markov_model_finds_populations_and_time_scales_of_a_chain(reference):
    """Of the wells of phi and psi together, which are the states of the chain."""
    found = MarkovStates().find(sides_of(reference, series(draw(20, 4000, seed=2))))
    rows = {row.quantity.name: row for row in found.rows}
    number = found.facts["states"]
    slow = rows[f"process 1 of {number} states at lag 10 ps"]
    for estimate in (slow.reference, slow.candidate):
        exact = -1 / np.log(eigenvalues(CHAIN)[0])
        assert abs(estimate.value - exact) < 4 * estimate.error < 0.4 * estimate.value
    assert number == 3 and f"process 2 of {number} states at lag 10 ps" not in rows, (
        "it decays within the lag"
    )
    shares = [rows[f"population of state {k + 1}"].reference for k in range(number)]
    for share, exact in zip(shares, np.sort(stationary())[::-1], strict=True):
        assert abs(share.value - exact) < 4 * share.error < 0.1
    assert {row.verdict for row in rows.values()} <= {"agrees", "within tolerance"}


def test_a_state_that_is_never_entered_differs_in_the_markov_model(reference):
    found = MarkovStates().find(sides_of(reference, series(draw(20, 4000, 4, NO_THIRD))))
    by_name = {row.quantity.name: row for row in found.rows}
    rarest = by_name[f"population of state {int(np.argsort(np.argsort(-stationary()))[2]) + 1}"]
    assert rarest.candidate.value < 0.01 and rarest.verdict == "differs"


def test_states_are_wells_of_all_torsions_together_and_the_ten_fullest_are_listed():
    """Three torsions of two wells: eight states; of four torsions sixteen, of which ten are listed."""
    for torsions, states in ((3, 8), (4, 10)):
        generator = np.random.default_rng(torsions)
        particles = bead_chain(torsions + 3)
        wells = np.cumsum(generator.random((12_000, torsions)) < 0.02, axis=0) % 2
        values = np.radians([60.0, 180.0])[wells] + 0.1 * generator.normal(size=wells.shape)
        values = (values + np.pi) % (2 * np.pi) - np.pi
        seen = Observations({"torsions": values}, (6000, 6000), 1.0, 300.0, particles)
        sides = sides_of(seen, seen, observables_for(particles, False, ["torsions"]))
        found = MarkovStates().find(sides)
        assert found.facts["states"] == states
        shares = [row.reference.value for row in found.rows if row.quantity.name.startswith("population")]
        assert len(shares) == states
        assert found.facts["share_of_frames_in_them"][0] == pytest.approx(
            1.0 if states == 8 else 0.65, abs=0.1
        )
        if states == 8:  # all are listed
            assert shares == sorted(shares, reverse=True)
            # Independent two-state processes relax as one.
            (time,) = [row.reference for row in found.rows if row.quantity.name.startswith("process 1 of")]
            assert abs(time.value + 1 / np.log(1 - 2 * 0.02)) < 4 * time.error < 0.4 * time.value


def test_a_faster_chain_differs_in_the_time_scale_of_its_markov_model(reference):
    found = MarkovStates().find(sides_of(reference, series(draw(20, 4000, 3, FASTER))))
    verdicts = {row.quantity.name: row.verdict for row in found.rows}
    assert [v for name, v in verdicts.items() if name.startswith("process 1")] == ["differs"]
    assert {v for name, v in verdicts.items() if "population" in name} <= {"agrees", "within tolerance"}


def test_what_has_not_decorrelated_has_no_time():
    """Twenty trajectories that never leave one of two angles: correlated at every lag that they hold."""
    parts = [np.full((10, 1), float(k % 2)) for k in range(20)]
    (found,) = decorrelation_times(np.concatenate(parts), 1.0, cut(parts, block_frames=10))
    assert np.isnan(found.value) and np.isnan(found.samples)


def test_a_time_of_which_the_trajectories_hold_few_is_not_known_well():
    """One jump in 400 frames: the bootstrap over its two halves sees no scatter of jumps."""
    once = np.where(np.arange(400) < 200, 0.0, 1.0)[:, None]
    (found,) = decorrelation_times(once, 1.0, cut([once]))
    assert found.samples < 10 and found.error >= found.value * np.sqrt(2 / found.samples)


def test_macrostates_keep_the_wells_of_a_chain_apart():
    generator, well = np.random.default_rng(6), 0
    path = []
    for draw_ in generator.random(30_000):
        path.append(well)
        well = (well + 1) % 4 if draw_ < 0.01 else well
    path = np.array(path)
    points = np.stack([path % 2, path // 2], axis=1) * 4.0 + 0.3 * generator.normal(size=(len(path), 2))
    states = fit_macrostates(points, [len(path)], 10)
    assigned = states.assign(points)
    assert 4 <= states.number <= 10
    for state in range(states.number):
        _, counts = np.unique(path[assigned == state], return_counts=True)
        assert counts.max() > 0.999 * counts.sum(), "no macrostate holds two wells"


def test_the_suite_gives_the_field_s_numbers():
    """A frame every 20 ps, so that the chain is slower than the suite's lag of 100 ps."""
    reference, candidate = (series(draw(20, 4000, *how), 20.0) for how in ((1,), (4, NO_THIRD)))
    sides = sides_of(reference, candidate)
    findings = MDGen().find(sides)
    rows = {row.quantity.name.split(" (")[0]: row for row in findings.rows}
    facts = findings.facts
    ours, theirs = stationary(), stationary(NO_THIRD)
    middle = (ours + theirs) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = sum(0.5 * np.where(p > 0, p * np.log(p / middle), 0.0).sum() for p in (ours, theirs))
    # Each angle tells the states apart, with next to no overlap: the divergence of a torsion is theirs.
    for name in ("backbone", "all torsions"):
        found = rows[f"sqrt(JSD) of {name}"].candidate
        assert abs(found.value - np.sqrt(exact)) < 4 * found.error < 0.5 * found.value
        assert facts["sqrt_jsd"][name]["value"] == found.value
    assert "sqrt(JSD) of side chains" not in rows
    slow = rows["TICA-0"].reference
    exact_time = -20.0 / np.log(eigenvalues(CHAIN)[0])
    assert abs(slow.value - exact_time) < 4 * slow.error + 0.05 * exact_time and slow.error < 0.1 * slow.value
    states = rows[f"sqrt(JSD) of {facts['markov_states']} Markov states"]
    assert abs(states.candidate.value - np.sqrt(exact)) < 4 * states.candidate.error
    assert set(facts["decorrelation_times_ps"]) == {"ALA2 phi", "ALA2 psi", "TICA-0"}
    histograms = [
        [
            np.histogram(one.values["peptide"][:, k], range=(-np.pi, np.pi), bins=100)[0]
            for one in (reference, candidate)
        ]
        for k in (0, 1)
    ]
    pooled = [
        facts["sqrt_jsd"]["backbone"]["value"],
        jensenshannon(*histograms[0]),
        jensenshannon(*histograms[1]),
    ]
    assert pooled[0] == pytest.approx(np.mean(pooled[1:]), rel=1e-6)


def two_torsions(joint: np.ndarray, frames: int, seed: int) -> Observations:
    """Two torsions of five beads, each in one of two wells, of a joint distribution (2, 2)."""
    generator = np.random.default_rng(seed)
    wells = generator.choice(4, size=frames, p=joint.ravel())
    angles = np.radians([60.0, 180.0])[np.stack([wells // 2, wells % 2], axis=1)]
    values = angles + 0.1 * generator.normal(size=angles.shape)
    values = (values + np.pi) % (2 * np.pi) - np.pi
    return Observations({"torsions": values}, (frames // 2, frames // 2), 1.0, 300.0, bead_chain(5))


def test_a_pair_that_is_right_one_by_one_and_wrong_together_differs():
    apart, together = np.full((2, 2), 0.25), np.array([[0.4, 0.1], [0.1, 0.4]])
    torsions = observables_for(bead_chain(5), False, ["torsions"])
    report = compare(two_torsions(apart, 8000, 1), two_torsions(together, 8000, 2), torsions)
    verdicts = {row.quantity.name: row.verdict for row in report.rows if row.quantity.unit == "bit"}
    assert [verdict for name, verdict in verdicts.items() if ", " in name] == ["differs"]
    assert [v for name, v in verdicts.items() if "JSD (" in name and ", " not in name] == ["agrees"] * 2
    same = rows_of(Pairs(), sides_of(two_torsions(apart, 8000, 3), two_torsions(apart, 8000, 4), torsions))
    assert [row.verdict for row in same.values()] == ["agrees"]


def test_neighbours_turn_about_bonds_that_meet_or_that_a_still_bond_joins():
    particles = Particles.from_topology(dialanine()[0])
    values = {"peptide": np.zeros((10, 4), np.float32)}
    seen = Observations(values, (10,), 1.0, 300.0, particles)
    found = neighbouring(
        sides_of(seen, seen, observables_for(particles, False, ["peptide"])).angles, particles
    )
    assert [tuple(angle.name for angle in pair) for pair in found] == [("ALA2 psi", "ALA3 phi")]


def test_an_unknown_suite_is_refused():
    assert suite_names() == ("mdgen",)
    assert {one.name for one in chosen_analyses()} == {"markov", "pairs", "tica"}
    with pytest.raises(TrajectoryError, match="unknown suite; expected one of mdgen, found 'mgden'"):
        chosen_analyses(["mgden"])
