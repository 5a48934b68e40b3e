"""ScoreDynamicsIntegrator in contexts: physics against closed forms, noise, redraws, restarts."""

import _thread
import io
import signal
import threading
import time

import numpy as np
import openmm
import pytest
import torch
from contexts import KT, make_context, positions_of, trajectory, velocities_of
from openmm import app, unit
from programs import (
    LAG,
    MASSES,
    POSITIONS,
    ConditionedOrnsteinUhlenbeck,
    Drift,
    Failing,
    Inertial,
    Jumping,
    OrnsteinUhlenbeck,
    OrnsteinUhlenbeckTransition,
)

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.native import scoredyn

NO_BOX = np.zeros((3, 3), np.float32)


def test_identity_keeps_positions_bit_for_bit(make_program, make_system, platform):
    context, integrator = make_context(make_program(Drift()), make_system(), platform)
    integrator.step(3)
    assert np.array_equal(positions_of(context), POSITIONS)


def test_constant_drift_is_exact(make_program, make_system, platform):
    # Powers of two, so that float32 sums are exact.
    velocity = (2.0**-7, -(2.0**-6), 2.0**-5)
    start = np.round(POSITIONS * 1024) / 1024
    context, integrator = make_context(
        make_program(Drift(velocity)), make_system(), platform, positions=start
    )
    integrator.step(10)
    assert np.array_equal(positions_of(context), start + 10 * np.array(velocity))


def test_time_and_step_count_advance(make_program, make_system, platform):
    context, integrator = make_context(make_program(Drift()), make_system(), platform)
    integrator.step(7)
    state = context.getState()
    assert state.getTime().value_in_unit(unit.picosecond) == pytest.approx(7 * LAG)
    assert state.getStepCount() == 7


@pytest.mark.parametrize("program", [OrnsteinUhlenbeck, OrnsteinUhlenbeckTransition])
def test_ornstein_uhlenbeck_variance_and_autocorrelation(make_either, program):
    """Stationary variance and exp(-k lag / tau) within 4 standard errors of independent replicas."""
    decay, spread, replicas, steps = 0.6, 0.002, 2000, 12  # the program's own
    model = scoredyn.Program(make_either(program(), noise_count=2, chiral_centres=[]))
    generator = np.random.default_rng(1)
    start = POSITIONS + generator.normal(scale=spread, size=(replicas, 1, 5, 3)).astype(np.float32)
    frames, _ = model.sample(start, NO_BOX, steps, 1, 11, 0, 0, "dpmpp_2m", 40)
    deviation = np.concatenate([start[None, :, 0], frames]) - POSITIONS
    samples = replicas * 15
    variance = np.square(deviation[-1]).mean() / spread**2
    assert abs(variance - 1) < 4 * np.sqrt(2 / samples)
    for k in (1, 2, 5):
        correlation = (deviation[-1] * deviation[-1 - k]).mean() / spread**2
        assert abs(correlation - decay**k) < 4 * np.sqrt((1 + decay ** (2 * k)) / samples)


@pytest.mark.parametrize(
    "solver, denoising_steps, bias", [("heun", 80, 0.02), ("euler_ancestral", 300, 0.05), ("dpmpp_sde", 160, 0.03)]
)
def test_every_solver_keeps_the_stationary_variance(make_program, solver, denoising_steps, bias):
    """Within the bias of a finite number of denoising steps and 4 standard errors."""
    spread, replicas = 0.002, 600
    model = scoredyn.Program(make_program(OrnsteinUhlenbeck(0.2, spread), chiral_centres=[]))
    start = np.repeat(POSITIONS[None, None], replicas, axis=0)
    frames, _ = model.sample(start, NO_BOX, 4, 4, 11, 0, 0, solver, denoising_steps)
    variance = np.square(frames[0] - POSITIONS).mean() / spread**2
    assert abs(variance - 1) < bias + 4 * np.sqrt(2 / (replicas * 15))


def test_velocities_are_maxwell_boltzmann(make_program, make_system, platform):
    context, integrator = make_context(make_program(Drift()), make_system(), platform)
    steps = 3000
    squares = np.zeros(5)
    energies = np.zeros(steps)
    for i in range(steps):
        integrator.step(1)
        squares += np.square(velocities_of(context)).sum(1) / steps
        energies[i] = context.getState(energy=True).getKineticEnergy()._value
    per_atom = squares * np.array(MASSES) / (3 * KT)
    assert np.all(np.abs(per_atom - 1) < 4 * np.sqrt(2 / (3 * steps)))
    assert abs(energies.mean() / (7.5 * KT) - 1) < 4 * np.sqrt(2 / (15 * steps))


