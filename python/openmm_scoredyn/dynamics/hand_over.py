"""HandOverIntegrator: ordinary dynamics makes the steps that a learned model cannot."""

import logging

import openmm
from openmm import unit

from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator, as_int
from openmm_scoredyn.program.native import scoredyn

_LOGGER = logging.getLogger(__name__)
_VARIABLE = (openmm.VariableLangevinIntegrator, openmm.VariableVerletIntegrator, openmm.CompoundIntegrator)


class HandOverIntegrator(openmm.CompoundIntegrator):
    """A learned model that hands the steps it cannot make to ordinary dynamics, one lag time at a time.

    Each step is one lag time. The model is asked first. If the guard refuses the present frame, or rejects
    every draw that is allowed (`learned.setMaxResamples`), nothing has changed, and the other integrator
    covers the lag time in steps of its own, feeling the forces of the System; then the model is asked again.
    So times, step counts and reports are those of the model's steps alone. What was handed over is counted,
    and the first reason is logged.

    Parameters
    ----------
    learned : ScoreDynamicsIntegrator
    dynamics : openmm.Integrator
        Of one step size, of which the lag time is a multiple, at the temperature of the model, as a
        LangevinMiddleIntegrator. A small step size copes with a strained frame.

    Attributes
    ----------
    learned, dynamics : the two, which live as long as this one; settings of both can be changed

    Raises
    ------
    openmm.OpenMMException
        If they do not fit each other; a step raises it, too, where the System has no forces.

    Notes
    -----
    A step of the dynamics is a draw from the same transition density, from the frame where the model failed,
    so it biases nothing that the model would not. A frame that the dynamics cannot mend, such as a mirror
    image, is handed over for ever: watch `getNumHandedOverSteps`. Counters, and with the platform's random
    numbers the trajectory, go on after a checkpoint; a State keeps the counters.
    """

    def __init__(self, learned: ScoreDynamicsIntegrator, dynamics: openmm.Integrator):
        super().__init__()
        _steps_of_a_lag_time(learned, dynamics)
        self.learned, self.dynamics = learned, dynamics
        self._told = False
        for member in (learned, dynamics):
            self.addIntegrator(member)

    def step(self, steps: int) -> None:
        """Advance by a number of lag times; a whole number of any type."""
        for _ in range(as_int("number of steps", steps, 0)):
            reason = self.learned.tryStep()
            if reason is not None:
                self._hand_over(reason)

    def _hand_over(self, reason: str) -> None:
        if not self._told:
            _LOGGER.warning("HandOverIntegrator: a step is handed to ordinary dynamics: %s", reason)
            self._told = True
        scoredyn.hand_over(self.learned, self.dynamics, _steps_of_a_lag_time(self.learned, self.dynamics))

    def getNumHandedOverSteps(self) -> int:
        """Steps of this context that the dynamics made."""
        return scoredyn.get_num_handed_over_steps(self.learned)

    def getNumRejectedDraws(self) -> int:
        """As `ScoreDynamicsIntegrator.getNumRejectedDraws`."""
        return self.learned.getNumRejectedDraws()

    def getNumRejectedSteps(self) -> int:
        """As `ScoreDynamicsIntegrator.getNumRejectedSteps`, of handed over steps those whose start was
        accepted.
        """
        return self.learned.getNumRejectedSteps()

    def getTemperature(self) -> unit.Quantity:
        """Temperature of both, K."""
        return self.learned.getTemperature()


def _steps_of_a_lag_time(learned, dynamics) -> int:
    """Steps of the dynamics in one of the model, if the two fit."""
    if isinstance(dynamics, (ScoreDynamicsIntegrator, *_VARIABLE)):
        raise openmm.OpenMMException(
            "HandOverIntegrator: expected ordinary dynamics with steps of one size, as a"
            f" LangevinMiddleIntegrator, found a {type(dynamics).__name__}; choose another."
        )
    lag_time_ps, step_ps = (one.getStepSize().value_in_unit(unit.picosecond) for one in (learned, dynamics))
    ratio = lag_time_ps / step_ps
    if not (round(ratio) >= 1 and abs(ratio - round(ratio)) < 1e-6 * ratio):
        raise openmm.OpenMMException(
            f"HandOverIntegrator: the model's step of {lag_time_ps:g} ps is no multiple of the dynamics';"
            f" expected a part of it, found {step_ps:g} ps; change the step size of the dynamics."
        )
    if hasattr(dynamics, "getTemperature"):
        wanted_K, found_K = (one.getTemperature().value_in_unit(unit.kelvin) for one in (learned, dynamics))
        if abs(wanted_K - found_K) > 1e-6 * wanted_K:
            raise openmm.OpenMMException(
                f"HandOverIntegrator: the dynamics have another temperature; expected {wanted_K:g} K, found"
                f" {found_K:g} K; set the model's."
            )
    return round(ratio)
