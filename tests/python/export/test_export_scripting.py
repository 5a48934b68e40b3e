"""What does not script, compile or run is refused with the line of the module that is to blame."""

import math
import os
from pathlib import Path

import pytest
import torch
from tiny_models import DriftingNetwork, tiny_card
from torch import Tensor, nn

from openmm_scoredyn.errors import ExportError
from openmm_scoredyn.export import export_program

HERE = Path(__file__)


class UnscriptableNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent * math.fsum(x for x in [1.0])  # THIS LINE


def line_of(marker: str) -> int:
    return next(
        n for n, text in enumerate(HERE.read_text().splitlines(), 1) if text.rstrip().endswith(f"# {marker}")
    )


def test_what_does_not_script_is_refused_with_its_own_line(tmp_path):
    with pytest.raises(ExportError, match="does not script") as caught:
        export_program(UnscriptableNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"{HERE.name}, line {line_of('THIS LINE')}: `return latent * math.fsum" in str(caught.value)
    assert os.listdir(tmp_path) == []


class BranchingNetwork(UnscriptableNetwork):
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] if latent.sum() > 0 else history[:, 0]  # BRANCH LINE


def test_what_does_not_compile_is_refused_with_its_own_line(tmp_path, caplog):
    caplog.set_level("INFO", "openmm_scoredyn")
    with pytest.raises(ExportError, match="the method advance does not compile") as caught:
        export_program(BranchingNetwork(), tmp_path / "out.pt2", tiny_card(), format="aoti")
    assert f"{HERE.name}, line {line_of('BRANCH LINE')}" in str(caught.value)
    assert "No parity with TorchScript: export_program: the module does not script" in caplog.text
    assert os.listdir(tmp_path) == []


class CallsTorchNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return latent * nn.init.calculate_gain("relu")  # TORCH LINE


def test_what_does_not_script_inside_torch_is_named_where_the_module_calls_it(tmp_path):
    with pytest.raises(ExportError, match="does not script") as caught:
        export_program(CallsTorchNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"{HERE.name}, line {line_of('TORCH LINE')}: `return latent * nn.init" in str(caught.value)


class MiscallingNetwork(DriftingNetwork):
    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        return torch.tanh(latent, dim=1)


def test_a_call_that_does_not_fit_is_explained(tmp_path):
    with pytest.raises(ExportError, match=r"\(Keyword argument dim unknown\) at .*test_export_scripting.py"):
        export_program(MiscallingNetwork(), tmp_path / "out.pt", tiny_card())


class RaisingNetwork(DriftingNetwork):
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + latent @ torch.zeros(4, 3)  # THAT LINE


def test_what_raises_is_refused_with_its_own_line(tmp_path):
    with pytest.raises(ExportError, match="raised an error in float32") as caught:
        export_program(RaisingNetwork(), tmp_path / "out.pt", tiny_card())
    assert f"{HERE.name}, line {line_of('THAT LINE')}: `return history" in str(caught.value)
