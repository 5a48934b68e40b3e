"""What a step draws: closed forms for positions and velocities, the same noise however it is drawn."""

from collections import Counter

import numpy as np
import openmm
import pytest
import torch
from contexts import KT, draw, make_context, positions_of, trajectory, velocities_of
from openmm import unit
from programs import (
    LAG,
    MASSES,
    POSITIONS,
    BoxLength,
    Counted,
    Drift,
    Failing,
    LagAndTemperature,
    OrnsteinUhlenbeck,
    OrnsteinUhlenbeckAtOnce,
    WideStart,
    WideStartAtOnce,
)

from openmm_scoredyn.program.native import scoredyn


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


@pytest.mark.parametrize("program", [OrnsteinUhlenbeck, OrnsteinUhlenbeckAtOnce])
def test_ornstein_uhlenbeck_variance_and_autocorrelation(make_either, program):
    """Stationary variance and exp(-k lag / tau) within 4 standard errors of independent replicas."""
    decay, spread, replicas, steps = 0.6, 0.002, 2000, 12  # the program's own
    model = scoredyn.Program(make_either(program(), stereocentres=[]))
    generator = np.random.default_rng(1)
    start = POSITIONS + generator.normal(scale=spread, size=(replicas, 1, 5, 3)).astype(np.float32)
    stages = 40 if program is OrnsteinUhlenbeck else 0
    frames = draw(model, start, steps, seed=11, denoising_steps=stages)
    deviation = np.concatenate([start[None, :, 0], frames]) - POSITIONS
    samples = replicas * 15
    variance = np.square(deviation[-1]).mean() / spread**2
    assert abs(variance - 1) < 4 * np.sqrt(2 / samples)
    for k in (1, 2, 5):
        correlation = (deviation[-1] * deviation[-1 - k]).mean() / spread**2
        assert abs(correlation - decay**k) < 4 * np.sqrt((1 + decay ** (2 * k)) / samples)


@pytest.mark.parametrize(
    "solver, denoising_steps, bias",
    [("heun", 80, 0.02), ("euler_ancestral", 300, 0.05), ("dpmpp_sde", 160, 0.03)],
)
def test_every_solver_keeps_the_stationary_variance(make_program, solver, denoising_steps, bias):
    """Within the bias of a finite number of denoising steps and 4 standard errors."""
    spread, replicas = 0.002, 600
    model = scoredyn.Program(make_program(OrnsteinUhlenbeck(0.2, spread), stereocentres=[]))
    start = np.repeat(POSITIONS[None, None], replicas, axis=0)
    frames = draw(model, start, 4, seed=11, save_every=4, solver=solver, denoising_steps=denoising_steps)
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


def test_condition_is_called_once_a_step(make_program, make_system):
    """However many evaluations of the network a step has."""
    for stages in (1, 5):
        _, integrator = make_context(make_program(Counted()), make_system())
        integrator.setDenoisingSteps(stages)
        with torch.autograd.profiler.profile() as profile:
            integrator.step(4)
        called = Counter(event.name for event in profile.function_events)
        assert (called["aten::digamma"], called["aten::lgamma"]) == (4, 4 * stages)


def test_start_is_where_denoising_begins(make_program):
    """Whatever the number of stages, the flow ends at the latent that `start` noised."""
    start = np.repeat(POSITIONS[None, None], 300, axis=0)
    once = draw(scoredyn.Program(make_program(WideStartAtOnce())), start, 1, denoising_steps=0)
    latents = (once[0] - POSITIONS) / 0.001
    assert abs(latents.mean() - 0.5) < 4 * 2 / np.sqrt(latents.size)
    assert abs(latents.var() / 4 - 1) < 4 * np.sqrt(2 / latents.size)
    model = scoredyn.Program(make_program(WideStart()))
    for stages in (1, 4):
        found = draw(model, start, 1, solver="trig_2m", denoising_steps=stages)
        # The flow stops at sigma_min = 0.01.
        np.testing.assert_allclose(found, once, rtol=0, atol=2e-6)


