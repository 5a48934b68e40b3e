"""Arguments of `ScoreModel.sample` that are refused."""

import numpy as np
import pytest
import torch
from tiny_models import DriftingNetwork, start, tiny_card

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.program.model import ScoreModel


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
            "unknown solver; expected one of trig_2m, .*euler_ancestral.*, found 'rk4'",
        ),
        ({"first_step": -1}, "first_step is not valid"),
        ({"max_resamples": -1}, "max_resamples is not valid"),
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
def test_bad_arguments_are_refused(tiny_model, arguments, sentence):
    call = {"positions": start(), "n_steps": 2} | arguments
    with pytest.raises(SamplingError, match=sentence):
        tiny_model.sample(call.pop("positions"), call.pop("n_steps"), **call)


def test_periodic_model_needs_its_box(tmp_path):
    export_program(DriftingNetwork(), tmp_path / "p.pt", tiny_card(periodic=True), box=torch.eye(3) * 3)
    model = ScoreModel(tmp_path / "p.pt")
    with pytest.raises(SamplingError, match="the model is periodic; expected box"):
        model.sample(start(), 1)
    for box in (np.eye(2), np.full((3, 3), np.inf)):
        with pytest.raises(SamplingError, match="the box is not valid"):
            model.sample(start(), 1, box=box)
    assert model.sample(start(), 1, box=np.eye(3) * 3, seed=1).shape == (1, 3, 5, 3)
