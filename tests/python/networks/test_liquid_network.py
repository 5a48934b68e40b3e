"""The network of liquids of beads: symmetries, images, boxes of any size, and a liquid whose best denoiser is
known.
"""

import numpy as np
import pytest
import torch
from liquids import (
    LENGTH_NM,
    MASSES,
    MOVED_NM,
    SPREAD_NM,
    best_denoised,
    cube,
    examples,
    network,
    particles,
    topology,
    trajectory,
)

import openmm_scoredyn as sd
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import MoleculeError, TrainingError
from openmm_scoredyn.networks.liquid import FORGOTTEN
from openmm_scoredyn.networks.neighbours import nearest_image
from openmm_scoredyn.networks.protocol import Stage
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.training import OptimizationConfig, TrainingConfig, train
from openmm_scoredyn.training.checkpoint import best_checkpoint
from openmm_scoredyn.training.dataset import Batches, random_rotations
from openmm_scoredyn.training.module import ScoreTraining

PAIRS, SINGLES = 40, 20  # a box of 2.03 nm


def situation(part, history=None, box=None):
    history = part.history if history is None else history
    box = part.box if box is None else box
    return history.double(), box.double(), part.lag_time_ps.double(), part.temperature_K.double()


def asked(model, part, latent, history=None, box=None):
    """Raw output (B, N, 3), float64."""
    level = torch.linspace(-0.8, 0.8, len(part), dtype=torch.float64)
    condition = model.condition(*situation(part, history, box))
    return model.predict(latent.flatten(1), level, condition).unflatten(1, [-1, 3]).detach()


@pytest.fixture(scope="module")
def part():
    return examples(PAIRS, SINGLES, history_length=3)[:6]


@pytest.fixture(scope="module")
def model(part):
    return network([part], history_length=3).double()


@pytest.fixture
def latent(part):
    return torch.randn(*part.after.shape, generator=torch.Generator().manual_seed(2)).double()


@pytest.mark.parametrize("mirrored", [False, True])
def test_output_turns_with_the_liquid_and_its_box_in_a_mirror_too(model, part, latent, mirrored):
    turn = random_rotations(1, torch.Generator().manual_seed(3))[0].double()
    turn = torch.linalg.qr(turn)[0]
    turn = turn * torch.linalg.det(turn) * (-1 if mirrored else 1)
    raw = asked(model, part, latent)
    turned = asked(model, part, latent @ turn, part.history.double() @ turn + 0.7, part.box.double() @ turn)
    assert raw.abs().mean() > 0.01
    assert (turned - raw @ turn).abs().max() < 1e-9 * raw.abs().max()


def test_which_image_of_a_bead_is_given_means_nothing(model, part, latent):
    generator = torch.Generator().manual_seed(4)
    shift = torch.randint(-2, 3, (*part.history.shape[:3], 3), generator=generator).double()  # of each frame
    moved = part.history.double() + shift @ part.box.double()[:, None]
    raw, other = asked(model, part, latent), asked(model, part, latent, moved)
    assert (raw - other).abs().max() < 1e-8 * raw.abs().max()


def test_equal_molecules_may_change_places(model, part, latent):
    order = torch.cat([torch.arange(2 * PAIRS).view(-1, 2).flip(0).flatten(), torch.arange(2 * PAIRS, 100)])
    raw, other = asked(model, part, latent), asked(model, part, latent[:, order], part.history[:, :, order])
    assert (raw[:, order] - other).abs().max() < 1e-9 * raw.abs().max()


def test_twice_the_box_holds_twice_the_same_liquid(part, model, latent):
    """Nothing depends on how many beads there are."""
    edge = part.box[0, 0, 0].item()
    step = torch.tensor([edge, 0.0, 0.0])
    double = [torch.arange(2 * PAIRS), 100 + torch.arange(2 * PAIRS)]
    double += [2 * PAIRS + torch.arange(SINGLES), 100 + 2 * PAIRS + torch.arange(SINGLES)]
    order = torch.cat(double)
    history = torch.cat([part.history, part.history + step], dim=2)[:, :, order]
    box = part.box * torch.tensor([2.0, 1.0, 1.0])[:, None]
    choice = NetworkChoice.of("liquid", width=16, blocks=2, cutoff_nm=0.6, history_length=3)
    core = choice.architecture.restore(choice.config, None, model.core.state_dict())
    larger = choice.architecture.bind(core, particles(2 * PAIRS, 2 * SINGLES)).double()
    raw = torch.cat([asked(model, part, latent)] * 2, dim=1)[:, order]
    found = asked(larger, part, torch.cat([latent, latent], dim=1)[:, order], history, box)
    assert (found - raw).abs().max() < 1e-5 * raw.abs().max()


