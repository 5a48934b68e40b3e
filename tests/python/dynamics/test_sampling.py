"""What `ScoreModel.sample` draws."""

import numpy as np
import pytest
import torch
from tiny_models import DriftingNetwork, Newest, OneStepNetwork, StandardNormal, start, tiny_card
from torch import Tensor

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.native import scoredyn


@pytest.fixture(scope="module")
def normal_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("normal") / "edm.pt"
    export_program(StandardNormal("edm", "edm"), path, tiny_card(denoising_steps=20), symmetric=True)
    return ScoreModel(path)


@pytest.mark.parametrize(
    ("prediction", "schedule"), [("noise", "vp_linear"), ("noise", "vp_cosine"), ("clean", "ve")]
)
def test_every_parametrisation_of_one_model_draws_the_same_trajectory(
    normal_model, tmp_path, prediction, schedule
):
    export_program(
        StandardNormal(prediction, schedule),
        tmp_path / "other.pt",
        normal_model.card,
        Parametrization(prediction, schedule),
    )
    frames = ScoreModel(tmp_path / "other.pt").sample(start(), 3, seed=8)
    np.testing.assert_allclose(frames, normal_model.sample(start(), 3, seed=8), rtol=0, atol=2e-6)


def test_latents_drawn_have_the_distribution_of_the_model(normal_model):
    frames = normal_model.sample(start(2000), 1, seed=3, denoising_steps=40)
    latents = (frames[0] - start(2000)) / 0.001
    count = latents.size
    assert abs(latents.mean()) < 4 / count**0.5
    # the solver's own error at 40 steps adds at most half a per cent
    assert abs(latents.var() - 1) < 4 * (2 / count) ** 0.5 + 0.005


def test_one_step_model_moves_by_its_own_rule(tmp_path):
    export_program(OneStepNetwork(), tmp_path / "t.pt", tiny_card(denoising_steps=0, has_start=True))
    frames = ScoreModel(tmp_path / "t.pt").sample(start(500), 4, seed=3)
    moved = (frames[-1] - start(500)) / 0.001
    assert moved.var() == pytest.approx(4 * 2**2, rel=4 * (2 / moved.size) ** 0.5)


def test_frames_are_the_last_of_every_interval(tiny_model):
    every = tiny_model.sample(start(), 6, seed=2)
    assert every.shape == (6, 3, 5, 3)
    assert every.dtype == np.float32
    np.testing.assert_array_equal(tiny_model.sample(start(), 6, seed=2, save_every=3), every[[2, 5]])


def test_tensors_come_back_as_tensors(tiny_model):
    for positions in (torch.tensor(start()), torch.tensor(start(), dtype=torch.float64, requires_grad=True)):
        frames = tiny_model.sample(positions, 2, seed=5)
        assert isinstance(frames, Tensor)
        assert frames.dtype == torch.float32
        np.testing.assert_array_equal(frames.numpy(), tiny_model.sample(start(), 2, seed=5))


def test_input_is_not_changed(tiny_model):
    positions = start()
    tiny_model.sample(positions, 3, seed=1)
    np.testing.assert_array_equal(positions, start())


def test_seed_decides(tiny_model):
    first = tiny_model.sample(start(), 2, seed=11)
    np.testing.assert_array_equal(tiny_model.sample(start(), 2, seed=11), first)
    assert np.abs(tiny_model.sample(start(), 2, seed=12) - first).max() > 1e-4
    assert np.abs(tiny_model.sample(start(), 2, seed=0) - tiny_model.sample(start(), 2, seed=0)).max() > 1e-4
    assert np.abs(first[:, 0] - first[:, 1]).max() > 1e-4, "replicas must differ"


def test_run_in_parts_equals_the_unbroken_run(tiny_model):
    whole = tiny_model.sample(start(), 5, seed=6)
    first = tiny_model.sample(start(), 2, seed=6)
    second = tiny_model.sample(first[-1], 3, seed=6, first_step=2)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


def test_batch_in_parts_equals_the_whole_batch(tiny_model):
    whole = tiny_model.sample(start(4), 3, seed=6)
    part = tiny_model.sample(start(1), 3, seed=6, first_replica=2)
    np.testing.assert_allclose(part[:, 0], whole[:, 2], rtol=0, atol=1e-6)


def test_history_of_several_frames(tmp_path):
    class Momentum(Newest):
        """Goes on by half the last displacement, without noise."""

        def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
            return torch.zeros_like(latent)

        def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
            return history[:, 1] + 0.5 * (history[:, 1] - history[:, 0])

    export_program(Momentum(), tmp_path / "m.pt", tiny_card(history_length=2), Parametrization("clean"))
    history = np.stack([start(), start() + np.float32(0.008)], axis=1)
    frames = ScoreModel(tmp_path / "m.pt").sample(history, 3, seed=1)
    shift = (frames - start())[..., 0, 0]
    np.testing.assert_allclose(shift, np.array([0.012, 0.014, 0.015])[:, None] * np.ones(3), atol=1e-6)


