"""The move of openmmtools: steps of known answers, among other moves, refused, written and read."""

import warnings

import numpy as np
import openmm
import programs
import pytest
from openmm import unit

pytest.importorskip("openmmtools")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    from openmmtools import cache, mcmc, states, utils

from openmm_scoredyn.dynamics.mcmc_move import ScoreDynamicsMove

START = programs.POSITIONS
SPREAD, DECAY = 0.002, 0.6  # of OrnsteinUhlenbeck, nm


@pytest.fixture
def contexts():
    return cache.ContextCache(platform=openmm.Platform.getPlatformByName("Reference"))


@pytest.fixture
def state(make_system):
    return states.ThermodynamicState(make_system(), programs.TEMPERATURE * unit.kelvin)


def sampler_state():
    return states.SamplerState(START * unit.nanometer)


def nanometers(sampler):
    return sampler.positions.value_in_unit(unit.nanometer)


def test_a_move_is_as_many_steps(make_program, state, contexts):
    move = ScoreDynamicsMove(make_program(programs.Drift((0.25, 0, -0.5))), n_steps=3)
    sampler = sampler_state()
    for moves in (1, 2):
        move.apply(state, sampler, contexts)
        np.testing.assert_allclose(
            nanometers(sampler), START + 3 * moves * np.array([0.25, 0, -0.5]), atol=1e-6
        )
    assert len(contexts) == 1
    assert sampler.velocities.shape == START.shape and sampler.potential_energy is not None


def test_moves_draw_new_noise(make_program, state, contexts):
    """z' = 0.6 z + 0.8 e of unit variance, of 15 independent coordinates, in 500 moves of one step; exactly,
    as five evaluations of its denoiser have a variance of 0.85.
    """
    move = ScoreDynamicsMove(make_program(programs.OrnsteinUhlenbeckAtOnce()))
    sampler = sampler_state()
    frames = []
    for _ in range(500):
        move.apply(state, sampler, contexts)
        frames.append(nanometers(sampler))
    z = (np.array(frames[20:]) - START) / SPREAD
    independent = z.size * (1 - DECAY) / (1 + DECAY)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / independent)
    assert abs((z[1:] * z[:-1]).mean() - DECAY) < 4 / np.sqrt(independent)


def test_copies_of_a_move_draw_apart(make_program, state):
    """As openmmtools has them, one for each state, each with a context of its own."""
    move = ScoreDynamicsMove(make_program(programs.OrnsteinUhlenbeck()))
    ends = []
    for _ in range(2):
        sampler = sampler_state()
        move.apply(
            state, sampler, cache.ContextCache(platform=openmm.Platform.getPlatformByName("Reference"))
        )
        ends.append(nanometers(sampler))
    assert np.abs(ends[0] - ends[1]).min() > 0


def test_it_stands_beside_other_moves(make_program, make_system, contexts):
    """Drifts of two steps of 0.5 nm, between femtoseconds of dynamics that are too short to matter."""
    drift = ScoreDynamicsMove(make_program(programs.Drift((0, 0, 0.5))), 2)
    langevin = mcmc.LangevinDynamicsMove(timestep=1e-6 * unit.femtoseconds, n_steps=1)
    state = states.ThermodynamicState(make_system(), programs.TEMPERATURE * unit.kelvin)
    sampler = mcmc.MCMCSampler(state, sampler_state(), mcmc.SequenceMove([drift, langevin]))
    sampler.run(3, contexts)
    np.testing.assert_allclose(
        nanometers(sampler.sampler_state) - START, np.broadcast_to([0, 0, 3.0], START.shape), atol=1e-5
    )


def test_a_temperature_that_the_model_does_not_know_is_refused_and_nothing_moves(
    make_program, make_system, contexts
):
    move = ScoreDynamicsMove(make_program(programs.Drift((0.25, 0, 0))))
    sampler = sampler_state()
    with pytest.raises(openmm.OpenMMException, match="temperature"):
        move.apply(states.ThermodynamicState(make_system(), 310 * unit.kelvin), sampler, contexts)
    np.testing.assert_array_equal(nanometers(sampler), START)


def test_it_is_written_and_read(make_program):
    move = ScoreDynamicsMove(make_program(programs.Drift()), n_steps=7)
    again = utils.deserialize(utils.serialize(move))
    assert (again.model, again.n_steps) == (move.model, 7)
