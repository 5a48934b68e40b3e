"""The shipped denoiser: what it does to crystals, the symmetries of the answer, and what it refuses."""

import crystals
import numpy as np
import pytest
import torch

import openmm_scoredyn as sd
from openmm_scoredyn.crystals.model import load_denoiser
from openmm_scoredyn.errors import DenoisingError


@pytest.fixture(scope="module")
def model():
    return sd.CrystalDenoiser(sd.pretrained("metals"))


@pytest.fixture(scope="module")
def hot():
    """A copper crystal with correlated displacements: positions and cell, nm."""
    positions, cell = crystals.crystal()
    return positions + crystals.waves(positions, cell, crystals.COPPER_NM), cell


@pytest.mark.parametrize("structure", crystals.SHELLS)
def test_order_comes_back(model, structure):
    ideal, cell = crystals.crystal(structure)
    noisy = ideal + crystals.waves(ideal, cell, crystals.COPPER_NM)
    assert crystals.is_ordered(noisy, cell, structure).mean() < 0.9
    clean = model.denoise_frame(noisy, cell)
    assert clean.spacing_nm == pytest.approx(crystals.COPPER_NM, rel=0.03)
    assert crystals.is_ordered(clean.positions, cell, structure).all()


@pytest.mark.parametrize("structure", crystals.SHELLS)
def test_a_perfect_crystal_stays(model, structure):
    ideal, cell = crystals.crystal(structure)
    moved = model.denoise(ideal, cell, 3) - ideal
    assert np.abs(moved - moved.mean(axis=0)).max() < 0.01 * crystals.COPPER_NM


def test_iterations_end_when_atoms_settle(model, hot):
    """A hot crystal takes more than a cold one, and none takes those that would only smooth strains away."""
    positions, cell = hot
    ideal, _ = crystals.crystal()
    frame = model.denoise_frame(positions, cell)
    cold = model.denoise_frame(ideal + 0.1 * (positions - ideal), cell)
    assert cold.iterations < frame.iterations < model.card.iterations
    assert frame.last_move_nm < 0.01 * frame.spacing_nm
    asked = [
        model.denoise_frame(positions, cell, frame.iterations - less, spacing_nm=frame.spacing_nm)
        for less in (0, 1)
    ]
    assert np.array_equal(asked[0].positions, frame.positions)
    assert asked[1].last_move_nm > 0.01 * frame.spacing_nm
    assert model.denoise_frame(positions, cell, 12).iterations == 12


def test_a_turned_crystal_gives_the_turned_answer(model, hot):
    positions, cell = hot
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    straight = model.denoise(positions, cell, 3)
    turned = model.denoise(positions @ turn.T + 0.3, cell @ turn.T, 3)
    assert turned == pytest.approx(straight @ turn.T + 0.3, abs=2e-5)


def test_a_repeated_cell_gives_the_repeated_answer(model, hot):
    positions, cell = hot
    shifts = np.array(list(np.ndindex(2, 2, 2))) @ cell
    large = (positions[None] + shifts[:, None]).reshape(-1, 3)
    once = model.denoise(positions, cell, 3)
    assert model.denoise(large, 2 * cell, 3) == pytest.approx(
        (once[None] + shifts[:, None]).reshape(-1, 3), abs=2e-5
    )


def test_order_and_images_of_atoms_do_not_matter(model, hot):
    positions, cell = hot
    order = np.random.default_rng(2).permutation(len(positions))
    images = np.random.default_rng(3).integers(-1, 2, (len(positions), 3)) @ cell
    once = model.denoise(positions, cell, 3)
    again = model.denoise((positions + images)[order], cell, 3)
    assert again == pytest.approx((once + images)[order], abs=2e-5)


def test_scale_is_found_and_can_be_given(model, hot):
    positions, cell = hot
    once = model.denoise_frame(positions, cell)
    larger = model.denoise_frame(1.7 * positions, 1.7 * cell)
    assert larger.spacing_nm == pytest.approx(1.7 * once.spacing_nm, rel=1e-6)
    assert larger.positions == pytest.approx(1.7 * once.positions, abs=1e-4)
    given = model.denoise_frame(positions, cell, spacing_nm=0.26)
    assert given.spacing_nm == 0.26


def test_only_selected_atoms_move(model, hot):
    positions, cell = hot
    chosen = np.array([3, 17])
    clean = model.denoise(positions, cell, 3, selection=chosen)
    assert set(np.flatnonzero((clean != positions).any(axis=1))) == {3, 17}
    mask = np.isin(np.arange(len(positions)), chosen)
    assert np.array_equal(clean, model.denoise(positions, cell, 3, selection=mask))


