"""ScoreDynamicsIntegrator: a trained model in the place of an OpenMM integrator."""

import logging
import os
from contextlib import contextmanager

import numpy as np
import openmm
from openmm import unit

from openmm_scoredyn.program.native import scoredyn

logger = logging.getLogger(__name__)


class ScoreDynamicsIntegrator(openmm.Integrator):
    """Advances a System by whole lag times, drawn from a trained model.

    Each step draws the positions one lag time later from the model and the velocities from the
    Maxwell-Boltzmann distribution at the temperature; with a CMMotionRemover in the System they leave
    the centre of mass at rest. Constraints of the System hold after every step, virtual sites follow, and
    nothing in the context changes when a step fails. The first frame of a context, and every frame set later,
    must pass the guard's rules.

    No step feels a force of the System. One that no force field makes, as a restraint or a bias, is refused
    unless `setForcesOnlyReported(True)` was called; docs/reference/integrator.md has the rule.

    Parameters
    ----------
    model : str, os.PathLike, bytes or ScoreModel
        A score program: its path, the name of a shipped one, its content, or loaded.
    temperature : openmm.unit.Quantity or float, K, optional
        One that the model knows; a context refuses another. Default: the first that it knows.
    stepSize : openmm.unit.Quantity or float, ps, optional
        A lag time that the model knows; a context refuses another. Default: the one that it recommends, else
        the shortest.
    allow_native_code : bool or str
        As for `ScoreModel`: an AOTInductor package (`.pt2`) is refused without it.

    Raises
    ------
    openmm.OpenMMException
        If the file cannot be read, has no valid card or holds native code that nobody trusted. A context
        raises it too, with one sentence per reason, for a System the model was not made for.
    """

    def __init__(self, model, temperature=None, stepSize=None, allow_native_code=False):
        self.this = _create(model, allow_native_code)
        if temperature is not None:
            self.setTemperature(temperature)
        if stepSize is not None:
            self.setStepSize(stepSize)

    @staticmethod
    def cast(integrator) -> "ScoreDynamicsIntegrator":
        """View an `openmm.Integrator` that is a ScoreDynamicsIntegrator as one.

        `XmlSerializer.deserialize`, `Simulation` with the name of an XML file and
        `CompoundIntegrator.getIntegrator` give the base class, which steps and is saved, but has none of the
        methods of this one. The object returned shares the integrator, and what owns it must live on.

        Raises
        ------
        openmm.OpenMMException
            If it is an integrator of another class, or no integrator.
        """
        if not scoredyn.is_score_dynamics(integrator):
            raise openmm.OpenMMException(
                "ScoreDynamicsIntegrator: cannot cast; expected a ScoreDynamicsIntegrator, found a "
                f"{type(integrator).__name__} of another kind; pass one that was created as such."
            )
        view = ScoreDynamicsIntegrator.__new__(ScoreDynamicsIntegrator)
        view.this = integrator.this
        return view

    def step(self, steps: int) -> None:
        """Advance by a number of steps, one lag time each; a whole number of any type.

        Ctrl-C is honoured between steps. Threads that step one integrator take turns.
        """
        with self._saying_if_not_recorded():
            scoredyn.step(self, as_int("number of steps", steps, 0))

    def tryStep(self) -> str | None:
        """Advance by one step if the model can make it.

        Returns
        -------
        str or None
            None if it did. Otherwise why not, and nothing has changed: the guard rejected the present frame,
            or every draw that is allowed (`setMaxResamples`). `HandOverIntegrator` goes on from there.
        """
        with self._saying_if_not_recorded():
            return scoredyn.try_step(self)

    @contextmanager
    def _saying_if_not_recorded(self):
        before = scoredyn.get_recording_status(self)
        yield
        status = scoredyn.get_recording_status(self)
        if status != before and status.startswith("plain: "):
            logger.warning("ScoreDynamicsIntegrator: steps go on operation by operation: %s", status[7:])

    def getModel(self):
        """Card of the model (`openmm_scoredyn.program.card.Card`)."""
        from openmm_scoredyn.program.card import Card

        return Card.from_json(scoredyn.card_json(self))

    def getModelPath(self) -> str:
        """Absolute path of the score program; empty for one given as bytes."""
        return scoredyn.model_path(self)

    def getModelSHA256(self) -> str:
        """Hexadecimal SHA-256 of the score program."""
        return scoredyn.model_sha256(self)

    def getTemperature(self) -> unit.Quantity:
        """Temperature of the steps and of the velocities, K."""
        return scoredyn.get_temperature(self) * unit.kelvin

    def setTemperature(self, temperature) -> None:
        """Set the temperature, K, to one that the model knows. Takes effect at the next step."""
        scoredyn.set_temperature(self, _value(temperature, unit.kelvin))

    def getSolver(self) -> str:
        """Name of the diffusion solver."""
        return scoredyn.get_sampling_options(self)["solver"]

    def setSolver(self, solver: str) -> None:
        """Set the solver, as in docs/concepts/how_a_step_works.md. Takes effect at the next step."""
        scoredyn.set_solver(self, solver)

    def getSamplingOptions(self) -> dict[str, str | int]:
        """How steps are drawn: the options of `ScoreModel.sample` of the same names."""
        return scoredyn.get_sampling_options(self)

    def setSamplingOptions(self, **options) -> None:
        """Set several of these options; one that is None stays. Takes effect at the next step.

        Raises
        ------
        openmm.OpenMMException
            If there is no such option, or a value is out of its range.
        """
        for name, value in options.items():
            if value is not None and name == "solver":
                scoredyn.set_solver(self, value)
            elif value is not None:
                scoredyn.set_sampling_option(self, name, as_int(name, value, 0))

    def getDenoisingSteps(self) -> int:
        """Evaluations of the network in one step."""
        return scoredyn.get_sampling_options(self)["denoising_steps"]

    def setDenoisingSteps(self, steps: int) -> None:
        """Set the evaluations of the network in one step, from the next step on.

        Parameters
        ----------
        steps : int, 1 or more; 0 is what a model has that does its step in one go

        Raises
        ------
        openmm.OpenMMException
            If the model needs more, or the number is no whole one.
        """
        self.setSamplingOptions(denoising_steps=as_int("number of denoising steps", steps, 0))

    def getRandomNumberSeed(self) -> int:
        """Seed of the noise; 0 means that every context chooses one.

        In a context it is the seed in use, whether it was set, chosen in place of 0 or brought by a
        checkpoint, until another one is set.
        """
        return scoredyn.get_random_number_seed(self)

    def setRandomNumberSeed(self, seed: int) -> None:
        """Set the seed of the noise, 0 (choose one) to 2**31 - 1.

        It takes effect when a context is created or reinitialized, `preserveState` or not, or a State is
        loaded.

        Notes
        -----
        A checkpoint goes on bit for bit and brings its own seed. A State (`saveState`, `setState`) goes on
        bit for bit where its seed is the one in use; with another seed, or one chosen in place of 0, its
        positions, history and counters are the start of a trajectory of its own, as with OpenMM's Langevin
        integrators. Walkers that start from one State in one context need a seed each, set before `setState`.
        """
        scoredyn.set_random_number_seed(self, as_int("random number seed", seed, 0))

    def getMaxResamples(self) -> int:
        """Draws allowed for one step after the guard rejected the first."""
        return scoredyn.get_sampling_options(self)["max_resamples"]

    def setMaxResamples(self, resamples: int) -> None:
        """Set the draws allowed for one step after the guard rejected the first, 0 or more."""
        self.setSamplingOptions(max_resamples=as_int("number of resamples", resamples, 0))

    def getRefinements(self) -> int:
        """Refinements of a rejected draw before another is made in its place."""
        return scoredyn.get_sampling_options(self)["refinements"]

    def setRefinements(self, refinements: int) -> None:
        """Set how often a rejected draw is refined before another is made in its place, 0 to 64.

        For systems of many bodies: a little noise, 0.3 of the spread of clean latents, is added to the latent
        of the draw, and two evaluations of the network take it away, so that one bad bond among hundreds is
        put right and the rest stays as it was drawn. What is kept is held against the guard as any draw. Each
        refinement counts towards `setMaxResamples`. Not for models that were distilled to few evaluations,
        which know the noise of their own steps alone, nor for those without denoising steps.
        """
        self.setSamplingOptions(refinements=as_int("number of refinements", refinements, 0))

    def getNumThreads(self) -> int:
        """Threads used inside one operation of the network."""
        return scoredyn.get_num_threads(self)

    def setNumThreads(self, threads: int) -> None:
        """Set the threads used inside one operation of the network, 1 to 256, from the next step on."""
        scoredyn.set_num_threads(self, as_int("number of threads", threads, 1))

    def getParticles(self) -> tuple[int, ...]:
        """Indices of the modelled particles in the order of the model; empty for all."""
        return tuple(scoredyn.get_particles(self))

    def setParticles(self, particles) -> None:
        """Name the modelled particles in the order of the model, for contexts created from now on.

        Every other particle of the System must be a virtual site. An empty sequence stands for all particles.
        """
        scoredyn.set_particles(self, [as_int("particle index", particle, 0) for particle in particles])

    def getForcesOnlyReported(self) -> bool:
        """Whether the System may hold forces that no force field makes."""
        return scoredyn.get_forces_only_reported(self)

    def setForcesOnlyReported(self, only: bool) -> None:
        """Accept forces that no force field makes, as restraints and biases, although no step feels them.

        Their energies are reported. For contexts created or reinitialized from now on.
        """
        scoredyn.set_forces_only_reported(self, only)

    def getHistory(self) -> unit.Quantity:
        """Frames (H, N, 3), nm, that the next step is conditioned on, newest last, in the order of the model.

        The present positions, H times, where they were set after the last step.

        Raises
        ------
        openmm.OpenMMException
            Without a context.
        """
        return scoredyn.get_history(self) * unit.nanometer

    def setHistory(self, frames) -> None:
        """Go on from these frames; the modelled particles move to the newest, and virtual sites follow.

        Parameters
        ----------
        frames : (H, N, 3), nm or with unit
            The last frames, one lag time apart, newest last, in the order of the model; whole molecules that
            do not jump by a box.

        Raises
        ------
        openmm.OpenMMException
            Without a context, or, with nothing changed, for another shape, a value that is not finite, or a
            frame that the guard refuses.
        """
        if unit.is_quantity(frames):
            frames = frames.value_in_unit(unit.nanometer)
        scoredyn.set_history(self, np.asarray(frames, dtype=np.float32))

    def getEmbedModel(self) -> bool:
        """Whether serialization embeds the model instead of naming its path and SHA-256."""
        return scoredyn.get_embed_model(self)

    def setEmbedModel(self, embed: bool) -> None:
        """Choose whether serialization embeds the model. One given as bytes always is."""
        scoredyn.set_embed_model(self, embed)

    def getNumRejectedDraws(self) -> int:
        """Draws made in this context in place of ones the guard rejected."""
        return scoredyn.get_counts(self)["rejected_draws"]

    def getNumRefinedDraws(self) -> int:
        """Those of `getNumRejectedDraws` that were refinements of a rejected draw."""
        return scoredyn.get_counts(self)["refined_draws"]

    def getNumRejectedSteps(self) -> int:
        """Steps of this context whose first draw the guard rejected."""
        return scoredyn.get_counts(self)["rejected_steps"]

    def getRejectedDrawsByCause(self) -> dict[str, int]:
        """Rejected draws of this context, by the first rule of the guard that each broke."""
        counts = scoredyn.get_counts(self)
        return {cause: counts[cause] for cause in scoredyn.CAUSES}

    def getRecordingStatus(self) -> str:
        """How the platform is given the steps of this context.

        "plain": operation by operation; "recorded": as a whole (a CUDA graph), from the third step on; or
        "plain: " and why a step could not be recorded.
        """
        return scoredyn.get_recording_status(self)


