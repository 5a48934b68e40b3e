"""ScoreModel: what is loaded, what is refused and why, and what `sample` draws."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import POSITIONS, DriftingNetwork, OneShotNetwork, tiny_card
from torch import Tensor, nn

from openmm_scoredyn import model as model_module
from openmm_scoredyn.card import Card
from openmm_scoredyn.denoising.card import DenoiserCard
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import CardError, ProgramError, SamplingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.export.scripting import from_bytes, script, to_bytes
from openmm_scoredyn.model import ScoreModel, pretrained


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Path of an exported DriftingNetwork."""
    path = tmp_path_factory.mktemp("program") / "tiny.pt"
    export_program(DriftingNetwork(), path, tiny_card(), symmetric=True)
    return path


@pytest.fixture(scope="module", params=["torchscript", "aoti"])
def model(request, program):
    """The same model in each format."""
    if request.param == "torchscript":
        return ScoreModel(program)
    return ScoreModel(request.getfixturevalue("tiny_package")[0], allow_native_code=True)


def start(replicas: int = 3) -> np.ndarray:
    return np.tile(np.array(POSITIONS, np.float32), (replicas, 1, 1))


def with_card(path, **changes) -> bytes:
    """The same program under a card with other fields."""
    return with_text(path, replace(ScoreModel(path).card, **changes).to_json())


def with_text(path, text: str) -> bytes:
    return to_bytes(from_bytes(path.read_bytes()), {"scoredyn.json": text})


# loading


def test_path_and_bytes_give_the_same_model(program):
    by_path, by_text, by_bytes = (
        ScoreModel(program),
        ScoreModel(str(program)),
        ScoreModel(program.read_bytes()),
    )
    assert by_path.card == by_text.card == by_bytes.card
    assert by_path.card.name == "tiny"
    assert by_path.sha256 == by_bytes.sha256
    assert len(by_path.sha256) == 64
    assert by_path.source == program.read_bytes()


def test_pickle_gives_a_model_that_draws_the_same(model):
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.sample(start(), 2, seed=4), model.sample(start(), 2, seed=4))


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(ProgramError, match="there is no file at"):
            ScoreModel(path)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_file_is_refused(program, kept):
    data = program.read_bytes()
    with pytest.raises(ProgramError, match="not a TorchScript archive or AOTInductor package, or it is truncated"):
        ScoreModel(data[: int(kept * len(data)) if kept < 1 else kept])


def test_other_files_are_refused(tmp_path):
    text, weights = tmp_path / "text.pt", tmp_path / "weights.pt"
    text.write_text("REMARK not a model\n" * 100)
    torch.save({"weight": torch.zeros(3)}, weights)
    with pytest.raises(ProgramError, match="not a TorchScript archive"):
        ScoreModel(text)
    with pytest.raises(ProgramError, match="has no card"):
        ScoreModel(weights)


def test_archive_without_a_card_is_refused(program):
    with pytest.raises(ProgramError, match="scoredyn.json"):
        ScoreModel(to_bytes(from_bytes(program.read_bytes()), {}))


def test_program_of_a_later_format_is_refused(program):
    text = ScoreModel(program).card.to_json().replace('"format_version": "1.1"', '"format_version": "2.0"')
    with pytest.raises(CardError, match="format version 2.0"):
        ScoreModel(with_text(program, text))


def test_program_without_its_method_is_refused(program):
    class NoAdvance(nn.Module):
        @torch.jit.export
        def denoise(self, latent: Tensor, sigma: Tensor, history: Tensor, box: Tensor) -> Tensor:
            return latent

    data = to_bytes(script(NoAdvance()), {"scoredyn.json": ScoreModel(program).card.to_json()})
    with pytest.raises(ProgramError, match="has no method `advance`, which its card promises"):
        ScoreModel(data)


def test_card_that_disagrees_with_the_program_is_refused(program):
    golden = ScoreModel(program).card.golden
    smaller = golden | {"latent": golden["latent"][:12], "denoised": golden["denoised"][:12]}
    with pytest.raises(ProgramError, match="`denoise`|`advance`"):
        ScoreModel(with_card(program, latent_size=4, golden=smaller))


def test_golden_triple_that_is_not_reproduced_is_refused(program):
    golden = ScoreModel(program).card.golden
    for part, change in (("denoised", 0.1), ("positions", 0.001)):
        wrong = golden | {part: [golden[part][0] + change, *golden[part][1:]]}
        with pytest.raises(ProgramError, match="does not reproduce the golden"):
            ScoreModel(with_card(program, golden=wrong))


