"""Training of denoisers: what is learned, restarts, runs that begin with others, refusals."""

import numpy as np
import pytest
import torch
from small_denoisers import SMALL, small

from openmm_scoredyn import errors
from openmm_scoredyn.crystals.checkpoint import DenoiserTraining, load_trained
from openmm_scoredyn.crystals.lattices import read_lattice
from openmm_scoredyn.crystals.samples import draw_batch
from openmm_scoredyn.crystals.training import relative_loss, train_denoiser


def test_training_goes_on_as_if_unbroken(tmp_path):
    train_denoiser(small(), tmp_path / "whole", save_every=3)
    calls = []

    def interrupt(done, total, loss):
        calls.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_denoiser(small(), tmp_path / "broken", progress=interrupt, save_every=3)
    train_denoiser(small(), tmp_path / "broken", save_every=3)
    assert calls == [3]
    whole, broken = (load_trained(tmp_path / name).network.state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_training_with_other_settings_is_refused(tmp_path):
    train_denoiser(small(), tmp_path, save_every=6)
    with pytest.raises(errors.TrainingError, match="other settings"):
        train_denoiser(small(seed=2), tmp_path)


def test_a_run_begins_with_the_network_of_an_earlier_one(tmp_path):
    train_denoiser(small(), tmp_path / "first", save_every=6)
    further = small(updates=1, learning_rate=1e-9, seed=4)
    train_denoiser(further, tmp_path / "second", start_from=tmp_path / "first")
    first, second = (load_trained(tmp_path / name) for name in ("first", "second"))
    weights = second.network.state_dict()
    assert all(
        torch.allclose(value, weights[key], atol=1e-6) for key, value in first.network.state_dict().items()
    )
    assert [config.seed for config, _ in second.stages] == [1, 4]
    with pytest.raises(errors.TrainingError, match="another shape"):
        train_denoiser(small(width=16), tmp_path / "third", start_from=tmp_path / "first")


def test_training_learns(tmp_path):
    """Sixty updates predict half of the noise of a lattice; predicting nothing leaves all."""
    config = DenoiserTraining(lattices=("diamond",), updates=60, warm_up=5, batch=1, average=0.9)
    train_denoiser(config, tmp_path)
    network = load_trained(tmp_path).network
    batch = draw_batch([read_lattice("diamond")] * 6, ("",), 0.13, config.cutoff, np.random.default_rng(99))
    with torch.no_grad():
        assert float(relative_loss(network, batch, 0.005)) < 0.5
        nothing = float(relative_loss(lambda *_: torch.zeros_like(batch.displacements), batch, 0.005))
    assert 0.5 < nothing < 1.05


def test_one_element_and_several_do_not_mix(tmp_path):
    with pytest.raises(errors.TrainingError, match="train two models"):
        train_denoiser(DenoiserTraining(lattices=("fcc", "NaCl"), **SMALL), tmp_path)
