"""The equivariant network: its symmetries, what it diffuses, and a density whose optimal
denoiser is known.
"""

import pytest
import torch
from alanine import alanine_molecule, make_trajectory
from small_networks import ask, fit_network, latents, network, pairs, situation, step
from tiny_models import MOLECULE, POSITIONS

from openmm_scoredyn.diffusion.parametrization import Parametrization, denoising_loss
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.networks.displacement import mass_fractions, superposed
from openmm_scoredyn.networks.equivariant.pair_features import bond_classes
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig, load_checkpoint, train
from openmm_scoredyn.training.dataset import random_rotations

MIRROR = torch.tensor([1.0, 1.0, -1.0])


def inputs(dtype=torch.float64):
    """Noised latents (8, 22, 3), levels, conditions (8, 22, 3) nm, and one rotation matrix for each."""
    generator = torch.Generator().manual_seed(3)
    latent, level = torch.randn(8, 22, 3, generator=generator), torch.linspace(-0.9, 0.9, 8)
    turn = torch.linalg.qr(random_rotations(8, generator).double())[0]
    turn = turn * torch.linalg.det(turn)[:, None, None]
    return [x.to(dtype) for x in (latent, level, pairs()[0][:8], turn)]


@pytest.mark.parametrize("dtype, limit", [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_output_turns_with_the_molecule_and_ignores_where_it_is(dtype, limit):
    """In float64 to rounding; float32 adds its own, of coordinates and of latents that are large at this
    scale.
    """
    model = network("equivariant").to(dtype)
    latent, level, before, turn = inputs(dtype)
    raw = ask(model, latent, level, before)
    turned = ask(model, latent @ turn, level, before @ turn + 1.0)
    assert raw.abs().max() > 0.1
    assert (turned - raw @ turn).abs().max() < limit * raw.abs().max()


def mirror_difference(model) -> float:
    """How far the answer to a mirrored input is from the mirrored answer, relative to the answer."""
    latent, level, before, _ = inputs()
    mirror = MIRROR.double()
    raw = ask(model, latent, level, before)
    mirrored = ask(model, latent * mirror, level, before * mirror)
    return ((mirrored - raw * mirror).abs().mean() / raw.abs().mean()).item()


def test_a_mirror_image_gets_another_answer():
    assert mirror_difference(network("equivariant").double()) > 0.1


def test_cross_products_alone_tell_mirror_images_apart():
    """Without their weights the network is symmetric under reflection, too, so nothing else breaks that
    symmetry.
    """
    model = network("equivariant").double()
    with torch.no_grad():
        for block in model.blocks:
            block.receive.weight[:, -block.carried :] = 0
            block.merge.weight[:, block.vectors :] = 0
            block.widen.weight[:, -block.vectors :] = 0
    assert mirror_difference(model) < 1e-10


def test_rigid_motion_is_neither_seen_nor_answered():
    model = network("equivariant").double()
    latent, level, before, _ = inputs()
    centred = model.rows.centred(before)
    rigid = latent - model.rows.internal(latent, centred)
    assert rigid.abs().max() > 0.1
    raw = ask(model, latent, level, before)
    pushed = ask(model, latent + 5 * rigid, level, before)
    assert (pushed - raw).abs().max() < 1e-5 * raw.abs().max()
    mass = mass_fractions(alanine_molecule()).double()
    moved = model.rows.displacement(raw)
    assert moved.abs().max() > 1e-3
    assert (mass * moved).sum(1).abs().max() < 1e-6 * moved.abs().max()
    assert (mass * torch.linalg.cross(centred, moved)).sum(1).abs().max() < 1e-5 * moved.abs().max()


def test_a_step_leads_to_the_next_frame_superposed_on_the_first():
    before, after = pairs()
    turn = random_rotations(len(after), torch.Generator().manual_seed(5))
    model, mass = network("equivariant"), mass_fractions(alanine_molecule())
    expected = superposed(after, before, mass)
    built = step(model, latents(model, before, after @ turn + 1.0), before)
    assert (built - expected).abs().max() < 2e-6
    assert (torch.cdist(built, built) - torch.cdist(after, after)).abs().max() < 5e-6


def test_latents_of_the_training_pairs_have_unit_variance_and_do_not_correlate():
    before, after = pairs(4000)
    model = fit_network("equivariant", before, after, width=8, blocks=1)
    latent = latents(model, before, after).double().unflatten(1, [-1, 3])
    covariance = torch.einsum("pia,pja->ij", latent, latent) / (3 * len(latent))
    model = network("equivariant").rows
    expected = torch.eye(22) - model.still.double()
    assert (covariance - expected).abs().max() < 0.01


def test_bond_classes_count_bonds():
    classes, names = bond_classes(alanine_molecule()), alanine_molecule().atom_names
    alpha, beta = names.index("CA"), names.index("CB")
    assert classes[alpha, beta] == 1 and classes[names.index("HA"), beta] == 2
    assert classes[names.index("HA"), names.index("HB1")] == 3 and classes[0, 21] == 4
    assert torch.equal(classes, classes.T) and (classes == 0).sum() == 22


def test_every_parameter_learns():
    model = network("equivariant").train()
    latent, level, before, _ = inputs(torch.float32)
    ask(model, latent, level, before).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_is_eager():
    model = network("equivariant").double()
    latent, level, before, _ = inputs()
    scripted = torch.jit.script(model)
    torch.testing.assert_close(ask(scripted, latent, level, before), ask(model, latent, level, before))
    latent = latent.flatten(1)
    torch.testing.assert_close(step(scripted, latent, before), step(model, latent, before))


def test_too_few_pairs_are_refused():
    with pytest.raises(TrainingError, match="expected at least 22, found 20"):
        fit_network("equivariant", *pairs(20))


def chiral_gaussian(model, condition, generator):
    """Clean latents N(mean, 0.5^2), where the mean of each atom is a cross product of its arms
    to two others.
    """
    arms = [torch.roll(condition, k, dims=1) - condition for k in (1, 2)]
    mean = model.rows.internal(90 * torch.linalg.cross(*arms), condition)
    noise = torch.randn(condition.shape, generator=generator)
    return mean.flatten(1), (mean + model.rows.internal(0.5 * noise, condition)).flatten(1)


def test_it_learns_a_gaussian_whose_mean_a_mirror_turns_round():
    """The optimum is mean + s^2 / (s^2 + sigma^2) (noised - mean).

    The conditions hold as many mirror images as originals, and the noise is so large that the latents hardly
    tell the sign of the mean. Without cross products nothing else tells it: the loss is then 5.8 times the
    optimum.
    """
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    frames = torch.tensor(POSITIONS) + 0.01 * torch.randn(4000, 5, 3, generator=generator)
    model = fit_network("equivariant", frames[:2000], frames[2000:], MOLECULE, width=16, blocks=2)
    parametrization, sigma = Parametrization("edm", "edm"), torch.full((64,), 5.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    losses, optima = [], []
    for _ in range(300):
        shape = frames[torch.randint(4000, (64,), generator=generator)]
        shape = torch.where(torch.rand(64, 1, 1, generator=generator) < 0.5, shape, shape * MIRROR)
        condition = model.condition(*situation(shape))
        mean, clean = chiral_gaussian(model, condition[0], generator)
        eps = model.project(torch.randn(clean.shape, generator=generator), condition)
        loss = denoising_loss(model, parametrization, clean, condition, sigma, eps).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        best = mean + 0.25 / 25.25 * (clean + 5 * eps - mean)
        losses.append(loss.detach())
        optima.append((clean - best).square().mean() * 26 / 25)  # over out^2
    found, optimum = torch.stack(losses[-50:]).mean(), torch.stack(optima[-50:]).mean()
    assert found < 1.2 * optimum
    assert losses[0] > 2 * optimum


def test_a_run_trains_and_its_model_is_exported_as_symmetric(tmp_path):
    optimization = OptimizationConfig(updates=6, batch_size=16, warmup_updates=2, validation_every=6, seed=5)
    config = TrainingConfig(
        network=NetworkChoice.of("equivariant", width=16, blocks=1), optimization=optimization
    )
    trajectories = [make_trajectory(100, seed=k) for k in range(3)]
    network, card, parametrization = load_checkpoint(train(trajectories, tmp_path, config))
    assert card.capabilities.symmetric and card.capabilities.latent_type == "vector"
    loose = {"angles": (), "angle_limits_deg": (), "contacts": (), "double_bonds": (), "double_bonds_cis": ()}
    card = card.with_values(max_displacement_nm=5.0, bond_tolerance=0.9, stereocentres=(), **loose)
    report = export_program(network, tmp_path / "model.pt", card, parametrization)
    assert "SE(3) symmetry" in {check.name for check in report.checks}
    frames = ScoreModel(tmp_path / "model.pt").sample(trajectories[0].positions[:4], 2, seed=1)
    assert frames.shape == (2, 4, 22, 3)
