"""The precision of float32 matrix products is the model's business, whatever the process asks of torch."""

import subprocess
import sys

import pytest
import torch
from tiny_models import DriftingNetwork, tiny_card

from openmm_scoredyn.export import export_program
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.precision import full_precision

STEPS = """
import numpy as np
import torch
from openmm.app import PDBFile
from openmm_scoredyn import ScoreModel, pretrained

name = "alanine-dipeptide-obc2"
pdb = PDBFile(str(pretrained(name).with_name("alanine-dipeptide.pdb")))
start = np.array(pdb.positions._value, dtype=np.float32)[None].repeat(8, axis=0)


def frames():
    return ScoreModel(pretrained(name)).sample(start, 3, seed=4)
"""
CRYSTAL = """
import numpy as np
import torch
from openmm_scoredyn import CrystalDenoiser, pretrained

cells = np.stack(np.meshgrid(*[range(4)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
crystal = 0.36 * (cells + corners).reshape(-1, 3) + np.random.default_rng(1).normal(0, 0.005, (256, 3))


def frames():
    return CrystalDenoiser(pretrained("metals")).denoise(crystal, 4 * 0.36 * np.eye(3))
"""
EXPORT = """
import numpy as np
import torch
from tiny_models import DriftingNetwork, tiny_card
from openmm_scoredyn import ScoreModel
from openmm_scoredyn.export import export_program


class Mixing(DriftingNetwork):
    # The product of the weights alone is computed when the program is loaded. It is of a size that torch
    # thinks worth a
    # reduced precision.
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.mix = torch.nn.Linear(64, 64)

    def predict(self, latent, level, condition: list[torch.Tensor]):
        return latent @ (self.mix.weight @ self.mix.weight)[:15, :15]


def frames():
    export_program(Mixing(), "mixing.pt", tiny_card())
    return np.array(ScoreModel("mixing.pt").card.golden[0]["denoised"])
"""
# A processor that has bfloat16 would round to it; one that only claims to have it ends the process.
COMPARE = """
expected = frames()
{setting}
assert np.array_equal(frames(), expected)
assert {getter} == {value!r}
"""
SETTINGS = [
    ("torch.set_float32_matmul_precision('medium')", "torch.get_float32_matmul_precision()", "medium"),
    (
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
        "torch.backends.mkldnn.matmul.fp32_precision",
        "bf16",
    ),
    ("torch.autocast('cpu', dtype=torch.bfloat16).__enter__()", "torch.is_autocast_enabled('cpu')", True),
]


@pytest.mark.parametrize("what", [STEPS, CRYSTAL, EXPORT], ids=["steps", "crystal", "export"])
@pytest.mark.parametrize(("setting", "getter", "value"), SETTINGS, ids=["older setting", "entry", "autocast"])
def test_the_setting_of_the_process_changes_no_bit(what, setting, getter, value, tmp_path):
    script = tmp_path / "script.py"  # a file, because modules are scripted from their source
    path = f"import sys; sys.path[:0] = {[*sys.path]!r}\n"
    script.write_text(path + what + COMPARE.format(setting=setting, getter=getter, value=value))
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def process():
    """Puts the setting of this process back."""
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_full_precision_inside_and_the_process_own_outside(process, precision):
    process(precision)
    with pytest.raises(ZeroDivisionError), full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cuda.matmul.fp32_precision in ("none", "ieee")
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == precision


def test_a_model_of_another_precision_is_exported_and_loaded(tmp_path):
    export_program(DriftingNetwork(), tmp_path / "model.pt", tiny_card(matmul_precision="high"))
    card = ScoreModel(tmp_path / "model.pt").card
    assert card.capabilities.matmul_precision == "high"
    assert not card.precision_is_measured


@pytest.mark.parametrize(
    ("accuracy", "precision", "measured"),
    [
        ({}, "highest", False),
        ({"rows": []}, "highest", True),
        ({"rows": []}, "high", False),
        ({"rows": [], "matmul_precision": "high"}, "high", True),
        ({"rows": [], "matmul_precision": "high"}, "highest", False),
    ],
)
def test_accuracy_is_that_of_the_precision_it_was_measured_at(accuracy, precision, measured):
    assert tiny_card(accuracy=accuracy, matmul_precision=precision).precision_is_measured == measured
