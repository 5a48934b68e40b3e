"""Steps of a model among the Monte Carlo moves of openmmtools."""

from openmmtools.mcmc import MCMCMove

from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator


class ScoreDynamicsMove(MCMCMove):
    """Steps of a model, at the temperature of the thermodynamic state.

    The noise of every context is its own, so that copies of a move, of which openmmtools makes one for each
    state, draw independently. No step is accepted or rejected by an energy: the stationary distribution of
    the move is the model's.

    Parameters
    ----------
    model : str
        A score program: its path, or the name of a shipped one. openmmtools writes it to its files.
    n_steps : int
        Steps, of the model's lag time each, whenever the move is applied.

    Notes
    -----
    What the integrator refuses, as a temperature that the model does not know or a barostat, is raised by
    `apply` as openmm.OpenMMException, and leaves the sampler state as it was.
    """

    def __init__(self, model: str, n_steps: int = 1):
        super().__init__()
        self.model = str(model)
        self.n_steps = n_steps

    def apply(self, thermodynamic_state, sampler_state, context_cache=None) -> None:
        """Advance the sampler state: positions, velocities and energies."""
        integrator = ScoreDynamicsIntegrator(self.model, temperature=thermodynamic_state.temperature)
        cache = self._get_context_cache(context_cache)
        context, integrator = cache.get_context(thermodynamic_state, integrator)
        sampler_state.apply_to_context(context)
        integrator.step(self.n_steps)
        sampler_state.update_from_context(context)

    def __getstate__(self) -> dict:
        return {"model": self.model, "n_steps": self.n_steps}

    def __setstate__(self, state: dict) -> None:
        self.model, self.n_steps = state["model"], state["n_steps"]