def test_options_reach_the_core(tiny_model):
    default = tiny_model.sample(start(), 1, seed=9)
    assert tiny_model.card.capabilities.solver == "dpmpp_2m"
    np.testing.assert_array_equal(
        tiny_model.sample(start(), 1, seed=9, solver="dpmpp_2m", denoising_steps=10), default
    )
    for options in ({"solver": "heun"}, {"solver": "euler_ancestral"}, {"denoising_steps": 5}):
        assert np.abs(tiny_model.sample(start(), 1, seed=9, **options) - default).max() > 1e-6


def test_rejected_draws_are_counted_by_cause(tmp_path):
    # half of the steps move some atom by more than the bound
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=0.0033))
    model = ScoreModel(tmp_path / "m.pt")
    assert (model.num_rejected_draws, model.num_rejected_steps) == (0, 0)
    model.sample(start(50), 2, seed=1, max_resamples=50)
    first = model.num_rejected_draws
    assert first > 0
    assert model.rejected_draws_by_cause == dict.fromkeys(scoredyn.CAUSES, 0) | {"displacement": first}
    assert 0 < model.num_rejected_steps <= first
    model.sample(start(50), 2, seed=2, max_resamples=50)
    assert model.num_rejected_draws > first, "counts go on from call to call"


def test_step_that_never_passes_the_guard_raises(tmp_path):
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=1e-6))
    with pytest.raises(SamplingError, match="atom 0 moved by .* more than the limit"):
        ScoreModel(tmp_path / "m.pt").sample(start(), 1, seed=1, max_resamples=2)


def test_denoising_begins_where_start_says(tmp_path):
    """The flow of unit normals shrinks every latent by sqrt(1 + sigma_max^2), which closes the form."""

    class Started(StandardNormal):
        def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
            return (2 * noise + 0.5) * (1 + 20.0**2) ** 0.5

    card = tiny_card(solver="trig_2m", stereocentres=(), has_start=True)
    export_program(Started("edm", "edm"), tmp_path / "m.pt", card)
    moved = (ScoreModel(tmp_path / "m.pt").sample(start(500), 1, seed=3)[0] - start(500)) / 0.001
    assert moved.mean() == pytest.approx(0.5, abs=4 * 2 / moved.size**0.5)
    assert moved.var() == pytest.approx(2**2, rel=4 * (2 / moved.size) ** 0.5)


@pytest.fixture(scope="module")
def knowing_model(tmp_path_factory):
    """Moves by 0.001 nm a ps along x and by 0.0001 nm a K along y, in steps of 1, 2 or 5 ps."""

    class Knowing(Newest):
        def condition(
            self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
        ) -> list[Tensor]:
            along = [0.001 * lag_time_ps, 0.0001 * temperature_K, torch.zeros_like(lag_time_ps)]
            return [torch.stack(along, dim=1)]

        def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
            return torch.zeros_like(latent)

        def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
            return history[:, -1] + condition[0][:, None]

    path = tmp_path_factory.mktemp("knowing") / "m.pt"
    card = tiny_card(lag_times_ps=(1.0, 2.0, 5.0), temperatures_K=(280.0, 320.0), temperature_range=True)
    export_program(Knowing(), path, card)
    return ScoreModel(path)


@pytest.mark.parametrize(
    ("chosen", "moved"),
    [
        ({}, [0.001, 0.028, 0]),
        ({"lag_time_ps": 5}, [0.005, 0.028, 0]),
        ({"lag_time_ps": 2.0, "temperature_K": 300.0}, [0.002, 0.03, 0]),
    ],
)
def test_lag_time_and_temperature_are_chosen(knowing_model, chosen, moved):
    frames = knowing_model.sample(start(), 2, seed=1, **chosen)
    np.testing.assert_allclose(frames[1] - start(), np.tile(moved, (3, 5, 1)) * 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"lag_time_ps": 3.0}, "does not know the lag time; expected 1, 2 or 5 ps, found 3 ps"),
        ({"lag_time_ps": 0}, "lag_time_ps is not valid; expected a positive number, found 0"),
        ({"lag_time_ps": float("nan")}, "lag_time_ps is not valid"),
        ({"temperature_K": 330.0}, "does not know the temperature; expected 280 to 320 K, found 330 K"),
        ({"temperature_K": "300"}, "temperature_K is not valid; expected a positive number, found '300'"),
    ],
)
def test_others_are_refused(knowing_model, chosen, sentence):
    with pytest.raises(SamplingError, match=sentence):
        knowing_model.sample(start(), 1, **chosen)


def test_every_replica_has_its_own_box(tmp_path):
    class Boxed(DriftingNetwork):
        def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
            return history[:, -1] + 0.01 * box[:, :1]

    export_program(Boxed(), tmp_path / "m.pt", tiny_card(periodic=True), box=3 * torch.eye(3))
    model = ScoreModel(tmp_path / "m.pt")
    boxes = np.array([2.0, 3.0, 4.0])[:, None, None] * np.eye(3)
    frames = model.sample(start(), 1, seed=1, box=boxes)
    np.testing.assert_allclose(frames[0] - start(), np.tile(0.01 * boxes[:, :1], (1, 5, 1)), atol=1e-6)
    for replica in range(3):
        alone = model.sample(start(1), 1, seed=1, box=boxes[replica], first_replica=replica)
        np.testing.assert_array_equal(alone[:, 0], frames[:, replica])
    with pytest.raises(SamplingError, match="the box is not valid"):
        model.sample(start(2), 1, box=boxes)
