"""Error bars of what is seen a few times: exponential waits and sojourns, whose scatter is known."""

import numpy as np
import pytest
from chains import CENTRES, PEPTIDE, counted, joined, series

from openmm_scoredyn.comparison import compare
from openmm_scoredyn.comparison.autocorrelation import autocorrelation, on_circles
from openmm_scoredyn.comparison.blocks import correlation_frames, cut
from openmm_scoredyn.comparison.distribution import cells, divergence
from openmm_scoredyn.comparison.states import drawn_as_events, populations
from openmm_scoredyn.comparison.states import sojourns as find_sojourns
from openmm_scoredyn.observables.peptide import RAMACHANDRAN

FRAMES, WAIT, SOJOURN = 20_000, 4_000.0, 200.0


def sojourns(angles) -> np.ndarray:
    return find_sojourns(np.concatenate(angles), [len(one) for one in angles], RAMACHANDRAN)


def rare_sojourns(angles) -> np.ndarray:
    return drawn_as_events([sojourns(angles)], sum(map(len, angles)))


def visited(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Fast hops between beta and alpha_R, with exponential sojourns at phi > 0 after exponential waits,
    (frames, 2) rad.
    """
    generator = np.random.default_rng(seed)
    state = generator.integers(0, 2, frames)
    frame = generator.exponential(WAIT)
    while frame < frames:
        end = frame + generator.exponential(SOJOURN)
        state[int(frame) : int(end) + 1] = 2
        frame = end + generator.exponential(WAIT)
    return CENTRES[state] + 0.05 * generator.normal(size=(frames, 2))


def correlation(angles: np.ndarray):
    return autocorrelation(angles, ("phi", "psi"), 1.0, joined([angles])[1], 20).at(10.0)["cos psi"]


@pytest.mark.parametrize("statistic", [lambda angles: populations(*counted([angles]))["phi>0"], correlation])
def test_errors_of_few_stays_have_the_size_of_their_scatter(statistic):
    runs = [visited(seed) for seed in range(60)]
    assert max(len(sojourns([angles])) for angles in runs) < 12
    runs = [angles for angles in runs if len(rare_sojourns([angles])) > 0]
    estimates = [statistic(angles) for angles in runs]
    scatter = np.std([estimate.value for estimate in estimates], ddof=1)
    assert 0.75 < np.sqrt(np.mean([estimate.error**2 for estimate in estimates])) / scatter < 1.5


def test_each_rare_stay_is_a_block():
    angles = [np.tile(CENTRES[0], (1000, 1)) for _ in range(3)]
    angles[1][200:250] = CENTRES[2]
    angles[1][250:260] = np.radians([0.0, 40.0])  # the barrier still belongs to the sojourn
    angles[2][:30] = CENTRES[2]
    assert rare_sojourns(angles).tolist() == [[1200, 1260], [2000, 2030]]
    blocks = cut(angles, rare_sojourns(angles), 500)
    assert blocks.sizes[blocks.rare].tolist() == [60, 30]
    assert [np.flatnonzero(blocks.owner == block)[0] for block in np.flatnonzero(blocks.rare)] == [1200, 2000]
    assert blocks.sizes[~blocks.rare].tolist() == [500, 500, 440, 500, 470, 500], (
        "time before and after a sojourn is kept together"
    )


def test_a_scrap_that_a_stay_leaves_joins_another_block():
    """Its few frames would otherwise be drawn as often as whole blocks."""
    angles = [np.tile(CENTRES[0], (1000, 1)) for _ in range(8)]
    angles[4][20:] = CENTRES[2]
    blocks = cut(angles, rare_sojourns(angles), 1000)
    assert blocks.rare.sum() == 1 and len(blocks) == 8
    assert sorted(blocks.sizes[~blocks.rare]) == [1000] * 6 + [1020]
    assert blocks.sum(np.ones((8000, 1))).sum() == 8000
    assert len(blocks.pieces) == 9


def test_ten_stays_are_left_to_the_bootstrap():
    angles = np.tile(CENTRES[0], (1000, 1))
    for begin in range(0, 1000, 100):
        angles[begin + 50 : begin + 60] = CENTRES[2]
    assert len(sojourns([angles])) == 10 and len(rare_sojourns([angles])) == 0


def test_a_trajectory_without_the_slow_process_does_not_size_the_blocks():
    """A telegraph with exit probability k a frame from either side remembers for 1 / (2 k) frames."""
    generator, rate = np.random.default_rng(1), 0.005
    slow = np.cumsum(generator.random(40_000) < rate) % 2
    quick = generator.integers(0, 2, 40_000)
    # What is slow is in psi, of the second trajectory alone.
    angles = [np.stack([quick, 0 * quick], axis=1), np.stack([quick, slow], axis=1)]
    # Half of the variance of psi lies between the two trajectories, and never decays; without it:
    assert correlation_frames([on_circles(angles[1])]) == pytest.approx(1 / (2 * rate), rel=0.25)
    assert correlation_frames([on_circles(one) for one in angles]) > 1 / (2 * rate)


def test_an_unvisited_basin_agrees_with_few_visits_elsewhere():
    dry = CENTRES[np.random.default_rng(2).integers(0, 2, FRAMES)]
    report = compare(series([dry]), series([visited(seed=3), visited(seed=5)]), PEPTIDE, reference_name="dry")
    assert any(
        note.startswith("dry: fewer than ten visits to rare states (phi>0 0)") for note in report.notes
    )
    for row in report.rows:
        if row.quantity.group in ("Populations", "Autocorrelation"):
            error = np.hypot(row.reference.error, row.candidate.error)
            assert row.difference * error == pytest.approx(row.candidate.value - row.reference.value)
            assert row.verdict == ("undetermined" if "phi at" in row.quantity.name else "agrees"), (
                row.quantity.name
            )


@pytest.mark.parametrize("seed", [1, 8, 12, 14])
def test_the_floor_of_a_reference_without_stays_knows_those_of_the_candidate(seed):
    candidate = visited(seed, frames=8000)
    assert 1 <= len(sojourns([candidate])) <= 3
    dry = CENTRES[np.random.default_rng(seed).integers(0, 2, 8000)] + 0.05 * np.random.default_rng(2).normal(
        size=(8000, 2)
    )
    row = compare(series([dry]), series([candidate]), PEPTIDE).rows[0]
    assert row.quantity.group == "Distribution" and row.verdict == "agrees"


def test_the_floor_of_a_candidate_shorter_than_a_block_is_what_such_pieces_show():
    """A slow hop between beta and alpha_R, 400 frames each way; pieces of 200 frames of other runs of the
    same process.
    """

    def slow(seed, frames):
        generator = np.random.default_rng(seed)
        state = (generator.random() < 0.5) ^ (np.cumsum(generator.random(frames) < 1 / 400) % 2 == 1)
        return CENTRES[state.astype(int)] + 0.05 * generator.normal(size=(frames, 2))

    reference = [slow(seed, 20_000) for seed in range(4)]
    known = joined(reference)
    pieces = [joined([slow(100 + seed, 200)]) for seed in range(40)]
    labels = cells(known[0], 50)[:, None]
    pairs = [
        divergence(labels, cells(angles, 50)[:, None], known[1], blocks, 50**2) for angles, blocks in pieces
    ]
    shown, expected = (np.array([pair[k].value for pair in pairs]) for k in (0, 1))
    assert abs(shown.mean() - expected.mean()) < 3 * shown.std() / np.sqrt(40)


def test_sojourns_that_leave_less_than_half_of_every_block():
    """What is left joins the block with most left; sojourns that leave nothing are not taken out."""
    signal = np.zeros((12, 1))
    blocks = cut([signal], np.array([[0, 3], [5, 8], [9, 12]]), block_frames=4)
    assert blocks.num_ordinary == 1 and list(blocks.rare) == [False, True, True, True]
    assert list(blocks.sizes) == [3, 3, 3, 3]
    whole = cut([signal], np.array([[0, 6], [6, 12]]), block_frames=4)
    assert list(whole.sizes) == [4, 4, 4] and not whole.rare.any()