def test_the_centre_of_mass_stays(model, part, latent):
    history, box, *_ = now = situation(part)
    condition = model.condition(*now)
    after = model.advance(latent.flatten(1), condition, history, box)
    masses = torch.tensor(particles(PAIRS, SINGLES).masses_amu, dtype=torch.float64)[:, None]
    moved = (masses * (after - history[:, -1])).sum(1) / masses.sum()
    assert (after - history[:, -1]).abs().max() > 0.1 and moved.abs().max() < 1e-8
    once = model.project(latent.flatten(1), condition)
    torch.testing.assert_close(model.project(once, condition), once, rtol=0, atol=1e-6)


def test_latents_lead_back_to_the_frame_but_for_the_centre_of_mass(model, part):
    history, box, *_ = now = situation(part)
    condition = model.condition(*now)
    clean = model.latent(part.before.double(), part.after.double(), condition)
    again = model.advance(clean, condition, history, box)
    missing = nearest_image((again - part.after.double())[:, None], box)[:, 0]
    assert (missing - missing.mean(1, keepdim=True)).abs().max() < 1e-6


def test_latents_have_unit_variance_kind_by_kind():
    part = examples(PAIRS, SINGLES, frames=200)
    model = network([part])
    clean = model.latent(part.before, part.after, model.condition(*part.situation)).unflatten(1, [-1, 3])
    for beads in (slice(0, 2 * PAIRS), slice(2 * PAIRS, None)):
        assert clean[:, beads].std().item() == pytest.approx(1, abs=0.02)


def test_frames_that_are_alike_say_that_the_past_is_not_known(model, part, latent):
    alone = part.history[:, -1:].expand_as(part.history)
    condition = model.condition(*situation(part, alone))
    assert condition[3].tolist() == [[0.0, 0.0]] * len(part)
    assert model.condition(*situation(part))[3].min() == 1
    difference = asked(model, part, latent, alone) - asked(model, part, latent)
    assert difference.abs().max() > 1e-3


def test_some_examples_are_shown_without_their_past():
    part = examples(PAIRS, SINGLES, frames=300, history_length=2)
    architecture = NetworkChoice.of("liquid").architecture
    shown, held_out = architecture.prepare(None, [part], [part], Stage(seed=1))
    still = (shown[0].history[:, 0] == shown[0].history[:, 1]).all(2).all(1)
    assert still.float().mean().item() == pytest.approx(FORGOTTEN, abs=0.06)
    assert torch.equal(shown[0].after, part.after) and held_out == [part]


# ---- training ----


def config(updates: int, **options):
    return TrainingConfig(
        name="pairs",
        network=NetworkChoice.of("liquid", **{"width": 16, "blocks": 1, "cutoff_nm": 0.6} | options),
        optimization=OptimizationConfig(
            updates=updates,
            batch_size=8,
            learning_rate=1e-2,
            warmup_updates=20,
            ema_decay=0.9,
            validation_every=updates,
        ),
        lag_time_ps=1.0,
    )