LISTS = {"lag_times_ps": [1.0, 2.0, 5.0], "temperatures_K": [280.0, 300.0]}


def test_condition_gets_the_lag_time_and_temperature_chosen(make_either, make_system, platform):
    path = make_either(LagAndTemperature(), **LISTS)
    for step_size, temperature in ((1, 280), (5, 300), (2, 280)):
        context, integrator = make_context(path, make_system(), platform)
        integrator.setStepSize(step_size)
        integrator.setTemperature(temperature)
        integrator.step(2)
        moved = [0.02 * step_size, 0.0002 * temperature, 0]
        np.testing.assert_allclose(positions_of(context), POSITIONS + moved, rtol=0, atol=1e-6)
        assert context.getState().getTime()._value == 2 * step_size
    found = draw(scoredyn.Program(path), POSITIONS[None, None], 1, lag_time_ps=5.0, temperature_K=280.0)
    np.testing.assert_allclose(found[0, 0], POSITIONS + [0.05, 0.028, 0], rtol=0, atol=1e-6)


def test_a_range_takes_what_lies_within(make_program, make_system):
    path = make_program(LagAndTemperature(), lag_times_ps=[1.0, 5.0], lag_time_range=True)
    context, integrator = make_context(path, make_system())
    integrator.setStepSize(2.5)
    integrator.step(1)
    np.testing.assert_allclose(positions_of(context), POSITIONS + [0.025, 0.03, 0], rtol=0, atol=1e-6)


def test_every_replica_has_its_own_box(make_program):
    model = scoredyn.Program(make_program(BoxLength(), periodic=True))
    lengths = np.array([2.0, 3.0, 4.0], np.float32)
    boxes = lengths[:, None, None] * np.eye(3, dtype=np.float32)
    frames = draw(model, np.repeat(POSITIONS[None, None], 3, axis=0), 2, box=boxes)
    expected = POSITIONS + 0.02 * lengths[:, None, None] * [1, 0, 0]
    np.testing.assert_allclose(frames[-1], expected, rtol=0, atol=1e-6)


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
    batch, third = draw(model, start, 8), draw(model, start[:1], 8, first_replica=3)
    np.testing.assert_allclose(batch[:, 3], third[:, 0], atol=1e-6)
    np.testing.assert_allclose(batch[:, 0], trajectory(*make_context(path, make_system()), 8), atol=1e-6)
    assert np.abs(batch[:, 3] - batch[:, 0]).max() > 1e-3


def test_sample_goes_on_from_first_step_and_saves_every_kth(make_program):
    model = scoredyn.Program(make_program(OrnsteinUhlenbeck()))
    start = POSITIONS[None, None]
    whole, sparse = draw(model, start, 9), draw(model, start, 9, save_every=3)
    rest = draw(model, whole[3][:, None], 5, first_step=4)
    assert np.array_equal(sparse, whole[2::3])
    assert np.array_equal(rest, whole[4:])


def test_solver_and_denoising_steps_take_effect(make_program, make_system):
    path = make_program(OrnsteinUhlenbeck())
    default = trajectory(*make_context(path, make_system()), 1)
    for change in (lambda i: i.setSolver("euler_ancestral"), lambda i: i.setDenoisingSteps(9)):
        context, integrator = make_context(path, make_system())
        change(integrator)
        assert not np.array_equal(trajectory(context, integrator, 1), default)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
def test_CUDA_is_whole_after_a_step_that_could_not_be_recorded(make_program, make_system):
    """The program looks at a value in mid-step, which breaks the capture of a CUDA graph."""
    cuda = openmm.Platform.getPlatformByName("CUDA")
    context, integrator = make_context(make_program(Failing("raise")), make_system(), cuda)
    integrator.step(5)
    assert integrator.getRecordingStatus().startswith("plain: ")
    assert torch.rand(3, device="cuda").sum() > 0
    assert torch.empty(8).pin_memory().is_pinned()
    assert np.isfinite(positions_of(context)).all()
