"""Training: pairs, noise levels, a loss whose optimum is known, and runs that go on after a kill."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from alanine import make_trajectory
from small_runs import Stop, data, killed_after, tiny

from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
from openmm_scoredyn.diffusion.parametrization import Parametrization, denoising_loss
from openmm_scoredyn.errors import LagTimeError, MoleculeError, OutputError, TrainingError, TrajectoryError
from openmm_scoredyn.training import load_checkpoint, train
from openmm_scoredyn.training.dataset import Batch, Batches, collect_examples
from openmm_scoredyn.training.module import ScoreTraining


def test_reversal_doubles_unsteered_pairs_only():
    free, steered = make_trajectory(5, 4), make_trajectory(6, seed=1, steered=True)
    (pairs,) = collect_examples([free, steered], 1.0, time_reversal=True)
    assert len(pairs) == 2 * (4 + 3) + 5
    np.testing.assert_array_equal(pairs.before[7:14], pairs.after[:7])
    np.testing.assert_array_equal(pairs.after[7:14], pairs.before[:7])
    assert len(collect_examples([free, steered], 1.0, time_reversal=False)[0]) == 7 + 5


def test_a_picosecond_of_md_counts_alike_however_far_its_frames_are_apart():
    """Over a range of lags; of one lag, every pair of frames is an example like another."""
    fine = make_trajectory(200)
    coarse = make_trajectory(200, seed=1, frame_spacing_ps=10.0)
    (pairs,) = collect_examples([fine, coarse], 1.0, False, longest_lag_time_ps=20.0)
    for part, lengths in ((fine, {1.0}), (coarse, {10.0})):
        own = np.isin(pairs.before[:, 0, 0], part.segments[0][:, 0, 0].astype(np.float32))
        assert set(pairs.weight[torch.from_numpy(own)].tolist()) == lengths
    (single,) = collect_examples([fine, coarse], 10.0, False)
    assert set(single.weight.tolist()) == {1.0}


class Still:
    """What batches ask of a network, for molecules that do not move."""

    symmetric = True

    def condition(self, *situation):
        return []

    def latent(self, before, after, condition):
        return before[:, 0]


def test_molecules_are_shown_in_proportion_to_the_length_of_their_md():
    parts = []
    for spacing in (1.0, 3.0):
        trajectory = make_trajectory(50, frame_spacing_ps=spacing)
        parts += collect_examples([trajectory], 1.0, False, longest_lag_time_ps=6.0)
    counts = [part.weight.sum() for part in parts]
    shares = Batches(parts, [Still()] * 2, tiny(100), lambda: 0).shares
    assert float(shares[1] / shares[0]) == pytest.approx(float(counts[1] / counts[0]))
    assert float(shares[1] / shares[0]) == pytest.approx(3.0, rel=0.1)


def test_molecules_meet_in_an_update_in_equal_shares():
    parts = collect_examples([make_trajectory(50)], 1.0, False) * 2
    config = tiny(100)
    two = dataclasses.replace(config.optimization, molecules_per_update=2)
    batches = Batches(parts, [Still()] * 2, dataclasses.replace(config, optimization=two), lambda: 0)
    updates = list(batches)
    assert all(len(batch.after) == 8 for update in updates for batch in update)
    met = sum(first.molecule != second.molecule for first, second in updates)
    assert abs(met - 50) < 4 * 5, "two drawn anew of two are different every other time"
    assert not torch.equal(updates[0][1].eps, updates[1][0].eps), "every batch has its own noise"


def test_the_loss_of_an_update_is_the_mean_of_its_molecules():
    class Told(ScoreTraining):
        def loss(self, batch):
            return batch.sigma.mean()

        def log(self, *told, **more):
            pass

    batches = [[torch.full((4,), value)] * len(Batch._fields) for value in (1.0, 2.0, 6.0)]
    assert float(Told(torch.nn.Linear(1, 1), [], tiny()).training_step(batches, 0)) == 3.0


@pytest.mark.parametrize("kind, low, high", [("log_normal", 0.3, 0.8), ("log_uniform", -2.0, 1.0)])
def test_noise_levels_have_their_moments(kind, low, high):
    count = 40_000
    drawn = torch.log(NoiseLevels(kind, low, high).sample(count, torch.Generator().manual_seed(0)))
    mean, deviation = (
        (low, high) if kind == "log_normal" else (0.5 * (low + high), (high - low) / math.sqrt(12))
    )
    assert abs(drawn.mean() - mean) < 4 * deviation / math.sqrt(count)
    assert abs(drawn.std() - deviation) < 4 * deviation / math.sqrt(count)


@pytest.mark.parametrize("prediction, schedule", [("edm", "edm"), ("noise", "vp_linear"), ("v", "vp_cosine")])
def test_the_optimal_denoiser_of_a_gaussian_has_the_least_loss(prediction, schedule):
    """Clean latents N(0, s^2): the optimal denoiser is s^2 / (s^2 + sigma^2) times the noised latent."""
    spread, generator = 0.5, torch.Generator().manual_seed(1)
    parametrization = Parametrization(prediction, schedule)
    clean = spread * torch.randn(4000, 6, generator=generator)
    sigma = NoiseLevels().sample(4000, generator)
    eps = torch.randn(clean.shape, generator=generator)
    skip, out = parametrization.skip_and_out(sigma)

    class Linear:
        factor, loss_weight = 1.0, 1.0

        def predict(self, seen, level, condition):
            noised = clean + sigma[:, None] * eps
            optimal = self.factor * spread**2 / (spread**2 + sigma**2)
            return (optimal - skip)[:, None] / out[:, None] * noised

    network, losses = Linear(), {}
    for network.factor in (0.9, 1.0, 1.1):
        losses[network.factor] = denoising_loss(network, parametrization, clean, None, sigma, eps).mean()
    assert losses[1.0] < losses[0.9] and losses[1.0] < losses[1.1]


@pytest.mark.parametrize("changes", [{}, {"matrix_learning_rate": 5e-3}, {"molecules_per_update": 2}])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, changes):
    def asked(updates=12):
        config = tiny(updates)
        return dataclasses.replace(config, optimization=dataclasses.replace(config.optimization, **changes))

    whole = train(data(), tmp_path / "whole", asked())
    with pytest.raises(Stop):
        train(data(), tmp_path / "killed", asked(), [killed_after(8)])
    resumed = train(data(), tmp_path / "killed", asked())
    one, other = load_checkpoint(whole)[0].state_dict(), load_checkpoint(resumed)[0].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    fresh = load_checkpoint(train(data(), tmp_path / "short", asked(6)))[0].state_dict()
    assert not all(torch.equal(one[name], fresh[name]) for name in one)


def test_rollouts_are_logged_beside_a_progress_bar(tmp_path):
    from lightning.pytorch.callbacks import RichProgressBar

    train(data(), tmp_path, tiny(), [RichProgressBar()])
    header = (tmp_path / "metrics" / "version_0" / "metrics.csv").read_text().splitlines()[0]
    assert "rollout_rejected_draws_per_step" in header and "rollout_dihedral_jsd" in header


def test_a_checkpoint_describes_the_run(tmp_path):
    checkpoint = train(data(), tmp_path, tiny(name="shaken"))
    network, card, parametrization = load_checkpoint(tmp_path)
    assert (card.name, card.temperature_K, card.lag_time_ps) == ("shaken", 300.0, 1.0)
    assert card.provenance.training_data["trajectories"] == 2  # the third validates
    assert len(json.loads((tmp_path / "split.json").read_text())["validation"]) == 1
    assert parametrization.prediction == "edm" and not network.training
    assert checkpoint.name == "last.ckpt"


def test_the_card_has_the_rules_of_the_guard_and_what_they_refuse_of_held_out_frames(tmp_path):
    train(data(), tmp_path, tiny())
    card = load_checkpoint(tmp_path)[1]
    ((centre, *_),) = card.guard.stereocentres
    assert card.particles.atom_names[centre] == "CA"
    assert len(card.guard.angles) == 36 and card.guard.contacts
    counts = card.provenance.training_data["held_out_frames_refused"]
    assert counts["frames"] == 300 and counts["stereochemistry"] == counts["contact"] == 0


def test_what_cannot_be_trained_is_refused(tmp_path):
    short = [make_trajectory(3, seed=k) for k in range(3)]
    with pytest.raises(TrajectoryError, match="no segment is long enough; expected more than 20 frames"):
        train(short, tmp_path / "short", tiny(lag_time_ps=20.0))
    with pytest.raises(LagTimeError, match="integer multiple of the frame spacing"):
        train(data(), tmp_path / "a", tiny(lag_time_ps=1.5))
    with pytest.raises(TrainingError, match="one known temperature"):
        train([*data(), make_trajectory(300, seed=9, temperature_K=310.0)], tmp_path / "b", tiny())
    other = make_trajectory(300, seed=8)
    names = ("X", *other.molecule.atom_names[1:])
    renamed = dataclasses.replace(other, molecule=dataclasses.replace(other.molecule, atom_names=names))
    with pytest.raises(MoleculeError, match="another molecule"):
        train([*data(), renamed], tmp_path / "c", tiny())
    assert not any(tmp_path.iterdir())
    with pytest.raises(TrainingError, match="found 16 pairs of 3 molecules; give a multiple"):
        dataclasses.replace(tiny().optimization, molecules_per_update=3)
    with pytest.raises(TrainingError, match="updates must be positive, found 0"):
        tiny(0)


def test_an_unwritable_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder"):
        train(data(), tmp_path / "file" / "run", tiny())


def test_another_configuration_in_the_same_directory_is_refused_before_any_work(tmp_path, monkeypatch):
    train(data(), tmp_path, tiny(12))
    monkeypatch.setattr("openmm_scoredyn.training.fit.collect_examples", None)
    with pytest.raises(
        TrainingError,
        match="another configuration; expected optimization .*: 12, .*found optimization .*: 6, .*; give",
    ):
        train(data(), tmp_path, tiny(6))


def test_a_run_of_another_version_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("openmm_scoredyn.training.saving.__version__", "0.1.0")
    train(data(), tmp_path, tiny(12))
    monkeypatch.setattr("openmm_scoredyn.training.fit.collect_examples", None)
    with pytest.raises(TrainingError, match="found 0.1.0; finish it with that one, or begin in another"):
        train(data(), tmp_path, tiny(12))


def test_a_damaged_or_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="found no checkpoint"):
        load_checkpoint(tmp_path)
    (tmp_path / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="cannot read"):
        load_checkpoint(tmp_path)
