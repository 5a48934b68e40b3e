"""Export: what comes out is what went in."""

import io
import json
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from tiny_models import DriftingNetwork, OneStepNetwork, tiny_card
from torch import Tensor, nn
from torch._inductor.runtime.cache_dir_utils import cache_dir

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.export.embedding import embed
from openmm_scoredyn.export.inductor import LoadedPackage
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel


def load(path, extra=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path, _extra_files=extra)


def read_card(path) -> Card:
    extra = {"scoredyn.json": ""}
    load(path, extra)
    return Card.from_json(extra["scoredyn.json"])


def test_exported_program_is_the_canonical_denoiser_of_the_module(tmp_path):
    network, parametrization = DriftingNetwork(), Parametrization("v", "vp_cosine")
    report = export_program(network, tmp_path / "tiny.pt", tiny_card(), parametrization, symmetric=True)
    assert report.passed
    assert [check.name for check in report.checks] == [
        "repeated = first",
        "single = batched",
        "scripted = eager",
        "reloaded = scripted",
        "float32 = float64",
        "SE(3) symmetry",
    ]  # fmt: skip
    assert all(check.name in str(report) for check in report.checks)
    assert 0 < report.checks[4].latents < report.checks[4].tolerance[0]
    program = load(tmp_path / "tiny.pt")
    generator = torch.Generator().manual_seed(5)
    latent, history = torch.randn(3, 15, generator=generator), torch.randn(3, 1, 5, 3, generator=generator)
    sigma, box = torch.tensor([0.1, 1.0, 10.0]), torch.zeros(3, 3, 3)
    known = torch.ones(3), torch.full([3], 300.0)
    condition = program.condition(history, box, *known)
    torch.testing.assert_close(condition, network.condition(history, box, *known))
    with torch.no_grad():
        raw = network.predict(
            latent / torch.sqrt(1 + sigma**2)[:, None], parametrization.network_level(sigma), condition
        )
        clean = (latent - sigma[:, None] * torch.sqrt(1 + sigma**2)[:, None] * raw) / (
            1 + sigma[:, None] ** 2
        )
        # alpha x_t - sigma_t v, with x_t = alpha latent, alpha^2 = 1 / (1 + sigma^2)
        expected = latent / (1 + sigma[:, None] ** 2) - (sigma / torch.sqrt(1 + sigma**2))[:, None] * raw
    torch.testing.assert_close(clean, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(program.denoise(latent, sigma, condition), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        program.advance(latent, condition, history, box), history[:, 0] + 0.001 * latent.view(3, 5, 3)
    )


def test_package_is_the_same_program_for_any_batch(tmp_path):
    """Both formats draw the same trajectories, and the report compares them."""
    arguments = (tiny_card(), Parametrization("v", "vp_cosine"))
    export_program(DriftingNetwork(), tmp_path / "tiny.pt", *arguments, symmetric=True)
    report = export_program(
        DriftingNetwork(), tmp_path / "tiny.pt2", *arguments, format="aoti", symmetric=True
    )
    assert [check.name for check in report.checks] == [
        "repeated = first",
        "single = batched",
        "scripted = eager",
        "reloaded = scripted",
        "AOTInductor = reloaded",
        "float32 = float64", "SE(3) symmetry",
    ]  # fmt: skip
    scripted, compiled = (
        ScoreModel(tmp_path / "tiny.pt"),
        ScoreModel(tmp_path / "tiny.pt2", allow_native_code=True),
    )
    assert replace(compiled.card, golden=()) == replace(scripted.card, golden=())
    start = torch.tensor(scripted.card.golden[0]["history"]).reshape(1, 5, 3)
    for batch in (1, 2, 33):
        frames = [model.sample(start.expand(batch, 5, 3), 5, seed=3) for model in (scripted, compiled)]
        assert (frames[0] - start).abs().max() > 1e-3
        torch.testing.assert_close(frames[1], frames[0], rtol=0, atol=1e-6)


def test_card_in_the_file_has_golden_examples_versions_and_claims(tmp_path):
    export_program(
        DriftingNetwork(), tmp_path / "tiny.pt", tiny_card(latent_type="invariant"), symmetric=True
    )
    card = read_card(tmp_path / "tiny.pt")
    assert card.capabilities.symmetric
    assert card.capabilities.latent_type == "vector", "what the module says outranks the card"
    assert card.provenance.torch_version == torch.__version__
    assert card.name == "tiny"
    assert len(card.golden) > 2
    assert len({(example["sigma"], *example["history"]) for example in card.golden}) == len(card.golden)
    program = load(tmp_path / "tiny.pt")
    for example in card.golden:
        golden = {name: torch.tensor(value) for name, value in example.items()}
        history, box = golden["history"].reshape(1, 1, 5, 3), golden["box"].reshape(1, 3, 3)
        known = golden["lag_time_ps"].reshape(1), golden["temperature_K"].reshape(1)
        condition = program.condition(history, box, *known)
        denoised = program.denoise(golden["latent"][None], golden["sigma"].reshape(1), condition)
        torch.testing.assert_close(denoised[0], golden["denoised"])
        assert denoised.abs().max() > 0.1
        positions = program.advance(denoised, condition, history, box)
        torch.testing.assert_close(positions.flatten(), golden["positions"], rtol=1e-6, atol=1e-6)


def test_golden_examples_try_every_lag_time_and_temperature(tmp_path):
    """Of a range both ends and their geometric mean."""

    class Knowing(DriftingNetwork):
        def condition(
            self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
        ) -> list[Tensor]:
            return [history[:, -1] * (1 + lag_time_ps / temperature_K)[:, None, None]]

    card = tiny_card(lag_times_ps=(1.0, 5.0), temperatures_K=(280.0, 320.0), temperature_range=True)
    export_program(Knowing(), tmp_path / "tiny.pt", card)
    golden = read_card(tmp_path / "tiny.pt").golden
    assert {example["lag_time_ps"] for example in golden} == {1.0, 5.0}
    temperatures = {round(example["temperature_K"], 2) for example in golden}
    assert temperatures == {280.0, 320.0, round((280 * 320) ** 0.5, 2)}


def test_one_step_model_is_exported_without_denoise(tmp_path):
    card = tiny_card(denoising_steps=0, has_start=True)
    report = export_program(OneStepNetwork(), tmp_path / "t.pt", card, symmetric=True)
    program, golden = load(tmp_path / "t.pt"), read_card(tmp_path / "t.pt").golden[0]
    assert report.passed
    assert not hasattr(program, "denoise")
    assert not {"latent", "sigma", "denoised"} & set(golden)
    noise, history = torch.tensor(golden["noise"]), torch.tensor(golden["history"]).reshape(5, 3)
    torch.testing.assert_close(2 * noise, torch.tensor(golden["started"]))
    expected = history + 0.001 * 2 * noise.reshape(5, 3)
    torch.testing.assert_close(expected.flatten(), torch.tensor(golden["positions"]))


class StartingNetwork(DriftingNetwork):
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        shifts = noise.unflatten(1, [-1, 3])
        return (shifts + condition[0] - condition[0].mean(1, keepdim=True)).flatten(1)


def test_a_package_holds_the_methods_of_its_program(tmp_path):
    """Those that the TorchScript program has, with what they return."""
    generator = torch.Generator().manual_seed(5)
    noise, history = torch.randn(3, 15, generator=generator), torch.randn(3, 1, 5, 3, generator=generator)
    for network, values, methods in (
        (StartingNetwork(), {}, {"condition", "start", "denoise", "advance"}),
        (OneStepNetwork(), {"denoising_steps": 0, "has_start": True}, {"condition", "start", "advance"}),
    ):
        card = tiny_card(**values)
        export_program(network, tmp_path / "m.pt", card)
        export_program(network, tmp_path / "m.pt2", card, format="aoti")
        scripted = load(tmp_path / "m.pt")
        package = LoadedPackage((tmp_path / "m.pt2").read_bytes())
        assert {name for name in vars(package)} == methods
        given = (history, torch.zeros(3, 3, 3), torch.ones(3), torch.full([3], 300.0))
        condition = scripted.condition(*given)
        torch.testing.assert_close(package.condition(*given), condition)
        torch.testing.assert_close(package.start(noise, condition), scripted.start(noise, condition))
        frames = [
            ScoreModel(tmp_path / name, allow_native_code=True).sample(
                history.numpy(), 3, seed=3, guard=False
            )
            for name in ("m.pt", "m.pt2")
        ]
        np.testing.assert_allclose(frames[1], frames[0], rtol=0, atol=1e-6)


def test_the_module_given_is_left_as_it_was(tmp_path):
    network = DriftingNetwork().double().train()
    export_program(network, tmp_path / "tiny.pt", tiny_card())
    assert network.training
    assert network.gain.requires_grad
    assert network.gain.dtype == torch.float64


class DroppingNetwork(DriftingNetwork):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return self.dropout(latent)


def test_dropout_is_off_in_the_program(tmp_path):
    assert export_program(DroppingNetwork().train(), tmp_path / "out.pt", tiny_card(), symmetric=True).passed


@pytest.mark.parametrize("format", ["torchscript", "aoti"])
def test_an_export_names_no_folder_of_the_machine(format, tiny_program, request):
    """Neither the source, nor the home, nor what compiled it: no record that loading does not need, and no
    message of a library.
    """
    path = tiny_program if format == "torchscript" else request.getfixturevalue("tiny_package")[0]
    folders = {str(Path.home()), str(Path(tiny_models.__file__).parent), str(Path(torch.__file__).parents[1])}
    folders |= {cache_dir(), str(Path.cwd())}
    assert all(len(folder) > 1 for folder in folders)
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".debug_pkl", ".cpp"))]
        for name in archive.namelist():
            content = archive.read(name)
            named = [folder for folder in folders if folder.encode() in content]
            assert not named, f"{name} names {named}"