def test_kinetic_energy_is_that_of_current_velocities(make_program, make_system, platform, rounding):
    context, integrator = make_context(make_program(Drift()), make_system(), platform)
    integrator.step(1)
    expected = 0.5 * np.sum(np.array(MASSES)[:, None] * velocities_of(context) ** 2)
    assert context.getState(energy=True).getKineticEnergy()._value == pytest.approx(expected, rel=rounding)


def test_condition_apart_gives_the_same_trajectory(make_program, make_system):
    whole = trajectory(*make_context(make_program(OrnsteinUhlenbeck()), make_system()), 5)
    apart = trajectory(*make_context(make_program(ConditionedOrnsteinUhlenbeck()), make_system()), 5)
    np.testing.assert_array_equal(whole, apart)


def test_same_seed_same_trajectory_other_seed_another(make_either, make_system):
    path = make_either(OrnsteinUhlenbeck())
    first = trajectory(*make_context(path, make_system()), 5)
    again = trajectory(*make_context(path, make_system()), 5)
    other = trajectory(*make_context(path, make_system(), seed=4), 5)
    assert np.array_equal(first, again)
    assert np.all(np.abs(first - other).max(axis=(1, 2)) > 1e-5)


def test_platforms_agree(make_either, make_system):
    path = make_either(OrnsteinUhlenbeck())
    runs = [
        trajectory(*make_context(path, make_system(), openmm.Platform.getPlatformByName(name)), 10)
        for name in ("Reference", "CPU")
    ]
    assert np.ptp(runs[0], axis=0).max() > 1e-3
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-6)