def test_it_learns_springs():
    """A Gaussian liquid, whose best denoiser is known."""
    part = examples(PAIRS, SINGLES, frames=150, springs=True)
    choice = NetworkChoice.of("liquid", width=16, blocks=1, cutoff_nm=0.6)
    torch.manual_seed(1)
    core = choice.architecture.fit(choice.config, [part])
    model = choice.architecture.bind(core, part.particles)
    asked_for = config(250)
    training, batches = (
        ScoreTraining(core, [model], asked_for),
        Batches([part], [model], asked_for, lambda: 0),
    )
    optimizer = torch.optim.Adam(core.parameters(), lr=1e-2)
    for update in range(250):
        optimizer.zero_grad()
        training.loss(batches.batch(update, 8)).backward()
        optimizer.step()
    new = examples(PAIRS, SINGLES, frames=150, springs=True, seed=9)
    batch = Batches([new], [model], asked_for, lambda: 0).batch(0, 128)
    condition = model.condition(batch.history, batch.box, batch.lag_time_ps, batch.temperature_K)
    clean = model.latent(batch.history[:, -1], batch.after, condition).unflatten(1, [-1, 3])
    noised = clean + batch.sigma[:, None, None] * model.project(batch.eps, condition).unflatten(1, [-1, 3])
    _, out = Parametrization().skip_and_out(batch.sigma)
    best, blind = (
        float((((x - clean) / out[:, None, None]) ** 2).mean())
        for x in (best_denoised(model, batch, noised, PAIRS), noised / (1 + batch.sigma[:, None, None] ** 2))
    )
    with torch.no_grad():
        found = float(training.loss(batch))
    assert best < blind - 0.03
    assert 0.98 * best < found < best + 0.35 * (blind - best), (best, found, blind)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on two compositions, the second of which is larger."""
    folder = tmp_path_factory.mktemp("liquid") / "run"
    boxes = [trajectory(PAIRS, SINGLES, 120), trajectory(60, 12, 60, seed=2)]
    boxes += [trajectory(PAIRS, SINGLES, 40, seed=3)]
    train(boxes, folder, config(250))
    return folder


@pytest.fixture(scope="module")
def transferable(trained):
    checkpoint = best_checkpoint(trained)
    return sd.TransferableModel(checkpoint.card, checkpoint.weights)


def test_it_simulates_a_composition_it_never_saw(transferable):
    """Bonds keep their length, and beads diffuse as they should."""
    import openmm
    from openmm import app, unit

    beads = topology(45, 16)
    bound = sd.bind(transferable, beads)
    assert bound.card.provenance.training_data["binding"]["extrapolation"] == "none in size"
    start = trajectory(45, 16, 3).segments[0][0]
    system = openmm.System()
    for kind in bound.card.particles.types:
        system.addParticle(MASSES[kind])
    system.setDefaultPeriodicBoxVectors(*beads.getPeriodicBoxVectors())
    integrator = sd.ScoreDynamicsIntegrator(bound)
    integrator.setRandomNumberSeed(1)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(beads, system, integrator, platform)
    simulation.context.setPositions(start * unit.nanometer)
    frames = []
    for _ in range(40):
        simulation.step(1)
        state = simulation.context.getState(positions=True, enforcePeriodicBox=False)
        frames.append(state.getPositions(asNumpy=True)._value)
    frames = np.array(frames)
    lengths = np.linalg.norm(frames[10:, 1:90:2] - frames[10:, 0:90:2], axis=2)
    assert lengths.mean() == pytest.approx(LENGTH_NM, rel=0.05)
    assert lengths.std() < 4 * SPREAD_NM
    moved = np.diff(frames[:, 90:], axis=0)
    assert moved.std() == pytest.approx(MOVED_NM["S1"], rel=0.15)


# ---- what is refused ----


@pytest.mark.parametrize(
    "made, box, words",
    [
        ((20, 50), None, "content of P1 is outside of training"),
        ((45, 16), np.eye(3) * 2.3, "the density is outside of training"),
        ((45, 16), np.diag([1.1, 2.2, 3.6]), "the box is too thin; expected at least 1.2 nm"),
        ((45, 16), cube(106) + np.array([[0, 0, 0], [0.2, 0, 0], [0, 0, 0]]), "triclinic"),
    ],
)
def test_boxes_that_training_had_not_are_refused(transferable, made, box, words):
    with pytest.raises(MoleculeError, match=words):
        sd.bind(transferable, topology(*made, box_nm=box))


def test_a_model_of_liquids_needs_a_box(transferable):
    beads = topology(45, 16)
    beads.setPeriodicBoxVectors(None)
    with pytest.raises(MoleculeError, match="expected a periodic box, found none"):
        sd.bind(transferable, beads)


def test_beads_and_bonds_that_training_had_not_are_refused(transferable):
    beads = topology(45, 16)
    residue = beads.addResidue("ION", beads.addChain())
    beads.addAtom("X9", None, residue)
    with pytest.raises(MoleculeError, match=r"never saw a bead such as 106 \(X9\); expected P1, P2, S1"):
        sd.bind(transferable, beads)
    beads = topology(45, 16)
    atoms = list(beads.atoms())
    beads.addBond(atoms[90], atoms[91])
    with pytest.raises(MoleculeError, match="never saw the bond S1-S1; expected P1-P2"):
        sd.bind(transferable, beads)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"width": 15}, "even width"),
        ({"blocks": 0}, "blocks of 1 or more"),
        ({"cutoff_nm": 0.0}, "above zero"),
        ({"cutoff_nm": 0.35}, "expected bonds within the cutoff of 0.35 nm, found one of 0.4"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words, tmp_path):
    boxes = [trajectory(PAIRS, SINGLES, 10, seed) for seed in (1, 2)]
    with pytest.raises(TrainingError, match=words):
        train(boxes, tmp_path / "run", config(1, **options))


def test_boxes_that_are_too_thin_are_refused_before_training(tmp_path):
    thin = [trajectory(6, 4, 10), trajectory(6, 4, 10, 2)]
    with pytest.raises(MoleculeError, match="the box is too thin"):
        train(thin, tmp_path / "run", config(1))
    assert not (tmp_path / "run" / "last.ckpt").exists()