def test_incomplete_golden_triple_is_refused(program):
    golden = {key: value for key, value in ScoreModel(program).card.golden.items() if key != "denoised"}
    with pytest.raises(CardError, match="denoised"):
        ScoreModel(with_card(program, golden=golden))


# sampling


class StandardNormal(nn.Module):
    """Optimal network for latents that are independent standard normals, in any parametrisation."""

    latent_type = "vector"

    def __init__(self, prediction: str, schedule: str):
        super().__init__()
        self.prediction = prediction
        self.parametrization = Parametrization(prediction, schedule)

    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        sigma = self.parametrization.sigma_at(level)[:, None, None]
        if self.prediction == "noise":  # of the variance-preserving variable
            return latent * sigma / torch.sqrt(1 + sigma**2)
        if self.prediction == "clean":  # of the variance-exploding variable
            return latent / (1 + sigma**2)
        return torch.zeros_like(latent)

    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.001 * latent


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


def test_transition_moves_by_its_own_rule(tmp_path):
    export_program(OneShotNetwork(), tmp_path / "t.pt", tiny_card(kind="transition", noise_count=3))
    frames = ScoreModel(tmp_path / "t.pt").sample(start(500), 4, seed=3)
    moved = (frames[-1] - start(500)) / 0.001
    assert moved.var() == pytest.approx(4 * 3, rel=4 * (2 / moved.size) ** 0.5)


def test_frames_are_the_last_of_every_interval(model):
    every = model.sample(start(), 6, seed=2)
    assert every.shape == (6, 3, 5, 3)
    assert every.dtype == np.float32
    np.testing.assert_array_equal(model.sample(start(), 6, seed=2, save_every=3), every[[2, 5]])


def test_tensors_come_back_as_tensors(model):
    for positions in (torch.tensor(start()), torch.tensor(start(), dtype=torch.float64, requires_grad=True)):
        frames = model.sample(positions, 2, seed=5)
        assert isinstance(frames, Tensor)
        assert frames.dtype == torch.float32
        np.testing.assert_array_equal(frames.numpy(), model.sample(start(), 2, seed=5))


def test_input_is_not_changed(model):
    positions = start()
    model.sample(positions, 3, seed=1)
    np.testing.assert_array_equal(positions, start())


def test_seed_decides(model):
    first = model.sample(start(), 2, seed=11)
    np.testing.assert_array_equal(model.sample(start(), 2, seed=11), first)
    assert np.abs(model.sample(start(), 2, seed=12) - first).max() > 1e-4
    assert np.abs(model.sample(start(), 2, seed=0) - model.sample(start(), 2, seed=0)).max() > 1e-4
    assert np.abs(first[:, 0] - first[:, 1]).max() > 1e-4, "replicas must differ"


def test_run_in_parts_equals_the_unbroken_run(model):
    whole = model.sample(start(), 5, seed=6)
    first = model.sample(start(), 2, seed=6)
    second = model.sample(first[-1], 3, seed=6, first_step=2)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


def test_batch_in_parts_equals_the_whole_batch(model):
    whole = model.sample(start(4), 3, seed=6)
    part = model.sample(start(1), 3, seed=6, first_replica=2)
    np.testing.assert_allclose(part[:, 0], whole[:, 2], rtol=0, atol=1e-6)


def test_history_of_several_frames(tmp_path):
    class Momentum(nn.Module):
        """Goes on by half the last displacement, without noise."""

        latent_type = "vector"

        def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
            return torch.zeros_like(latent)

        def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
            return history[:, 1] + 0.5 * (history[:, 1] - history[:, 0]) + 0.0 * latent

    export_program(Momentum(), tmp_path / "m.pt", tiny_card(history_length=2), Parametrization("clean"))
    history = np.stack([start(), start() + np.float32(0.008)], axis=1)
    frames = ScoreModel(tmp_path / "m.pt").sample(history, 3, seed=1)
    shift = (frames - start())[..., 0, 0]
    np.testing.assert_allclose(shift, np.array([0.012, 0.014, 0.015])[:, None] * np.ones(3), atol=1e-6)


def test_options_reach_the_core(model):
    default = model.sample(start(), 1, seed=9)
    assert model.card.solver == "dpmpp_2m"
    np.testing.assert_array_equal(
        model.sample(start(), 1, seed=9, solver="dpmpp_2m", denoising_steps=10), default
    )
    for options in ({"solver": "heun"}, {"solver": "euler_ancestral"}, {"denoising_steps": 5}):
        assert np.abs(model.sample(start(), 1, seed=9, **options) - default).max() > 1e-6