def test_example_history_becomes_a_golden_one(tmp_path):
    history = embed(tiny_card()) * 1.01
    export_program(DriftingNetwork(), tmp_path / "tiny.pt", tiny_card(), history=history[None])
    for example in read_card(tmp_path / "tiny.pt").golden:
        found = torch.pdist(torch.tensor(example["history"]).reshape(5, 3))
        torch.testing.assert_close(found, torch.pdist(history), rtol=0, atol=0.005)


def test_several_example_histories_become_golden_ones(tmp_path):
    histories = embed(tiny_card()) * torch.tensor([0.9, 1.0, 1.1])[:, None, None, None]
    export_program(DriftingNetwork(), tmp_path / "tiny.pt", tiny_card(), history=histories)
    bonds = [
        torch.tensor(example["history"]).reshape(5, 3)[:2].diff(dim=0).norm()
        for example in read_card(tmp_path / "tiny.pt").golden
    ]
    wanted = [float(frame[0, :2].diff(dim=0).norm()) for frame in histories]
    assert {min(range(3), key=lambda k: abs(wanted[k] - float(bond))) for bond in bonds} == {0, 1, 2}


def test_embedding_has_the_bonds_and_the_chirality_of_the_card():
    card = tiny_card()
    for centres in (((0, 1, 2, 3),), ((0, 2, 1, 3),)):
        positions = embed(tiny_card(stereocentres=centres, golden=())).double()
        found = [
            float(torch.linalg.vector_norm(positions[i] - positions[j])) for i, j in card.particles.bonds
        ]
        assert found == pytest.approx(card.guard.bond_lengths_nm, rel=0.03)
        c, a, b, d = centres[0]
        triple = (positions[a] - positions[c]) @ torch.linalg.cross(
            positions[b] - positions[c], positions[d] - positions[c]
        )
        assert triple > 5e-4
        assert torch.pdist(positions).min() > 0.1


