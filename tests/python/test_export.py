"""Export: what comes out is what went in, and what must not come out is refused."""

import io
import json
import math
import os
import re
import resource
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import DriftingNetwork, OneShotNetwork, tiny_card
from torch import Tensor, nn

from openmm_scoredyn.card import Card
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import ExportError, OutputError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.export.embedding import embed
from openmm_scoredyn.model import ScoreModel


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
        "repeated = first", "single = batched", "scripted = eager", "reloaded = scripted", "float32 = float64",
        "SE(3) symmetry",
    ]  # fmt: skip
    assert all(check.name in str(report) for check in report.checks)
    assert 0 < report.checks[4].latents < report.checks[4].tolerance[0]
    program = load(tmp_path / "tiny.pt")
    generator = torch.Generator().manual_seed(5)
    latent, history = torch.randn(3, 5, 3, generator=generator), torch.randn(3, 1, 5, 3, generator=generator)
    sigma, box = torch.tensor([0.1, 1.0, 10.0]), torch.zeros(3, 3)
    with torch.no_grad():
        raw = network(
            latent / torch.sqrt(1 + sigma**2)[:, None, None],
            parametrization.network_level(sigma),
            history,
            box,
        )
        clean = (latent - sigma[:, None, None] * torch.sqrt(1 + sigma**2)[:, None, None] * raw) / (
            1 + sigma[:, None, None] ** 2
        )
        # alpha x_t - sigma_t v, with x_t = alpha latent, alpha^2 = 1 / (1 + sigma^2)
        expected = (
            latent / (1 + sigma[:, None, None] ** 2) - (sigma / torch.sqrt(1 + sigma**2))[:, None, None] * raw
        )
    torch.testing.assert_close(clean, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(program.denoise(latent, sigma, history, box), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(program.advance(latent, history, box), history[:, 0] + 0.001 * latent)


def test_package_is_the_same_program_for_any_batch(tmp_path):
    """Both formats draw the same trajectories, and the report compares them."""
    arguments = (tiny_card(), Parametrization("v", "vp_cosine"))
    export_program(DriftingNetwork(), tmp_path / "tiny.pt", *arguments, symmetric=True)
    report = export_program(
        DriftingNetwork(), tmp_path / "tiny.pt2", *arguments, format="aoti", symmetric=True
    )
    assert [check.name for check in report.checks] == [
        "repeated = first", "single = batched", "scripted = eager", "reloaded = scripted", "AOTInductor = reloaded",
        "float32 = float64", "SE(3) symmetry",
    ]  # fmt: skip
    scripted, compiled = (
        ScoreModel(tmp_path / "tiny.pt"),
        ScoreModel(tmp_path / "tiny.pt2", allow_native_code=True),
    )
    assert replace(compiled.card, golden={}) == replace(scripted.card, golden={})
    start = torch.tensor(scripted.card.golden["history"]).reshape(1, 5, 3)
    for batch in (1, 2, 33):
        frames = [model.sample(start.expand(batch, 5, 3), 5, seed=3) for model in (scripted, compiled)]
        assert (frames[0] - start).abs().max() > 1e-3
        torch.testing.assert_close(frames[1], frames[0], rtol=0, atol=1e-6)


def test_package_needs_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        ExportError, match="'aoti' needs a C.. compiler; expected no-such-compiler, found none"
    ):
        export_program(DriftingNetwork(), tmp_path / "out.pt2", tiny_card(), format="aoti")
    assert os.listdir(tmp_path) == []


def test_card_in_the_file_has_golden_triple_versions_and_claims(tmp_path):
    export_program(
        DriftingNetwork(), tmp_path / "tiny.pt", tiny_card(latent_type="invariant"), symmetric=True
    )
    card = read_card(tmp_path / "tiny.pt")
    assert card.symmetric
    assert card.latent_type == "vector", "what the module says outranks the card"
    assert card.torch_version == torch.__version__
    assert card.name == "tiny"
    program, golden = load(tmp_path / "tiny.pt"), card.golden
    history, box = (
        torch.tensor(golden["history"]).reshape(1, 1, 5, 3),
        torch.tensor(golden["box"]).reshape(3, 3),
    )
    denoised = program.denoise(
        torch.tensor(golden["latent"]).reshape(1, 5, 3), torch.tensor([golden["sigma"]]), history, box
    )
    torch.testing.assert_close(denoised.flatten(), torch.tensor(golden["denoised"]))
    assert denoised.abs().max() > 0.1
    torch.testing.assert_close(
        program.advance(denoised, history, box).flatten(),
        torch.tensor(golden["positions"]),
        rtol=1e-6,
        atol=1e-6,
    )


def test_transition_is_exported_with_propose_alone(tmp_path):
    report = export_program(
        OneShotNetwork(), tmp_path / "t.pt", tiny_card(kind="transition", noise_count=2), symmetric=True
    )
    program, golden = load(tmp_path / "t.pt"), read_card(tmp_path / "t.pt").golden
    assert report.passed
    assert not hasattr(program, "denoise")
    noise, history = (
        torch.tensor(golden["noise"]).reshape(1, 2, 5, 3),
        torch.tensor(golden["history"]).reshape(1, 1, 5, 3),
    )
    expected = history[:, 0] + 0.001 * (noise[:, 0] + noise[:, 1])
    torch.testing.assert_close(expected.flatten(), torch.tensor(golden["positions"]))


def test_the_module_given_is_left_as_it_was(tmp_path):
    network = DriftingNetwork().double().train()
    export_program(network, tmp_path / "tiny.pt", tiny_card())
    assert network.training
    assert network.gain.requires_grad
    assert network.gain.dtype == torch.float64


def test_example_history_becomes_the_golden_one(tmp_path):
    history = embed(tiny_card()) * 1.01
    export_program(DriftingNetwork(), tmp_path / "tiny.pt", tiny_card(), history=history[None])
    golden = torch.tensor(read_card(tmp_path / "tiny.pt").golden["history"]).reshape(5, 3)
    distances = torch.pdist(golden)
    torch.testing.assert_close(distances, torch.pdist(history), rtol=0, atol=0.005)


def test_embedding_has_the_bonds_and_the_chirality_of_the_card():
    card = tiny_card()
    for centres in (((0, 1, 2, 3),), ((0, 2, 1, 3),)):
        positions = embed(tiny_card(chiral_centres=centres, golden={})).double()
        found = [float(torch.linalg.vector_norm(positions[i] - positions[j])) for i, j in card.bonds]
        assert found == pytest.approx(card.bond_lengths_nm, rel=0.03)
        c, a, b, d = centres[0]
        triple = (positions[a] - positions[c]) @ torch.linalg.cross(
            positions[b] - positions[c], positions[d] - positions[c]
        )
        assert triple > 5e-4
        assert torch.pdist(positions).min() > 0.1


class UnscriptableNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent * math.fsum(x for x in [1.0])  # THIS LINE


def line_of(marker: str) -> int:
    return next(
        n
        for n, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if text.rstrip().endswith(f"# {marker}")
    )


def test_what_does_not_script_is_refused_with_its_own_line(tmp_path):
    with pytest.raises(ExportError, match="does not script") as caught:
        export_program(UnscriptableNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"test_export.py, line {line_of('THIS LINE')}: `return latent * math.fsum" in str(caught.value)
    assert os.listdir(tmp_path) == []


class BranchingNetwork(UnscriptableNetwork):
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent if latent.sum() > 0 else history[:, -1]  # BRANCH LINE


def test_what_does_not_compile_is_refused_with_its_own_line(tmp_path, caplog):
    caplog.set_level("INFO", "openmm_scoredyn")
    with pytest.raises(ExportError, match="the method (denoise|advance) does not compile") as caught:
        export_program(BranchingNetwork(), tmp_path / "out.pt2", tiny_card(), format="aoti")
    assert f"test_export.py, line {line_of('BRANCH LINE')}" in str(caught.value)
    assert "No parity with TorchScript: export_program: the module does not script" in caplog.text
    assert os.listdir(tmp_path) == []


class CallsTorchNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent * nn.init.calculate_gain("relu")  # TORCH LINE


def test_what_does_not_script_inside_torch_is_named_where_the_module_calls_it(tmp_path):
    with pytest.raises(ExportError, match="does not script") as caught:
        export_program(CallsTorchNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"test_export.py, line {line_of('TORCH LINE')}: `return latent * nn.init" in str(caught.value)


class MiscallingNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return torch.tanh(latent, dim=1)


def test_a_call_that_does_not_fit_is_explained(tmp_path):
    with pytest.raises(ExportError, match=r"\(Keyword argument dim unknown\) at .*test_export.py"):
        export_program(MiscallingNetwork(), tmp_path / "out.pt", tiny_card())


class DroppingNetwork(DriftingNetwork):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return self.dropout(latent)


def test_dropout_is_off_in_the_program(tmp_path):
    assert export_program(DroppingNetwork().train(), tmp_path / "out.pt", tiny_card(), symmetric=True).passed


class RaisingNetwork(DriftingNetwork):
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + latent @ torch.zeros(4, 3)  # THAT LINE


def test_what_raises_is_refused_with_its_own_line(tmp_path):
    with pytest.raises(ExportError, match="raised an error in float32") as caught:
        export_program(RaisingNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"test_export.py, line {line_of('THAT LINE')}: `return history" in str(caught.value)


class RandomNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent + torch.randn_like(latent)


class MixingNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent - latent.mean(0, keepdim=True)


class DifferentWhenScripted(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent * (2.0 if torch.jit.is_scripting() else 1.0)


class CancellingNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return (latent + 1e5) - 1e5


class SkewedNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent * torch.arange(1, 4, dtype=latent.dtype)


class NotFiniteNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent / 0.0


class FlatNetwork(DriftingNetwork):
    def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return latent.flatten(1)[:, None, :3]

    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1, :3]


class Float32Network(DriftingNetwork):
    def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
        return (history[:, -1] + 0.001 * latent).float()


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (RandomNetwork, "check `repeated = first` failed; .*remove random numbers, dropout"),
        (MixingNetwork, "check `single = batched` failed; .*let no replica of the batch depend"),
        (DifferentWhenScripted, "check `scripted = eager` failed; "),
        (CancellingNetwork, "check `float32 = float64` failed; .*avoid differences of large numbers"),
        (SkewedNetwork, "check `SE\\(3\\) symmetry` failed; .*drop symmetric=True"),
        (
            NotFiniteNetwork,
            "latents that are not finite; expected finite numbers at every noise level from 0.02 to 20",
        ),
        (FlatNetwork, r"wrong positions; expected \(8, 5, 3\) float32, found \(8, 3, 3\) float32"),
        (Float32Network, r"wrong positions; expected \(8, 5, 3\) float64, found \(8, 5, 3\) float32"),
    ],
)
def test_what_breaks_the_contract_is_refused(tmp_path, network, sentence):
    with pytest.raises(ExportError, match=sentence):
        export_program(network(), tmp_path / "out.pt", tiny_card(), symmetric=True)
    assert os.listdir(tmp_path) == []


def test_asymmetry_is_no_fault_where_symmetry_is_not_claimed(tmp_path):
    report = export_program(SkewedNetwork(), tmp_path / "out.pt", tiny_card(), symmetric=False)
    assert "SE(3) symmetry" not in str(report)
    assert not read_card(tmp_path / "out.pt").symmetric


def test_latents_that_do_not_turn_are_checked_as_such(tmp_path):
    class InvariantNetwork(nn.Module):
        """Latent row 0 stretches the first bond: the latent does not turn with the molecule."""

        latent_type = "invariant"

        def forward(self, latent: Tensor, level: Tensor, history: Tensor, box: Tensor) -> Tensor:
            return torch.tanh(latent)

        def advance(self, latent: Tensor, history: Tensor, box: Tensor) -> Tensor:
            newest = history[:, -1]
            return newest + 0.01 * latent[:, 0, :1, None] * (newest - newest[:, :1])

    assert export_program(InvariantNetwork(), tmp_path / "out.pt", tiny_card(), symmetric=True).passed
    wrong = InvariantNetwork()
    wrong.latent_type = "vector"
    with pytest.raises(ExportError, match="SE\\(3\\) symmetry"):
        export_program(wrong, tmp_path / "out.pt", tiny_card(), symmetric=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"format": "onnx"}, "unknown format; expected 'torchscript' or 'aoti', found 'onnx'"),
        (
            {"history": torch.zeros(2, 5, 3)},
            r"example history has the wrong shape; expected \(1, 5, 3\), found \(2, 5, 3\)",
        ),
        ({"box": torch.zeros(3)}, "example box has the wrong shape"),
        ({"card": tiny_card(periodic=True)}, "the model is periodic, but there is no box"),
        ({"card": tiny_card(kind="transition")}, "has no method propose"),
        ({"module": OneShotNetwork()}, "has no method advance"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path, arguments, sentence):
    call = {"module": DriftingNetwork(), "path": tmp_path / "out.pt", "card": tiny_card()} | arguments
    with pytest.raises(ExportError, match=sentence):
        export_program(**call)


def test_periodic_model_is_exported_with_its_box(tmp_path):
    box = torch.eye(3) * 3
    assert export_program(DriftingNetwork(), tmp_path / "out.pt", tiny_card(periodic=True), box=box).passed
    assert read_card(tmp_path / "out.pt").golden["box"] == box.flatten().tolist()


def test_unwritable_path_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / "missing" / "out.pt"))):
        export_program(DriftingNetwork(), tmp_path / "missing" / "out.pt", tiny_card())
    assert os.listdir(tmp_path) == []


def test_full_disk_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "out.pt"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # as a full disk: write() fails half-way
    try:
        with pytest.raises(OutputError, match="cannot write"):
            export_program(DriftingNetwork(), path, tiny_card())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == ["out.pt"]
    assert path.read_text() == "old"


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
