"""Networks of a range of lag times, against two dihedrals of known dynamics: phi turns by free diffusion, so
that exp(-D t) of its direction is left after t; psi hops between two wells at a rate k, and is in the other
with probability (1 - exp(-2 k t)) / 2. Neither depends on what the time is parted into.
"""

import numpy as np
import pytest
import torch
from alanine import alanine_molecule, alanine_positions

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.errors import SamplingError, TrainingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.export.binding import bind_particles
from openmm_scoredyn.molecule.geometry import backbone_torsions, rotors
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.networks.molecule_frame.lags import KNOTS, LagRange, fit_lag_range
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.transferable import TransferableModel
from openmm_scoredyn.training import OptimizationConfig, TrainingConfig, train
from openmm_scoredyn.training.checkpoint import best_checkpoint
from openmm_scoredyn.training.dataset import collect_examples

SHORTEST_PS, LONGEST_PS = 1.0, 16.0
DIFFUSION_PER_PS, HOPS_PER_PS = 0.06, 0.08
WELLS_RAD, WIDTH_RAD = np.array([-1.2, 1.2]), 0.2
FRAMES, REPLICAS = 6000, 2000


def hopped(lag_ps: float) -> float:
    """Probability of the other well after a lag time."""
    return (1 - np.exp(-2 * HOPS_PER_PS * lag_ps)) / 2


def measure() -> InternalCoordinates:
    return InternalCoordinates(alanine_molecule())


def turning() -> list[int]:
    """The coordinates phi and psi: about their bonds, against an atom beyond, and first of their parent."""
    molecule, coordinates = alanine_molecule(), measure()
    middles = [set(atoms[1:3]) for torsions in backbone_torsions(molecule) for atoms in torsions]
    found = []
    for k, (_, parent, grandparent, beyond) in enumerate(coordinates.rows.T.tolist()):
        about = {parent, grandparent} in middles and beyond not in molecule.neighbours[parent]
        if k >= 2 and about and not coordinates.has_sibling[k]:
            found.append(2 * len(molecule) - 5 + k)
    return found


def methyls() -> list[int]:
    """The coordinates that turn methyl groups, whose hydrogens training renames."""
    hydrogens = {atom for rotor in rotors(alanine_molecule()) for atom in rotor.hydrogens}
    coordinates = measure()
    leading = [k for k, row in enumerate(coordinates.rows.T.tolist()) if row[0] in hydrogens]
    return [2 * 22 - 5 + k for k in leading if not coordinates.has_sibling[k]]


def known_motion(seed: int, frames: int = FRAMES) -> Trajectory:
    """Alanine dipeptide of which phi diffuses, psi hops, methyls turn at random, and all else vibrates."""
    rng, coordinates = np.random.default_rng(seed), measure()
    like = torch.as_tensor(alanine_positions()).float().expand(frames, 22, 3)
    values = coordinates(like).double()
    spread = np.where(np.arange(values.shape[1]) < 21, 0.002, 0.03)  # of lengths, nm, and of angles, rad
    values += torch.from_numpy(spread * rng.standard_normal(values.shape))
    for k in methyls():
        values[:, k] = torch.from_numpy(rng.uniform(-np.pi, np.pi, frames))
    phi, psi = turning()
    step = rng.normal(0, np.sqrt(2 * DIFFUSION_PER_PS * SHORTEST_PS), frames)
    values[:, phi] += torch.from_numpy(np.cumsum(step))
    well = np.cumsum(rng.random(frames) < hopped(SHORTEST_PS)) % 2
    values[:, psi] = torch.from_numpy(WELLS_RAD[well] + rng.normal(0, WIDTH_RAD, frames))
    return Trajectory(
        segments=(coordinates.place(values.float(), like).numpy(),),
        frame_spacing_ps=SHORTEST_PS,
        temperature_K=300.0,
        molecule=alanine_molecule(),
        steered=False,
        consecutive=True,
        source_sha256=f"known{seed}".encode().hex(),
        force_field="none",
        solvent="vacuum",
    )


def configuration(**fields) -> TrainingConfig:
    usual = {
        "network": NetworkChoice.of("molecule_frame", width=48, blocks=2),
        "optimization": OptimizationConfig(
            updates=1200, batch_size=512, learning_rate=5e-3, warmup_updates=20, ema_decay=0.98
        ),
        "lag_time_ps": SHORTEST_PS,
        "longest_lag_time_ps": LONGEST_PS,
    }
    return TrainingConfig("known-motion", **usual | fields)


