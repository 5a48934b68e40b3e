"""Rare events: their probability is learnt, the steps happen with it, and solvers that would spoil it are
refused.
"""

import dataclasses

import numpy as np
import openmm
import pytest
import torch
from alanine import alanine_molecule, alanine_positions, make_trajectory
from small_networks import ask, fit_network
from small_runs import Stop, killed_after, tiny
from torch import Tensor

import openmm_scoredyn as sd
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import SamplingError, TrainingError
from openmm_scoredyn.molecule.geometry import rotors
from openmm_scoredyn.networks.molecule_frame.gate import EventGate, rare_events
from openmm_scoredyn.networks.molecule_frame.rare_events import _features, fit_gate, prepare, share_out
from openmm_scoredyn.networks.protocol import Stage
from openmm_scoredyn.training import DistillationConfig, NetworkChoice, load_checkpoint, train
from openmm_scoredyn.training.dataset import SHOT_ALONG, collect_examples, turn_rotors
from openmm_scoredyn.training.describe import describe


def turned(positions: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Positions (P, 22, 3) with phi turned by angles (P,), radians: everything before N about
    the bond N-CA.
    """
    from scipy.spatial.transform import Rotation

    axis = positions[:, 8] - positions[:, 6]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    result = positions.copy()
    for k, (vector, turn) in enumerate(zip(axis, angle)):
        result[k, :6] = (
            Rotation.from_rotvec(turn * vector).apply(positions[k, :6] - positions[k, 6]) + positions[k, 6]
        )
    return result


def turned_psi(positions: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Positions (P, 22, 3) with psi turned by angles (P,), radians: everything after C about
    the bond CA-C.
    """
    from scipy.spatial.transform import Rotation

    result = positions.copy()
    for k, turn in enumerate(angle):
        axis = positions[k, 14] - positions[k, 8]
        rotation = Rotation.from_rotvec(turn * axis / np.linalg.norm(axis))
        result[k, 15:] = rotation.apply(positions[k, 15:] - positions[k, 14]) + positions[k, 14]
    return result


def shot_paths(count: int, seed: int, torsion: str = "phi"):
    """Paths of which every third turns the torsion far, each with a small weight then."""
    generator = np.random.default_rng(seed)
    first = alanine_positions() + 0.002 * generator.normal(size=(count, 22, 3))
    second = alanine_positions() + 0.002 * generator.normal(size=(count, 22, 3))
    hop = np.arange(count) % 3 == 0
    second = {"phi": turned, "psi": turned_psi}[torsion](second, np.where(hop, np.radians(150.0), 0.0))
    weights = np.where(hop[:, None], 1e-3, 1.0).astype(np.float32) * np.ones((count, 2), np.float32)
    return make_trajectory(
        seed=seed,
        segments=tuple(np.stack([first, second], 1)),
        steered=True,
        weights=weights,
        shot_torsion=torsion,
    )


def gated(updates: int = 12, **changes):
    """A tiny run of a network with gates."""
    network = NetworkChoice.of("molecule_frame", width=16, blocks=1, gates=True)
    return dataclasses.replace(tiny(updates, **changes), network=network)


def card_of(network, pairs):
    """The card of a network, with all the room for displacements that a test may need."""
    trajectory = make_trajectory(400, seed=9)
    return describe(network, gated(), [trajectory], pairs, [trajectory]).with_values(max_displacement_nm=1.0)


def gated_network(probability: float | None = None):
    torch.manual_seed(1)
    (pairs,) = collect_examples([make_trajectory(400, seed=9)], 1.0, False)
    network = fit_network("molecule_frame", pairs.before, pairs.after, width=16, blocks=1, gates=True)
    if probability is not None:
        for gate in network.gates:
            torch.nn.init.zeros_(gate.layers[-1].weight)
            gate.layers[-1].bias.data = torch.tensor(
                [float(np.log(probability / (1 - probability))), 0.0, 0.0]
            )
    return network.eval(), pairs


def weighted_pairs(count: int, generator, exponent: float):
    """Pairs of P(event|x) = 10^(exponent + x), shown with odds of one to two, and the weights to match."""
    x = 2 * torch.rand(count, 1, generator=generator) - 1
    event = torch.rand(count, generator=generator) < 1 / 3
    probability = 10 ** (exponent + x[:, 0])
    mean = torch.where(event, 3 * probability, 1.5 * (1 - probability))
    return x, mean * -torch.log(torch.rand(count, generator=generator)), event


@pytest.fixture
def fitted_gate(monkeypatch):
    """A gate that has learnt P(event|x) = 10^(-4 + x), and the generator of its pairs."""
    generator = torch.Generator().manual_seed(4)
    monkeypatch.setattr("openmm_scoredyn.networks.molecule_frame.rare_events._UPDATES", 1500)
    torch.manual_seed(0)
    gate = EventGate(1)
    fit_gate(gate, weighted_pairs(40_000, generator, -4), weighted_pairs(10_000, generator, -4), seed=1)
    return gate, generator


def logarithms(gate) -> tuple[Tensor, Tensor]:
    x = torch.linspace(-0.9, 0.9, 10)[:, None]
    return x[:, 0], gate(x)[:, 0].detach() / np.log(10)


def test_a_probability_of_1e_5_is_learnt_from_weighted_pairs(fitted_gate):
    x, found = logarithms(fitted_gate[0])
    np.testing.assert_allclose(found, -4 + x, atol=0.08)


def test_few_pairs_of_other_dynamics_move_a_fitted_gate_as_a_whole(fitted_gate):
    """Events eight times as rare, known from 200 pairs: the shape must stay."""
    gate, generator = fitted_gate
    below = [parameter.clone() for parameter in gate.layers[:-1].parameters()]
    slower = -4 - np.log10(8)
    fit_gate(
        gate, weighted_pairs(200, generator, slower), weighted_pairs(200, generator, slower), 1, further=True
    )
    x, found = logarithms(gate)
    np.testing.assert_allclose(found, slower + x, atol=0.25)
    assert all(torch.equal(old, new) for old, new in zip(below, gate.layers[:-1].parameters()))


def test_events_are_hops_over_a_barrier_of_phi_and_far_turns_of_psi():
    start = alanine_positions()[None].repeat(5, 0)
    ends = turned(start, np.radians([0.0, 30.0, 150.0, 0.0, 150.0]))
    ends[3:] = turned_psi(ends[3:], np.radians([140.0, 140.0]))
    found = rare_events(alanine_molecule(), torch.from_numpy(start), torch.from_numpy(ends))
    assert found.tolist() == [[False, False], [False, False], [True, False], [False, True], [True, False]]


def test_the_threshold_of_far_turns_is_spread_and_a_pair_keeps_its_label():
    """Between 70 and 130 degrees the share of pairs that count as far rises evenly."""
    start = alanine_positions()[None].repeat(600, 0)
    turns = np.repeat([60.0, 85.0, 100.0, 115.0, 140.0], 120) + np.random.default_rng(3).uniform(-1, 1, 600)
    ends = torch.from_numpy(turned_psi(start, np.radians(turns)))
    molecule, start = alanine_molecule(), torch.from_numpy(start)
    far = rare_events(molecule, start, ends)[:, 1]
    shares = far.float().reshape(5, 120).mean(1)
    assert (shares[0], shares[4]) == (0, 1)
    np.testing.assert_allclose(shares[1:4], [0.25, 0.5, 0.75], atol=4 * 0.5 / np.sqrt(120))
    order = torch.randperm(600)
    assert torch.equal(rare_events(molecule, start[order], ends[order])[:, 1], far[order])
    before, after = turn_rotors(
        rotors(molecule), (start.float(), ends.float()), torch.Generator().manual_seed(1)
    )
    assert torch.equal(
        rare_events(molecule, before, after), rare_events(molecule, start.float(), ends.float())
    )


def test_events_of_plain_pairs_are_left_out_and_shares_hold():
    free = make_trajectory(50, seed=2)
    hop = make_trajectory(segments=(np.stack([shot_paths(3, 5).segments[0]])[0],), seed=3)
    (pairs,) = collect_examples([free, hop, shot_paths(30, 4), shot_paths(30, 6, "psi")], 1.0, True)
    events = rare_events(alanine_molecule(), pairs.before, pairs.after)
    shared = share_out(pairs, events, torch.zeros(len(pairs), 3))
    event, plain = events[:, 0], ~pairs.shot
    assert event[plain].sum() == 2 and (shared.weight[plain & event] == 0).all()
    assert shared.weight[plain].sum() == pytest.approx(0.65, abs=1e-5)
    assert shared.weight[event].sum() == pytest.approx(0.05, abs=1e-5)
    for number in SHOT_ALONG.values():
        assert shared.weight[(pairs.ensemble == number) & ~event].sum() == pytest.approx(0.15, abs=1e-5)


def test_each_gate_learns_from_its_ensembles(monkeypatch):
    """A third of the paths turns its torsion, with a thousandth of the weight; free pairs never do."""
    monkeypatch.setattr("openmm_scoredyn.networks.molecule_frame.rare_events._UPDATES", 500)
    network, _ = gated_network()
    near = alanine_positions() + 0.002 * np.random.default_rng(5).normal(size=(400, 22, 3))
    free = make_trajectory(seed=6, segments=tuple(near.reshape(200, 2, 22, 3)), steered=True)
    (pairs,) = collect_examples([free, shot_paths(300, 7, "psi"), shot_paths(90, 8)], 1.0, False)
    prepare(network, pairs, pairs, Stage(seed=5))
    # Hops from the paths along phi alone; turns from all the others, free pairs among them.
    expected = [30 * 1e-3 / (30 * 1e-3 + 60), 100 * 1e-3 / (100 * 1e-3 + 200 + 200)]
    with torch.no_grad():
        found = [float(gate(_features(network, pairs)).exp().mean()) for gate in network.gates]
    assert found == pytest.approx(expected, rel=0.25)


def test_all_evaluations_of_a_step_agree_on_the_event(tmp_path):
    """With P = 0.3 for each of two events, the second only where the first does not happen: 30 % and 21 % of
    the steps.
    """
    network, pairs = gated_network(0.3)

    class Telling(torch.nn.Module):
        """The optimal denoiser of a latent that is 3 at the first event, 1 at the second and -3 at none."""

        def __init__(self, gated):
            super().__init__()
            self.gated = gated

        def condition(self, history: Tensor, box: Tensor, lag: Tensor, temperature: Tensor) -> list[Tensor]:
            return self.gated.condition(history, box, lag, temperature)

        def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
            moving = self.gated.moving
            happens = latent[:, moving : moving + 2] < condition[0][:, -2:]
            target = torch.where(happens[:, 0], 3.0, torch.where(happens[:, 1], 1.0, -3.0))[:, None]
            sigma = torch.exp(4 * level)[:, None]
            total = torch.sqrt(1 + sigma * sigma)
            raw = (target - latent / total) * total / sigma
            raw[:, 1:] = 0
            return raw

        def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
            shift = torch.zeros_like(history[:, -1])
            shift[:, :, 0] = 0.001 * latent[:, :1]
            return history[:, -1] + shift

    card = card_of(network, pairs).with_values(symmetric=False, denoising_steps=5)
    sd.export_program(Telling(network), tmp_path / "telling.pt", card, Parametrization("edm", "edm"))
    model = sd.ScoreModel(tmp_path / "telling.pt")
    start = alanine_positions()[None].repeat(4000, 0)
    moved = (model.sample(start, 1, seed=3)[0] - start)[:, 0, 0] / 0.001
    # Five evaluations are good to 0.04; one that saw the other branch would be off by more than 1.
    shares = [np.abs(moved - target) < 0.1 for target in (3.0, 1.0, -3.0)]
    assert sum(shares).all()
    for share, probability in zip(shares, (0.3, 0.21, 0.49)):
        assert abs(share.mean() - probability) < 4 * np.sqrt(probability * (1 - probability) / 4000)


def test_other_solvers_are_refused(tmp_path):
    network, pairs = gated_network()
    card = card_of(network, pairs)
    assert card.capabilities.solvers == ("trig_2m",)
    sd.export_program(network, tmp_path / "gated.pt", card, Parametrization("edm", "edm"))
    model = sd.ScoreModel(tmp_path / "gated.pt")
    with pytest.raises(
        (SamplingError, openmm.OpenMMException), match="is right with trig_2m only, found heun"
    ):
        model.sample(alanine_positions()[None], 1, seed=1, solver="heun")
    integrator = sd.ScoreDynamicsIntegrator(str(tmp_path / "gated.pt"))
    with pytest.raises(openmm.OpenMMException, match="is right with trig_2m only, found dpmpp_sde"):
        integrator.setSolver("dpmpp_sde")
    assert integrator.getSolver() == "trig_2m"
    with pytest.raises(sd.errors.CardError, match="is right with trig_2m only, found heun"):
        card.with_values(solver="heun")


@pytest.mark.parametrize("kind", ["from_scratch", "further", "distilled"])
def test_training_with_paths_goes_on_after_a_kill_as_if_nothing_had_happened(tmp_path, monkeypatch, kind):
    """The gates too are those of the checkpoint: another fit would give others, as it does here."""
    monkeypatch.setattr("openmm_scoredyn.networks.molecule_frame.rare_events._UPDATES", 100)

    def fit_otherwise(gate, *arguments, **options):
        for parameter in gate.requires_grad_(False).parameters():
            parameter.normal_()

    trajectories = [*(make_trajectory(300, seed=k) for k in range(3)), shot_paths(60, 11), shot_paths(60, 12)]
    start_from = None if kind == "from_scratch" else train(trajectories, tmp_path / "first", gated(2))
    config = gated(distillation=DistillationConfig(1)) if kind == "distilled" else gated()
    train(trajectories, tmp_path / "whole", config, start_from=start_from)
    with pytest.raises(Stop):
        train(trajectories, tmp_path / "broken", config, [killed_after(7)], start_from)
    monkeypatch.setattr("openmm_scoredyn.networks.molecule_frame.rare_events.fit_gate", fit_otherwise)
    train(trajectories, tmp_path / "broken", config, start_from=start_from)
    (network, card, _), (other, _, _) = (
        load_checkpoint(tmp_path / "whole"),
        load_checkpoint(tmp_path / "broken"),
    )
    assert card.provenance.training_data["shot_paths"] == 60
    for (name, value), again in zip(network.state_dict().items(), other.state_dict().values()):
        assert torch.equal(value, again), name


def test_paths_without_an_event_are_refused(tmp_path):
    still = [
        make_trajectory(2, 2, 2, seed=k, steered=True, weights=np.ones((3, 2), np.float32)) for k in (21, 22)
    ]
    with pytest.raises(TrainingError, match="expected paths over a barrier of phi among the 6 pairs"):
        train([make_trajectory(300, seed=1), make_trajectory(300, seed=2), *still], tmp_path / "run", gated())
    assert not (tmp_path / "run").exists()


def test_paths_along_one_torsion_alone_are_refused(tmp_path):
    """Hops are learnt from paths along phi, far turns from everything else."""
    free = [make_trajectory(300, seed=k) for k in range(2)]
    along_psi = [shot_paths(80, 30 + k, "psi") for k in range(2)]
    for others in ([], free):
        with pytest.raises(
            TrainingError, match="expected paths shot along phi, found 160 pairs of paths along psi"
        ):
            train([*along_psi, *others], tmp_path / "run", gated())
    with pytest.raises(TrainingError, match="expected pairs that were not shot along phi, found none; add"):
        train([shot_paths(80, 40 + k) for k in range(2)], tmp_path / "run", gated())
    assert not (tmp_path / "run").exists()


def test_the_network_is_told_of_one_event_at_most():
    network, _ = gated_network(0.3)
    told = []
    network.inner.predict_seen = lambda latent, level, seen, growth: told.append(seen[:, -2:]) or 0 * latent
    likely, unlikely = -2.0, 2.0  # distribution functions 0.02 and 0.98
    latent = torch.zeros(4, network.moving + 2)
    latent[:, network.moving :] = torch.tensor(
        [[likely, likely], [likely, unlikely], [unlikely, likely], [unlikely, unlikely]]
    )
    ask(network, latent, torch.zeros(4), torch.from_numpy(alanine_positions()).float().repeat(4, 1, 1))
    assert told[0].tolist() == [[1, 0], [1, 0], [0, 1], [0, 0]]
    (known,) = network.told([torch.zeros(2, 7)], torch.tensor([[False, True], [True, False]]))
    assert torch.special.ndtr(known[:, 5:]).tolist() == [[0, 1], [1, 0]]


def test_paths_for_a_network_without_gates_are_refused(tmp_path):
    trajectories = [*(make_trajectory(300, seed=k) for k in range(3)), shot_paths(60, 11), shot_paths(60, 12)]
    with pytest.raises(TrainingError, match="expected a network with gates, found one without and 120 pairs"):
        train(trajectories, tmp_path / "run", tiny())
    assert not (tmp_path / "run").exists()
