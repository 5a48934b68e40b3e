"""How fast a model draws."""

import time

import numpy as np

from openmm_scoredyn.program.model import ScoreModel

_STEPS = 5  # between two looks at the clock


def sampling_speed(model: ScoreModel, frame, replicas: int, seconds: float = 3.0) -> float:
    """ps a second of all replicas together, in one thread, measured after the first draws.

    Parameters
    ----------
    frame : (N, 3), nm, where every replica begins
    seconds : how long it is measured
    """
    histories = np.repeat(np.asarray(frame)[None, None], replicas, axis=0)
    histories = histories.repeat(model.card.capabilities.history_length, axis=1)
    model.sample(histories, _STEPS, seed=1)
    steps, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        model.sample(histories, _STEPS, seed=1, first_step=steps)
        steps += _STEPS
    return steps * replicas * model.card.lag_time_ps / elapsed