TRANSFERABLE = {
    "network": NetworkChoice.of(
        "zmatrix_transformer", width=32, heads=2, blocks=2, read_force_field=False, mirror_images=False
    ),
    "optimization": OptimizationConfig(
        updates=1600, batch_size=256, learning_rate=5e-3, warmup_updates=20, ema_decay=0.98
    ),
}


# Share of psi within three widths of a well, 0.997 in the dynamics and 0.4 of angles at random: as sharp as
# networks are after a minute of training.
SHARP = {"molecule_frame": 0.93, "zmatrix_transformer": 0.88}


@pytest.fixture(scope="module", params=["molecule_frame", "zmatrix_transformer"])
def model(request, tmp_path_factory) -> ScoreModel:
    folder = tmp_path_factory.mktemp("lags")
    transferable = request.param == "zmatrix_transformer"
    chosen = configuration(**(TRANSFERABLE if transferable else {}))
    train([known_motion(1), known_motion(2)], folder / "run", chosen)
    checkpoint = best_checkpoint(folder / "run")
    if transferable:
        weights = dict(checkpoint.network().state_dict())
        return bind_particles(
            TransferableModel(checkpoint.card, weights), alanine_molecule(), alanine_positions()
        )
    export_program(checkpoint.network(), folder / "m.pt", checkpoint.card, checkpoint.parametrization)
    return ScoreModel(folder / "m.pt")


def drawn(model: ScoreModel, lag_ps: float, steps: int) -> tuple[float, float, float]:
    """After some steps of a lag: mean cosine of what phi has turned, share of psi beyond the barrier, and
    share of psi within three widths of a well.
    """
    start = measure()(torch.as_tensor(alanine_positions()).float()[None])
    phi, psi = turning()
    start[:, psi] = float(WELLS_RAD[0])
    frame = measure().place(start, torch.as_tensor(alanine_positions()).float()[None]).numpy()
    end = model.sample(frame.repeat(REPLICAS, axis=0), steps, seed=5, lag_time_ps=lag_ps, guard=False)[-1]
    values = measure()(torch.from_numpy(end))
    turned = np.cos((values[:, phi] - start[:, phi]).numpy()).mean()
    angle = wrap(values[:, psi]).numpy()
    nearest = np.abs(angle[:, None] - WELLS_RAD).min(axis=1)
    return float(turned), float((angle > WELLS_RAD.mean()).mean()), float((nearest < 3 * WIDTH_RAD).mean())


@pytest.mark.parametrize("lag_ps", [1.0, 2.6, 4.0, 16.0])
def test_one_step_of_any_lag_goes_as_far_as_the_dynamics_does(model, lag_ps):
    """Also of one between those of the training data."""
    turned, across, inside = drawn(model, lag_ps, 1)
    error = 4 * np.sqrt(0.25 / REPLICAS)
    assert abs(turned - np.exp(-DIFFUSION_PER_PS * lag_ps)) < error
    assert abs(across - hopped(lag_ps)) < 0.03 + error
    assert inside > SHARP[model.card.provenance.network["name"]]


@pytest.mark.parametrize("lag_ps", [1.0, 4.0, 16.0])
def test_steps_of_every_lag_agree_after_the_same_time(model, lag_ps):
    """Chapman and Kolmogorov's equation: 16 x 1 ps, 4 x 4 ps and 1 x 16 ps; errors of steps add up."""
    steps = round(16 / lag_ps)
    turned, across, inside = drawn(model, lag_ps, steps)
    assert abs(turned - np.exp(-DIFFUSION_PER_PS * 16)) < 0.05 + 0.015 * steps
    assert abs(across - hopped(16.0)) < 0.1
    assert inside > SHARP[model.card.provenance.network["name"]]


def test_a_lag_beyond_the_range_is_refused_before_anything_is_drawn(model, tmp_path):
    from openmm_scoredyn.dynamics import run_replicas

    start = alanine_positions().astype(np.float32)[None]
    for lag in (0.5, 17.0):
        with pytest.raises(SamplingError, match=f"expected 1 to 16 ps, found {lag:g} ps"):
            model.sample(start, 1, seed=1, lag_time_ps=lag)
        with pytest.raises(SamplingError, match=f"expected 1 to 16 ps, found {lag:g} ps"):
            run_replicas(model, start, tmp_path / "x.frames", 1, seed=1, lag_time_ps=lag)
        assert not (tmp_path / "x.frames").exists()


