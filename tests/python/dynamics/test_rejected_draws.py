"""What the guard rejects is resampled: as often as it must be, alone, and counted."""

import numpy as np
from contexts import draw_counted, make_context
from programs import POSITIONS, Jumping

from openmm_scoredyn.program.native import scoredyn


def test_settings_changed_between_steps_keep_the_counters(make_program, make_system):
    path = make_program(Jumping(), max_displacement_nm=0.01, stereocentres=[])
    _context, integrator = make_context(path, make_system())
    integrator.step(50)
    rejected = integrator.getNumRejectedDraws()
    integrator.setMaxResamples(30)
    assert integrator.getNumRejectedDraws() == rejected > 0


def test_rejected_draws_follow_the_probability_of_refusal(make_program):
    """A jump beyond one standard deviation is rejected: 31.7 % of the draws."""
    path = make_program(
        Jumping(), latent_size=1, max_displacement_nm=0.01, stereocentres=[], bonds=[], bond_lengths_nm=[]
    )
    model = scoredyn.Program(path)
    replicas = 4000
    # Each replica somewhere else, so that a history taken from another one shows.
    start = POSITIONS + 0.001 * np.arange(replicas, dtype=np.float32)[:, None, None, None]
    options = {"seed": 5, "denoising_steps": 0, "max_resamples": 60}
    frames, counts = draw_counted(model, start, 1, **options)
    refused = 0.317311
    error = np.sqrt(refused * (1 - refused) / replicas)
    assert abs(counts["rejected_steps"] / replicas - refused) < 4 * error
    assert counts["rejected_draws"] == counts["displacement"] > counts["rejected_steps"]
    assert np.abs(frames[0] - start[:, 0]).max() <= 0.01 + 1e-6
    again, counted = draw_counted(model, start, 1, num_threads=3, **options)
    assert np.array_equal(again, frames) and counted == counts
    # Only the rejected replicas are resampled: each is what it would have been alone.
    for replica in range(20):
        one = start[replica : replica + 1]
        alone, _ = draw_counted(model, one, 1, first_replica=replica, **options)
        assert np.array_equal(alone[0, 0], frames[0, replica])


def test_rejected_draws_are_counted_by_cause(make_program, make_system, platform):
    path = make_program(Jumping(), latent_size=1, max_displacement_nm=0.01, bonds=[], bond_lengths_nm=[])
    _context, integrator = make_context(path, make_system(), platform)
    integrator.setMaxResamples(60)
    integrator.step(100)
    assert 0 < integrator.getNumRejectedSteps() <= integrator.getNumRejectedDraws()
    none = dict.fromkeys(scoredyn.CAUSES, 0)
    assert integrator.getRejectedDrawsByCause() == none | {"displacement": integrator.getNumRejectedDraws()}


def test_restart_restores_the_counters(make_program, make_system):
    path = make_program(Jumping(), latent_size=1, max_displacement_nm=0.01, bonds=[], bond_lengths_nm=[])
    context, integrator = make_context(path, make_system())
    integrator.setMaxResamples(60)
    integrator.step(50)
    counts = scoredyn.get_counts(integrator)
    saved, checkpoint = (
        context.getState(positions=True, integratorParameters=True),
        context.createCheckpoint(),
    )
    for restore in (lambda: context.setState(saved), lambda: context.loadCheckpoint(checkpoint)):
        integrator.step(50)
        assert scoredyn.get_counts(integrator) != counts
        restore()
        assert scoredyn.get_counts(integrator) == counts
