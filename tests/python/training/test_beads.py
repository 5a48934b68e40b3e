"""Beads of three types in a periodic box, conditioned on three frames: data, training, export, simulation."""

import numpy as np
import openmm
import pytest
from openmm import app, unit

import openmm_scoredyn as sd
from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.training import (
    NetworkChoice,
    OptimizationConfig,
    TrainingConfig,
    load_checkpoint,
    train,
)
from openmm_scoredyn.training.dataset import collect_examples

COUNT, BOX_NM, LAG_PS = 24, 2.0, 0.25
TYPES = {"X1": 40.0, "X2": 72.0, "X3": 100.0}  # masses, u
STIFFNESS = "3*sqrt(a1*a2)*step(0.6-r)*(1-r/0.6)^2"  # soft repulsion, kJ/mol; a is 1, 2 or 3


def topology() -> app.Topology:
    made = app.Topology()
    made.setPeriodicBoxVectors(np.eye(3) * BOX_NM * unit.nanometer)
    for k in range(COUNT):
        name = list(TYPES)[k % 3]
        made.addAtom(name, None, made.addResidue(name, made.addChain()))
    return made


def system() -> openmm.System:
    made, force = openmm.System(), openmm.CustomNonbondedForce(STIFFNESS)
    force.addPerParticleParameter("a")
    for k in range(COUNT):
        made.addParticle(list(TYPES.values())[k % 3])
        force.addParticle([1 + k % 3])
    force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.7)
    made.addForce(force)
    made.setDefaultPeriodicBoxVectors(*np.eye(3) * BOX_NM)
    return made


def simulate(frames: int, seed: int, enforce: bool = True) -> Trajectory:
    """Langevin dynamics, a frame every lag time; `enforce` puts every bead into the box."""
    integrator = openmm.LangevinMiddleIntegrator(300, 2, 0.01)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system(), integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.random.default_rng(seed).uniform(0, BOX_NM, (COUNT, 3)))
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(300, seed)
    integrator.step(500)
    found = []
    for _ in range(frames):
        integrator.step(round(LAG_PS / 0.01))
        state = context.getState(positions=True, enforcePeriodicBox=enforce)
        found.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
    return Trajectory(
        segments=(np.array(found, np.float32),),
        frame_spacing_ps=LAG_PS,
        temperature_K=300.0,
        molecule=Particles.from_topology(topology(), system()),
        steered=False,
        consecutive=True,
        source_sha256=f"beads{seed}".encode().hex(),
        box=np.eye(3, dtype=np.float32) * BOX_NM,
    )


def configuration(**options) -> TrainingConfig:
    # A bead without a neighbour within the cutoff does not see its own noise: the cutoff is wide.
    network = NetworkChoice.of(
        "message_passing",
        width=32,
        blocks=1,
        **({"history_length": 3, "periodic": True, "cutoff_nm": 0.95} | options),
    )
    return TrainingConfig(
        name="beads",
        network=network,
        optimization=OptimizationConfig(
            updates=600,
            batch_size=64,
            learning_rate=5e-3,
            warmup_updates=20,
            validation_every=300,
            ema_decay=0.98,
        ),
        lag_time_ps=LAG_PS,
    )


@pytest.fixture(scope="module")
def trajectories():
    return [simulate(600, seed) for seed in range(1, 4)]


@pytest.fixture(scope="module")
def model(trajectories, tmp_path_factory):
    folder = tmp_path_factory.mktemp("beads")
    train(trajectories, folder, configuration())
    network, card, parametrization = load_checkpoint(folder)
    sd.export_program(network, folder / "beads.pt", card, parametrization)
    return folder / "beads.pt"


def test_windows_are_unbroken_where_beads_cross_the_box(trajectories):
    """Trajectories hold every bead in the box; no bead moves by half a box in a lag time."""
    (trajectory, *_) = trajectories
    jumps = np.abs(np.diff(trajectory.segments[0], axis=0)).max()
    assert jumps > 0.5 * BOX_NM
    (examples,) = collect_examples([trajectory], LAG_PS, True, 3)
    assert examples.history.shape[1:] == (3, COUNT, 3)
    assert float((examples.after - examples.before).abs().max()) < 0.25 * BOX_NM
    assert float((examples.history[:, 1:] - examples.history[:, :-1]).abs().max()) < 0.25 * BOX_NM


def test_the_card_knows_types_history_and_box(model):
    card = sd.ScoreModel(model).card
    assert set(card.particles.types) == set(TYPES)
    assert card.capabilities.history_length == 3 and card.capabilities.periodic


def correlation(moves: np.ndarray, later: np.ndarray) -> float:
    """Correlation of displacements and those one lag time later."""
    return float((moves * later).mean() / np.sqrt((moves**2).mean() * (later**2).mean()))


def test_a_step_remembers_what_the_history_says_of_velocities(model, trajectories):
    """Displacements of MD correlate from step to step, exp(-friction lag) at most; draws must as well, in the
    mean square too, which no model of one frame can know.
    """
    (examples,) = collect_examples([simulate(400, 9)], LAG_PS, False, 3)
    history = examples.history.numpy()
    program = sd.ScoreModel(model)
    drawn = program.sample(history, 1, seed=1, box=np.eye(3, dtype=np.float32) * BOX_NM)[0]
    past = history[:, 2] - history[:, 1]
    step, real = drawn - history[:, 2], examples.after.numpy() - history[:, 2]
    centre = lambda moves: moves - moves.mean(1, keepdims=True)
    past, step, real = (centre(moves) for moves in (past, step, real))
    assert correlation(past, real) > 0.6
    assert correlation(past, step) == pytest.approx(correlation(past, real), abs=0.05)
    assert (step**2).mean() == pytest.approx((real**2).mean(), rel=0.1)


def test_it_runs_in_a_simulation_and_a_checkpoint_continues_it(model, trajectories):
    made = topology()
    bare = openmm.System()
    for mass in list(TYPES.values()) * (COUNT // 3):
        bare.addParticle(mass)
    bare.setDefaultPeriodicBoxVectors(*np.eye(3) * BOX_NM)

    def simulation():
        integrator = sd.ScoreDynamicsIntegrator(str(model))
        integrator.setRandomNumberSeed(5)
        return app.Simulation(made, bare, integrator, openmm.Platform.getPlatformByName("Reference"))

    first = simulation()
    first.context.setPositions(trajectories[0].segments[0][0].astype(float))
    first.step(10)
    kept = first.context.createCheckpoint()
    first.step(10)
    second = simulation()
    second.context.setPositions(trajectories[0].segments[0][0].astype(float))
    second.context.loadCheckpoint(kept)
    second.step(10)
    one, other = (
        run.context.getState(positions=True).getPositions(asNumpy=True)._value for run in (first, second)
    )
    np.testing.assert_array_equal(one, other)


def test_a_network_without_images_is_refused_for_periodic_data(trajectories, tmp_path):
    message = "does not see periodic images, the data are periodic; .* --set periodic=true"
    with pytest.raises(TrainingError, match=message):
        train(trajectories, tmp_path / "run", configuration(periodic=False))
    assert not (tmp_path / "run").exists()