def test_seed_zero_chooses_another_each_time(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    runs = [trajectory(*make_context(path, make_system(), seed=0), 1) for _ in range(2)]
    assert not np.array_equal(*runs)


def test_two_steps_are_one_and_one(make_either, make_system, platform):
    path = make_either(OrnsteinUhlenbeck())
    context, integrator = make_context(path, make_system(), platform)
    integrator.step(2)
    other = trajectory(*make_context(path, make_system(), platform), 2)
    assert np.array_equal(positions_of(context), other[-1])


def test_replica_of_a_batch_is_the_single_run(make_either, make_system):
    path = make_either(OrnsteinUhlenbeck())
    model = scoredyn.Program(path)
    start = np.repeat(POSITIONS[None, None], 6, axis=0)
    batch, _ = model.sample(start, NO_BOX, 8, 1, 3, 0, 0, "dpmpp_2m", 5)
    third, _ = model.sample(start[:1], NO_BOX, 8, 1, 3, 0, 3, "dpmpp_2m", 5)
    np.testing.assert_allclose(batch[:, 3], third[:, 0], atol=1e-6)
    np.testing.assert_allclose(batch[:, 0], trajectory(*make_context(path, make_system()), 8), atol=1e-6)
    assert np.abs(batch[:, 3] - batch[:, 0]).max() > 1e-3


def test_sample_goes_on_from_first_step_and_saves_every_kth(make_program):
    model = scoredyn.Program(make_program(OrnsteinUhlenbeck()))
    start = POSITIONS[None, None]
    whole, _ = model.sample(start, NO_BOX, 9, 1, 3, 0, 0, "dpmpp_2m", 5)
    sparse, _ = model.sample(start, NO_BOX, 9, 3, 3, 0, 0, "dpmpp_2m", 5)
    rest, _ = model.sample(whole[3][:, None], NO_BOX, 5, 1, 3, 4, 0, "dpmpp_2m", 5)
    assert np.array_equal(sparse, whole[2::3])
    assert np.array_equal(rest, whole[4:])


def test_solver_and_denoising_steps_take_effect(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    default = trajectory(*make_context(path, make_system()), 1)
    for change in (lambda i: i.setSolver("euler_ancestral"), lambda i: i.setDenoisingSteps(9)):
        context, integrator = make_context(path, make_system())
        change(integrator)
        assert not np.array_equal(trajectory(context, integrator, 1), default)


def test_settings_changed_between_steps_keep_the_counters(make_program, make_system):
    path = make_program(Jumping(), max_displacement_nm=0.01, chiral_centres=[])
    _context, integrator = make_context(path, make_system())
    integrator.step(50)
    redraws = integrator.getNumRedraws()
    integrator.setMaxRedraws(30)
    assert integrator.getNumRedraws() == redraws > 0


def test_redraws_follow_the_probability_of_refusal(make_program):
    """A jump beyond one standard deviation is refused: 31.7 % of the draws."""
    path = make_program(
        Jumping(), latent_size=1, max_displacement_nm=0.01, chiral_centres=[], bonds=[], bond_lengths_nm=[]
    )
    model = scoredyn.Program(path)
    replicas = 4000
    # Each replica somewhere else, so that a history taken from another one shows.
    start = POSITIONS + 0.001 * np.arange(replicas, dtype=np.float32)[:, None, None, None]
    frames, counts = model.sample(start, NO_BOX, 1, 1, 5, 0, 0, "dpmpp_2m", 1, max_redraws=60)
    refused = 0.317311
    error = np.sqrt(refused * (1 - refused) / replicas)
    assert abs(counts["rejected_steps"] / replicas - refused) < 4 * error
    assert counts["redraws"] == counts["displacement"] > counts["rejected_steps"]
    assert np.abs(frames[0] - start[:, 0]).max() <= 0.01 + 1e-6
    # Only the refused replicas are drawn again: each is what it would have been alone.
    for replica in range(20):
        alone, _ = model.sample(
            start[replica : replica + 1], NO_BOX, 1, 1, 5, 0, replica, "dpmpp_2m", 1, max_redraws=60
        )
        assert np.array_equal(alone[0, 0], frames[0, replica])


def test_redraws_are_counted_by_cause(make_program, make_system, platform):
    path = make_program(Jumping(), latent_size=1, max_displacement_nm=0.01, bonds=[], bond_lengths_nm=[])
    _context, integrator = make_context(path, make_system(), platform)
    integrator.setMaxRedraws(60)
    integrator.step(100)
    assert 0 < integrator.getNumRejectedSteps() <= integrator.getNumRedraws()
    causes = integrator.getRedrawsByCause()
    assert causes == {"not_finite": 0, "bond": 0, "chirality": 0, "displacement": integrator.getNumRedraws()}


def test_history_goes_on_between_steps_and_starts_anew_when_moved(make_program, make_system, platform):
    path = make_program(Inertial(), history_length=2, latent_size=1)
    context, integrator = make_context(path, make_system(), platform)
    frames = trajectory(context, integrator, 4)
    sampled, _ = scoredyn.Program(path).sample(
        np.repeat(POSITIONS[None, None], 2, axis=1), NO_BOX, 4, 1, 3, 0, 0, "dpmpp_2m", 1
    )
    np.testing.assert_allclose(frames, sampled[:, 0], atol=1e-7)
    context.setPositions(POSITIONS)
    integrator.step(1)
    fresh, _ = scoredyn.Program(path).sample(
        np.repeat(POSITIONS[None, None], 2, axis=1), NO_BOX, 1, 1, 3, 4, 0, "dpmpp_2m", 1
    )
    np.testing.assert_allclose(positions_of(context), fresh[0, 0], atol=1e-7)


@pytest.mark.parametrize("program", [OrnsteinUhlenbeck, Inertial])
@pytest.mark.parametrize("way", ["checkpoint", "state", "state_xml", "other_context"])
def test_restart_goes_on_bit_for_bit(make_program, make_system, platform, program, way):
    history = 2 if program is Inertial else 1
    path = make_program(program(), history_length=history, latent_size=1 if program is Inertial else 5)
    context, integrator = make_context(path, make_system(), platform, seed=0)
    integrator.step(3)
    if way == "checkpoint":
        saved = context.createCheckpoint()
    else:
        saved = context.getState(positions=True, velocities=True, integratorParameters=True)
    unbroken = trajectory(context, integrator, 4)
    if way == "other_context":
        context, integrator = make_context(path, make_system(), platform, seed=77)
    elif way == "state_xml":
        saved = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(saved))
    (context.loadCheckpoint if way == "checkpoint" else context.setState)(saved)
    assert np.array_equal(trajectory(context, integrator, 4), unbroken)


def test_restart_restores_the_counters(make_program, make_system):
    path = make_program(Jumping(), latent_size=1, max_displacement_nm=0.01, bonds=[], bond_lengths_nm=[])
    context, integrator = make_context(path, make_system())
    integrator.setMaxRedraws(60)
    integrator.step(50)
    counts = scoredyn.get_counts(integrator)
    saved, checkpoint = context.getState(positions=True, integratorParameters=True), context.createCheckpoint()
    for restore in (lambda: context.setState(saved), lambda: context.loadCheckpoint(checkpoint)):
        integrator.step(50)
        assert scoredyn.get_counts(integrator) != counts
        restore()
        assert scoredyn.get_counts(integrator) == counts


def test_reinitialize_starts_the_noise_anew_or_keeps_it(make_program, make_system):
    context, integrator = make_context(make_program(OrnsteinUhlenbeck()), make_system())
    first = trajectory(context, integrator, 3)
    context.reinitialize()
    context.setPositions(POSITIONS)
    assert np.array_equal(trajectory(context, integrator, 3), first)
    second = trajectory(context, integrator, 1)
    context.reinitialize()
    context.setPositions(POSITIONS)
    integrator.step(3)
    context.reinitialize(preserveState=True)
    assert np.array_equal(trajectory(context, integrator, 1), second)


def test_simulation_with_reporters(make_either, make_system):
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for symbol in ("C", "H", "F", "Cl", "Br"):
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    integrator = ScoreDynamicsIntegrator(make_either(OrnsteinUhlenbeck()), 300 * unit.kelvin, 1 * unit.picosecond)
    simulation = app.Simulation(topology, make_system(), integrator)
    simulation.context.setPositions(POSITIONS)
    text = io.StringIO()
    simulation.reporters.append(app.StateDataReporter(text, 2, step=True, time=True, kineticEnergy=True))
    simulation.step(10)
    assert len(text.getvalue().splitlines()) == 6
    assert text.getvalue().splitlines()[-1].startswith("10,10.0")


def test_compound_integrator_switches_between_langevin_and_model(make_program, make_system, platform):
    compound = openmm.CompoundIntegrator()
    compound.addIntegrator(openmm.LangevinMiddleIntegrator(300, 1, 0.001))
    compound.addIntegrator(ScoreDynamicsIntegrator(make_program(OrnsteinUhlenbeck())))
    context = openmm.Context(make_system(), compound, platform)
    context.setPositions(POSITIONS)
    compound.step(2)
    compound.setCurrentIntegrator(1)
    compound.step(3)
    assert context.getState().getTime()._value == pytest.approx(3.002)
    member = ScoreDynamicsIntegrator.cast(compound.getIntegrator(1))
    assert member.getSolver() == "dpmpp_2m"
    with pytest.raises(openmm.OpenMMException, match="expected a ScoreDynamicsIntegrator"):
        ScoreDynamicsIntegrator.cast(compound.getIntegrator(0))


def test_motion_remover_is_accepted(make_program, make_system, platform):
    system = make_system()
    system.addForce(openmm.CMMotionRemover())
    context, integrator = make_context(make_program(OrnsteinUhlenbeck()), system, platform)
    integrator.step(3)
    assert np.isfinite(positions_of(context)).all()


@pytest.mark.parametrize("mode", ["nan", "shape", "dtype", "raise", "matmul"])
def test_nothing_changes_when_a_step_fails(make_program, make_system, platform, mode):
    system = make_system()
    system.addForce(openmm.CMMotionRemover())
    far = POSITIONS + np.array([100, 0, 0])
    context, integrator = make_context(make_program(Failing(mode)), system, platform, positions=far)
    context.setVelocitiesToTemperature(300, 1)
    before = context.getState(positions=True, velocities=True)
    with pytest.raises(openmm.OpenMMException):
        integrator.step(1)
    after = context.getState(positions=True, velocities=True)
    assert np.array_equal(after.getPositions(asNumpy=True)._value, before.getPositions(asNumpy=True)._value)
    assert np.array_equal(after.getVelocities(asNumpy=True)._value, before.getVelocities(asNumpy=True)._value)
    assert after.getTime() == before.getTime() and after.getStepCount() == before.getStepCount()
    # The context is usable afterwards.
    context.setPositions(POSITIONS)
    integrator.step(1)


def test_gil_is_released_while_stepping(make_program, make_system):
    _context, integrator = make_context(make_program(OrnsteinUhlenbeck()), make_system())
    ticks = []

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    done = threading.Event()
    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    integrator.step(3000)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(begin < t < end for t in ticks) > 5


def test_thread_count_of_the_process_is_kept(make_either, make_system):
    context, integrator = make_context(make_either(OrnsteinUhlenbeck()), make_system())
    before = torch.get_num_threads()
    integrator.setNumThreads(before + 1)
    integrator.step(2)
    assert torch.get_num_threads() == before
    assert context.getState().getStepCount() == 2


def test_control_c_stops_between_steps(make_program, make_system):
    context, integrator = make_context(make_program(Drift()), make_system())
    # A process started in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, _thread.interrupt_main).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            integrator.step(1_000_000)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 0 < context.getState().getStepCount() < 1_000_000


def test_units_in_and_out(make_program):
    integrator = ScoreDynamicsIntegrator(make_program(Drift()), 0.3 * unit.kelvin * 1000, 1000 * unit.femtosecond)
    assert integrator.getTemperature().value_in_unit(unit.kelvin) == pytest.approx(300)
    assert integrator.getStepSize().value_in_unit(unit.femtosecond) == pytest.approx(1000)
    assert integrator.getModel().name == "Drift"


def test_model_as_path_bytes_or_loaded(make_either, make_system, tmp_path):
    from pathlib import Path

    from openmm_scoredyn import ScoreModel

    path = make_either(OrnsteinUhlenbeck())
    content = Path(path).read_bytes()
    for model in (path, Path(path), content, ScoreModel(path), ScoreModel(content)):
        integrator = ScoreDynamicsIntegrator(model)
        assert integrator.getModelSHA256() == scoredyn.Program(path).sha256
        is_bytes = isinstance(model, bytes) or (isinstance(model, ScoreModel) and not model.program.path)
        assert integrator.getModelPath() == ("" if is_bytes else path)