def test_golden_examples_hold_both_ends_of_the_range_and_a_lag_between(model):
    golden = {round(entry["lag_time_ps"], 3) for entry in model.card.golden}
    assert golden == {1.0, 4.0, 16.0}
    assert model.card.capabilities.lag_time_range and model.card.capabilities.lag_times_ps == (1.0, 16.0)


@pytest.mark.parametrize("name", ["molecule_frame", "zmatrix_transformer"])
def test_latents_have_unit_spread_at_every_lag_and_advance_undoes_them(name):
    (pairs,) = collect_examples([known_motion(3)], 1.0, True, longest_lag_time_ps=16.0, seed=1)
    choice = NetworkChoice.of(name, width=8, blocks=1)
    network = choice.architecture.fit(choice.config, [pairs])
    network = choice.architecture.bind(network, pairs.particles)
    condition = network.condition(*pairs.situation)
    latent = network.latent(pairs.before, pairs.after, condition)
    soft = network.loss_weight > network.loss_weight.min()
    # phi, psi and the methyls; the transferable one counts what turns about peptide bonds with them.
    assert int(soft.sum()) == {"molecule_frame": 2 + 3, "zmatrix_transformer": 2 + 3 + 2}[name]
    for low, high in ((1, 2), (3, 6), (10, 17)):
        chosen = (pairs.lag_time_ps >= low) & (pairs.lag_time_ps < high)
        spread = latent[chosen][:, soft].std(0)
        assert ((spread - 1).abs() < 0.12).all()
    back = network.advance(latent, condition, pairs.history, pairs.box)
    difference = measure()(back) - measure()(pairs.after)
    difference[:, 41:] = wrap(difference[:, 41:])
    assert difference.abs().max() < 2e-3


def test_growth_is_linear_between_knots_and_ends_with_the_range():
    growth = torch.arange(float(KNOTS))[:, None].expand(KNOTS, 3).clone()
    lags = LagRange(torch.tensor([1.0, 1000.0]), growth)
    at = torch.tensor([1.0, 1000.0, 1000.0**0.5, 1000.0 ** (1.25 / (KNOTS - 1))])
    expected = torch.tensor([0.0, KNOTS - 1, (KNOTS - 1) / 2, 1.25])
    torch.testing.assert_close(lags.spread(at)[:, 0], expected, atol=1e-4, rtol=0)
    assert lags.features(at).shape[0] == 4 and (lags.features(at)[0] != lags.features(at)[1]).any()


def test_knots_between_multiples_of_the_frame_spacing_are_filled():
    (pairs,) = collect_examples([known_motion(4, 800)], 1.0, False, longest_lag_time_ps=3.0, seed=1)
    lags = fit_lag_range(measure(), pairs.before, pairs.after, pairs.lag_time_ps)
    grown = lags.growth[:, turning()[0]]  # phi, which goes on diffusing
    assert torch.isfinite(lags.growth).all() and (grown[1:] >= grown[:-1] - 1e-6).all()


def test_gates_are_refused_for_a_range_and_not_left_out(monkeypatch):
    monkeypatch.setattr("openmm_scoredyn.networks.molecule_frame.rare_events.require_fit", lambda *_: None)
    pairs = collect_examples([known_motion(5, 100)], 1.0, False, longest_lag_time_ps=4.0, seed=1)
    choice = NetworkChoice.of("molecule_frame", gates=True)
    with pytest.raises(TrainingError, match="expected one with gates, found 1 to 4 ps"):
        choice.architecture.check(choice.config, pairs)


def test_a_network_that_does_not_see_the_lag_is_not_trained_on_many():
    with pytest.raises(TrainingError, match="equivariant does not see the lag time; expected one lag time"):
        configuration(network=NetworkChoice.of("equivariant"))
    with pytest.raises(TrainingError, match="expected a range of lag times that ascends, found 4 to 2 ps"):
        configuration(lag_time_ps=4.0, longest_lag_time_ps=2.0)
