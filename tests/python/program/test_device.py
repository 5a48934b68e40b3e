"""A model moved to another device: what it draws there, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from tiny_models import start

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.errors import ProgramError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.export.restore import restore_program
from openmm_scoredyn.program.model import ScoreModel, pretrained


def test_moved_to_where_it_is_it_draws_the_same(tiny_model):
    moved = copy.copy(tiny_model)
    assert moved.to("cpu") is moved
    assert moved.to(torch.device("cpu")).device == "cpu"
    np.testing.assert_array_equal(moved.sample(start(), 3, seed=4), tiny_model.sample(start(), 3, seed=4))


def test_a_moved_model_remembers_its_file(tiny_program):
    model = ScoreModel(tiny_program).to("cpu")
    assert model.source == tiny_program.read_bytes()
    assert ScoreDynamicsIntegrator(model).getModelPath() == str(tiny_program)


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:", "meta", "", None, 1.5])
def test_other_names_are_refused(tiny_program, device):
    with pytest.raises(
        ProgramError, match="no device of that name; expected 'cpu', 'cuda' or 'cuda:N', found .*; correct"
    ):
        ScoreModel(tiny_program).to(device)


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_gpu_that_torch_does_not_find_is_refused(tiny_program, monkeypatch, device, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    model = ScoreModel(tiny_program)
    with pytest.raises(
        ProgramError, match=f"finds no device '{device}'; expected .*, found {gpus} of them .*; use 'cpu'"
    ):
        model.to(device)
    assert model.device == "cpu"
    np.testing.assert_array_equal(
        model.sample(start(), 1, seed=4), ScoreModel(tiny_program).sample(start(), 1, seed=4)
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU here")
def test_program_that_does_not_load_there_stays_where_it_was(tiny_model, monkeypatch):
    model = copy.copy(tiny_model)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ProgramError, match="ScoreProgram: "):
        model.to("cuda:0")
    assert model.device == "cpu"
    np.testing.assert_array_equal(model.sample(start(), 1, seed=4), tiny_model.sample(start(), 1, seed=4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
def test_CUDA_draws_what_the_processor_draws(tiny_program):
    model = ScoreModel(tiny_program)
    expected = model.sample(start(64), 3, seed=4)
    assert model.to("cuda").device == f"cuda:{torch.cuda.current_device()}"
    np.testing.assert_allclose(model.sample(start(64), 3, seed=4), expected, rtol=0, atol=1e-5)
    assert copy.copy(model).device == "cpu"
    np.testing.assert_array_equal(model.to("cpu").sample(start(64), 3, seed=4), expected)


def test_a_model_begins_on_the_device_it_is_given(tiny_program, tmp_path):
    assert ScoreModel(tiny_program, device="cpu").device == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(
            ProgramError, match="finds no device 'cuda'; expected a GPU that it finds, found 0"
        ):
            ScoreModel(tiny_program, device="cuda")
        network, card, parametrization = restore_program(pretrained("alanine-dipeptide-tip3p"))
        with pytest.raises(ProgramError, match="finds no device 'cuda'"):
            export_program(
                network, tmp_path / "fast.pt2", card, parametrization, format="aoti", device="cuda"
            )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
def test_CUDA_package_draws_what_the_processor_draws(tmp_path):
    path = pretrained("alanine-dipeptide-tip3p")
    network, card, parametrization = restore_program(path)
    export_program(network, tmp_path / "fast.pt2", card, parametrization, format="aoti", device="cuda")
    with pytest.raises(ProgramError, match="was compiled for another device; expected cpu, found cuda"):
        ScoreModel(tmp_path / "fast.pt2", allow_native_code=True)
    package = ScoreModel(tmp_path / "fast.pt2", allow_native_code=True, device="cuda")
    first = np.asarray(card.golden[0]["history"], np.float32).reshape(1, 22, 3).repeat(64, 0)
    drawn, expected = (model.sample(first, 1, seed=4) for model in (package, ScoreModel(path)))
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-5)