def test_latents_that_do_not_turn_are_checked_as_such(tmp_path):
    class InvariantNetwork(DriftingNetwork):
        """The first latent stretches the first bond: latents do not turn with the molecule."""

        latent_type = "invariant"

        def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
            return torch.tanh(latent)

        def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
            newest = history[:, -1]
            return newest + 0.01 * latent[:, :1, None] * (newest - newest[:, :1])

    assert export_program(InvariantNetwork(), tmp_path / "out.pt", tiny_card(), symmetric=True).passed
    wrong = InvariantNetwork()
    wrong.latent_type = "vector"
    with pytest.raises(ExportError, match="SE\\(3\\) symmetry"):
        export_program(wrong, tmp_path / "out.pt", tiny_card(), symmetric=True)


def test_periodic_model_is_exported_with_its_box(tmp_path):
    box = torch.eye(3) * 3
    assert export_program(DriftingNetwork(), tmp_path / "out.pt", tiny_card(periodic=True), box=box).passed
    assert read_card(tmp_path / "out.pt").golden[0]["box"] == box.flatten().tolist()


def test_export_of_the_same_module_twice_computes_the_same(tmp_path):
    for name in ("a.pt", "b.pt"):
        export_program(DriftingNetwork(), tmp_path / name, tiny_card())
    first, second = (json.loads(read_card(tmp_path / name).to_json()) for name in ("a.pt", "b.pt"))
    assert first == second


def test_archive_holds_no_state_but_parameters_and_buffers(tmp_path):
    export_program(DriftingNetwork(), tmp_path / "out.pt", tiny_card())
    program = load(io.BytesIO((tmp_path / "out.pt").read_bytes()))
    assert set(program.state_dict()) == {"network.gain", "network.step"}
    assert not program.training