def _create(model, allow_native_code):
    """SWIG object of a new integrator for a path, bytes or a ScoreModel."""
    if isinstance(model, bytes):
        return scoredyn.create_integrator_from_bytes(model, allow_native_code)
    if isinstance(model, (str, os.PathLike)):
        return scoredyn.create_integrator(_file_of(os.fspath(model)), allow_native_code)
    program = getattr(model, "program", None)
    if not isinstance(program, scoredyn.Program):
        raise openmm.OpenMMException(
            f"ScoreDynamicsIntegrator: cannot read a model from a {type(model).__name__}; expected a path,"
            " bytes or a ScoreModel; pass the path of a score program."
        )
    # A loaded model has been trusted, under the SHA-256 of its file.
    if program.path:
        return scoredyn.create_integrator(program.path, allow_native_code)
    return scoredyn.create_integrator_from_bytes(program.source, allow_native_code)


def _file_of(model: str) -> str:
    """The path meant, or that of the shipped model of that name."""
    from openmm_scoredyn.errors import ProgramError
    from openmm_scoredyn.program.model import program_file

    try:
        return str(program_file(model))
    except ProgramError as error:
        raise openmm.OpenMMException(str(error)) from None


def _value(quantity, expected_unit):
    return float(quantity.value_in_unit(expected_unit) if unit.is_quantity(quantity) else quantity)


def as_int(name, value, minimum):
    """An int that the C++ side can take, because a larger one would raise a TypeError about overloads."""
    maximum = 2**31 - 1
    # A whole number of another type counts, as with OpenMM: simulation.step(1e5).
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    elif not isinstance(value, int) and hasattr(value, "__index__"):
        value = value.__index__()
    if not isinstance(value, int) or not minimum <= value <= maximum:
        raise openmm.OpenMMException(
            f"ScoreDynamicsIntegrator: the {name} is {value!r}; expected an integer from {minimum} to"
            f" {maximum}; give one in this range."
        )
    return value
