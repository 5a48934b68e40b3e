"""What must not come out of an export: programs that break the contract, arguments that do not fit, half a
file.
"""

import os
import re
import resource

import pytest
import torch
from tiny_models import DriftingNetwork, OneStepNetwork, tiny_card
from torch import Tensor, nn

from openmm_scoredyn.errors import ExportError, OutputError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.program.model import ScoreModel


class RandomNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent + torch.randn_like(latent)


class MixingNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent - latent.mean(0, keepdim=True)


class DifferentWhenScripted(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent * (2.0 if torch.jit.is_scripting() else 1.0)


class CancellingNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return (latent + 1e5) - 1e5


class SkewedNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return (latent.unflatten(1, [-1, 3]) * torch.arange(1, 4, dtype=latent.dtype)).flatten(1)


class NotFiniteNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent / 0.0


class FlatNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent[:, :1]

    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1, :3]


class Float32Network(DriftingNetwork):
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return (history[:, -1] + 0.001 * latent.unflatten(1, [-1, 3])).float()


class NotFiniteStart(OneStepNetwork):
    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return noise / 0.0


class Unconditioned(nn.Module):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent


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


def test_start_is_held_to_the_contract(tmp_path):
    card = tiny_card(denoising_steps=0, has_start=True)
    with pytest.raises(ExportError, match="latents that are not finite; expected finite numbers"):
        export_program(NotFiniteStart(), tmp_path / "out.pt", card)
    assert os.listdir(tmp_path) == []


def test_asymmetry_is_no_fault_where_symmetry_is_not_claimed(tmp_path):
    report = export_program(SkewedNetwork(), tmp_path / "out.pt", tiny_card(), symmetric=False)
    assert "SE(3) symmetry" not in str(report)
    assert not ScoreModel(tmp_path / "out.pt").card.capabilities.symmetric


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"format": "onnx"}, "unknown format; expected 'torchscript' or 'aoti', found 'onnx'"),
        (
            {"device": "cuda"},
            "a TorchScript program is not made for a device; expected device='cpu', found 'cuda'",
        ),
        (
            {"history": torch.zeros(2, 5, 3)},
            r"example history has the wrong shape; expected \(1, 5, 3\), found \(2, 5, 3\)",
        ),
        ({"box": torch.zeros(3)}, "example box has the wrong shape"),
        ({"card": tiny_card(periodic=True)}, "the model is periodic, but there is no box"),
        (
            {"card": tiny_card(denoising_steps=0, has_start=True)},
            "has no method start; expected condition, start, advance",
        ),
        ({"module": OneStepNetwork()}, "has no method predict"),
        ({"module": Unconditioned()}, "has no method condition; expected condition, predict, advance"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path, arguments, sentence):
    call = {"module": DriftingNetwork(), "path": tmp_path / "out.pt", "card": tiny_card()} | arguments
    with pytest.raises(ExportError, match=sentence):
        export_program(**call)


def test_package_needs_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        ExportError, match="'aoti' needs a C.. compiler; expected no-such-compiler, found none"
    ):
        export_program(DriftingNetwork(), tmp_path / "out.pt2", tiny_card(), format="aoti")
    assert os.listdir(tmp_path) == []


def test_package_has_the_precision_it_is_compiled_with(tmp_path):
    with pytest.raises(
        ExportError, match="expected matmul_precision='highest', found 'high'; leave it, or use"
    ):
        export_program(
            DriftingNetwork(), tmp_path / "out.pt2", tiny_card(matmul_precision="high"), format="aoti"
        )
    assert os.listdir(tmp_path) == []


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