def test_a_vacancy_stays(model):
    ideal, cell = crystals.crystal("fcc", 4)
    holed = np.delete(ideal, 40, axis=0)
    clean = model.denoise(holed + crystals.waves(holed, cell, crystals.COPPER_NM), cell)
    counts = crystals.neighbour_numbers(clean, cell, 1.2 * crystals.COPPER_NM)
    assert np.bincount(counts).tolist() == [0] * 11 + [12, len(holed) - 12]


def test_a_disordered_frame_gains_no_order(model):
    """Random close packing, made by pushing random points apart."""
    generator = np.random.default_rng(5)
    cell = np.eye(3) * 1.5
    positions = generator.random((150, 3)) @ cell
    for _ in range(60):
        separations = positions[:, None] - positions[None]
        separations -= 1.5 * np.round(separations / 1.5)
        lengths = np.linalg.norm(separations, axis=-1) + np.eye(150)
        push = np.clip(0.25 - lengths, 0, None)[..., None] * separations / lengths[..., None]
        positions += 0.3 * push.sum(axis=1)
    clean = model.denoise_frame(positions, cell)
    assert crystals.is_ordered(clean.positions, cell, "fcc", clean.spacing_nm).mean() < 0.05


def test_torch_tensors_and_several_frames(model, hot):
    positions, cell = hot
    frames = np.stack([positions, positions + 0.01]).astype(np.float32)
    clean = model.denoise(torch.from_numpy(frames), torch.from_numpy(cell), 3)
    assert isinstance(clean, torch.Tensor) and clean.dtype == torch.float32
    assert clean[0].numpy() == pytest.approx(model.denoise(frames[0], cell, 3), abs=1e-6)


def test_blocks_of_atoms_do_not_show(model, hot):
    """Large systems are worked on block by block; the seams must not be seen."""
    positions, cell = hot
    shifts = np.array(list(np.ndindex(2, 2, 2))) @ cell
    large = (positions[None] + shifts[:, None]).reshape(-1, 3)
    assert len(large) > 512
    step = model.predict(large, 2 * cell, (True,) * 3, crystals.COPPER_NM, np.zeros(len(large), dtype=int))
    small = model.predict(
        positions, cell, (True,) * 3, crystals.COPPER_NM, np.zeros(len(positions), dtype=int)
    )
    assert step == pytest.approx(np.tile(small, (8, 1)), abs=1e-6)


def bad_inputs():
    positions, cell = crystals.crystal()
    nan, same = positions.copy(), positions.copy()
    nan[5, 1] = np.nan
    same[7] = same[8] + 0.02
    flat = cell.copy()
    flat[2] = flat[0] + flat[1]
    thin, short = crystals.crystal("fcc", (4, 4, 1))
    return {
        "there is no cell": (positions, None, {}),
        "thinner than the model's cutoff": (thin, short, {}),
        "1 atoms are nowhere": (nan, cell, {}),
        "2 atoms overlap": (same, cell, {}),
        r"two atoms or more, found 0": (positions[:0], cell, {}),
        r"two atoms or more, found 1": (positions[:1], cell, {}),
        r"expected \(N, 3\)": (positions[:, :2], cell, {}),
        "lie in one plane": (positions, flat, {}),
        "number of iterations": (positions, cell, {"iterations": 0}),
        "distance is not valid": (positions, cell, {"spacing_nm": -1.0}),
        "selection does not fit": (positions, cell, {"selection": [108]}),
        "the selection is empty": (positions, cell, {"selection": np.zeros(len(positions), dtype=bool)}),
    }


@pytest.mark.parametrize("sentence", bad_inputs())
def test_bad_input_is_refused_in_one_sentence(model, sentence):
    positions, cell, options = bad_inputs()[sentence]
    with pytest.raises(DenoisingError, match=sentence) as caught:
        model.denoise(positions, cell, **options)
    assert "expected" in str(caught.value)


def test_surfaces_and_clusters_need_no_cell(model):
    positions, cell = crystals.crystal("fcc", 4)
    middle = positions[np.linalg.norm(positions - positions.mean(axis=0), axis=1) < 0.6]
    assert model.denoise(middle, periodic=False).shape == middle.shape
    slab = cell.copy()
    slab[2] = 0
    kept = model.denoise(positions, slab, periodic=(True, True, False)) - positions
    inside = np.abs(positions[:, 2] - positions[:, 2].mean()) < 0.3
    assert np.linalg.norm(kept[inside] - kept[inside].mean(axis=0), axis=1).max() < 0.03


def test_a_folder_does_not_hide_the_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metals").mkdir()
    assert load_denoiser("metals").card.name == "metals"


def test_what_is_no_denoiser_is_refused(model):
    assert load_denoiser(model) is model
    with pytest.raises(DenoisingError, match="ndarray is no crystal denoiser"):
        load_denoiser(np.zeros(3))
    with pytest.raises(sd.errors.CardError, match="no crystal denoiser"):
        load_denoiser(str(sd.pretrained("alanine-dipeptide-obc2")))