def test_redraws_are_counted_by_cause(tmp_path):
    # half of the steps move some atom by more than the bound
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=0.0033))
    model = ScoreModel(tmp_path / "m.pt")
    assert (model.num_redraws, model.num_rejected_steps) == (0, 0)
    model.sample(start(50), 2, seed=1, max_redraws=50)
    first = model.num_redraws
    assert first > 0
    assert model.redraws_by_cause == {"not_finite": 0, "bond": 0, "chirality": 0, "displacement": first}
    assert 0 < model.num_rejected_steps <= first
    model.sample(start(50), 2, seed=2, max_redraws=50)
    assert model.num_redraws > first, "counts go on from call to call"


def test_step_that_never_passes_the_guard_raises(tmp_path):
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=1e-6))
    with pytest.raises(SamplingError, match="atom 0 moved by .* more than the limit"):
        ScoreModel(tmp_path / "m.pt").sample(start(), 1, seed=1, max_redraws=2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_steps": 0}, "n_steps is not valid; expected an integer from 1"),
        ({"n_steps": 2.0}, "n_steps is not valid"),
        (
            {"n_steps": 5, "save_every": 2},
            "n_steps is not a multiple of save_every; expected a multiple of 2, found 5",
        ),
        ({"save_every": 0}, "save_every is not valid"),
        ({"seed": -1}, "seed is not valid; expected an integer from 0 to 2147483647, found -1"),
        ({"seed": 2**31}, "seed is not valid"),
        ({"seed": True}, "seed is not valid"),
        ({"denoising_steps": 0}, "denoising_steps is not valid"),
        (
            {"solver": "rk4"},
            "unknown solver; expected one of trig_2m, dpmpp_2m, heun, euler_ancestral, dpmpp_sde, found 'rk4'",
        ),
        ({"first_step": -1}, "first_step is not valid"),
        ({"max_redraws": -1}, "max_redraws is not valid"),
        ({"num_threads": 0}, "num_threads is not valid"),
        ({"box": np.eye(3)}, "the model is not periodic; expected no box"),
        (
            {"positions": start()[:, :4]},
            r"wrong shape; expected \(B, 1, 5, 3\) nm or \(B, N, 3\), found \(3, 4, 3\)",
        ),
        ({"positions": start()[0]}, "wrong shape"),
        ({"positions": start()[:0]}, "wrong shape"),
        ({"positions": np.zeros((3, 2, 5, 3), np.float32)}, "wrong shape"),
        ({"positions": start().astype(int)}, "wrong type; .* float32 or float64, nm, found int64"),
        ({"positions": torch.zeros(3, 5, 3, dtype=torch.bfloat16)}, "wrong type; .* found bfloat16"),
        ({"positions": start().tolist()}, "wrong type; .* found list"),
        ({"positions": np.full((2, 5, 3), np.nan)}, "not finite; .* at replica 0, atom 0"),
    ],
)
def test_bad_arguments_are_refused(model, arguments, sentence):
    call = {"positions": start(), "n_steps": 2} | arguments
    with pytest.raises(SamplingError, match=sentence):
        model.sample(call.pop("positions"), call.pop("n_steps"), **call)


def test_periodic_model_needs_its_box(tmp_path):
    export_program(DriftingNetwork(), tmp_path / "p.pt", tiny_card(periodic=True), box=torch.eye(3) * 3)
    model = ScoreModel(tmp_path / "p.pt")
    with pytest.raises(SamplingError, match="the model is periodic; expected box"):
        model.sample(start(), 1)
    for box in (np.eye(2), np.full((3, 3), np.inf)):
        with pytest.raises(SamplingError, match="the box is not valid"):
            model.sample(start(), 1, box=box)
    assert model.sample(start(), 1, box=np.eye(3) * 3, seed=1).shape == (1, 3, 5, 3)


# shipped models


def test_pretrained_lists_and_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(model_module, "_PRETRAINED", tmp_path)
    for name in ("b.pt", "a.pt", "notes.json"):
        (tmp_path / name).touch()
    assert pretrained() == ("a", "b")
    assert pretrained("b") == tmp_path / "b.pt"
    with pytest.raises(ProgramError, match="no shipped model has that name; expected one of a, b, found 'c'"):
        pretrained("c")


def test_every_shipped_model_loads():
    for name in pretrained():
        card = ScoreModel(pretrained(name)).card
        assert card.name == name
        assert isinstance(card, DenoiserCard if name == "metals" else Card)
