"""Every refusal of settings and of steps, by the text of its sentence."""

import re

import numpy as np
import openmm
import pytest
from programs import (
    MASSES,
    POSITIONS,
    Drift,
    Failing,
    Jumping,
    LagAndTemperature,
)
from refusals import make_context, refusal

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.program.native import scoredyn

FAR = POSITIONS + np.array([100, 0, 0])

# settings


def test_step_size(make_program, make_system):
    path = make_program(Drift(), lag_times_ps=[10.0])
    sentence = (
        "ScoreDynamicsIntegrator: the model was trained for a step of 10 ps, but the step size is 2 ps. "
        "Call setStepSize(10) or use another model."
    )
    with refusal(sentence):
        make_context(path, make_system(), lambda i: i.setStepSize(2))
    context, integrator = make_context(path, make_system())
    context.setPositions(POSITIONS)
    integrator.setStepSize(2)
    with refusal(sentence):
        integrator.step(1)


def test_temperature(make_program, make_system):
    with refusal("the model was trained at 300 K, but the temperature is 310 K. Call setTemperature(300)"):
        make_context(make_program(Drift()), make_system(), lambda i: i.setTemperature(310))


@pytest.mark.parametrize(
    ("known", "step_size", "temperature", "text"),
    [
        ({}, 3, 300, "a step of 1, 2 or 5 ps, but the step size is 3 ps. Call setStepSize(1)"),
        ({}, 2, 290, "trained at 280 or 300 K, but the temperature is 290 K. Call setTemperature(280)"),
        (
            {"lag_times_ps": [1, 5], "lag_time_range": True},
            6,
            300,
            "a step of 1 to 5 ps, but the step size is 6 ps.",
        ),
        (
            {"temperatures_K": [280, 320], "temperature_range": True},
            2,
            325,
            "trained at 280 to 320 K, but the temperature is 325 K.",
        ),
    ],
)
def test_what_the_model_does_not_know(make_program, make_system, known, step_size, temperature, text):
    lists = {"lag_times_ps": [1.0, 2.0, 5.0], "temperatures_K": [280.0, 300.0]}
    path = make_program(LagAndTemperature(), **(lists | known))

    def choose(integrator):
        integrator.setStepSize(step_size)
        integrator.setTemperature(temperature)

    with refusal(text):
        make_context(path, make_system(), choose)


def test_denoising_steps_of_a_model_that_has_none(make_program, make_system):
    context, integrator = make_context(make_program(Jumping()), make_system())
    context.setPositions(POSITIONS)
    integrator.setDenoisingSteps(3)
    with refusal("does its step without denoising; expected 0 denoising steps, found 3"):
        integrator.step(1)
    integrator.setDenoisingSteps(0)
    integrator.step(1)
    assert integrator.getDenoisingSteps() == 0 and context.getStepCount() == 1


@pytest.mark.parametrize("value", [-1, 2**31, 1.5, "one"])
def test_seed(make_program, value):
    with refusal(f"the random number seed is {value!r}; expected an integer from 0 to 2147483647"):
        ScoreDynamicsIntegrator(make_program(Drift())).setRandomNumberSeed(value)


@pytest.mark.parametrize(
    "setter, value, text",
    [
        ("setDenoisingSteps", 0, "the number of denoising steps is 0; expected 1 to"),
        ("setMaxResamples", -1, "the number of resamples is -1; expected an integer from 0"),
        ("setNumThreads", 0, "the number of threads is 0; expected an integer from 1"),
        ("setNumThreads", 20000, "the number of threads is 20000; expected 1 to 256"),
        ("setSolver", "magic", "magic"),
        ("setTemperature", 0, "the temperature is 0.000000 K; expected a positive number"),
    ],
)
def test_setters(make_program, setter, value, text):
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    with refusal(text):
        getattr(integrator, setter)(value)


def test_setters_of_the_library_itself(make_program):
    """The same limits in C++, where no Python stands before them."""
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    for call, value in ((scoredyn.set_random_number_seed, -1), (scoredyn.set_particles, [-1])):
        with refusal("or more"):
            call(integrator, value)
    for name, value, least in (("denoising_steps", 0, 1), ("max_resamples", -1, 0)):
        with refusal(f"is {value}; expected {least} to"):
            scoredyn.set_sampling_option(integrator, name, value)
    with refusal("expected one of denoising_steps, max_resamples, refinements, found 'resamples'"):
        integrator.setSamplingOptions(resamples=3)
    with refusal("the number of threads is 257; expected 1 to 256"):
        scoredyn.set_num_threads(integrator, 257)


# steps


def test_step_without_context(make_program):
    with refusal(
        "this integrator is not bound to a context; create a Context with it before calling step()."
    ):
        ScoreDynamicsIntegrator(make_program(Drift())).step(1)


def test_second_context(make_program, make_system):
    context, integrator = make_context(make_program(Drift()), make_system())
    with refusal("this integrator is already bound to a context"):
        openmm.Context(make_system(), integrator, openmm.Platform.getPlatformByName("Reference"))
    # The first one goes on.
    context.setPositions(POSITIONS)
    integrator.step(1)


def test_integrator_of_a_refused_context_can_be_used_again(make_program, make_system):
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    reference = openmm.Platform.getPlatformByName("Reference")
    with refusal("describes 5 particles"):
        openmm.Context(make_system(MASSES[:4]), integrator, reference)
    context = openmm.Context(make_system(), integrator, reference)
    context.setPositions(POSITIONS)
    integrator.step(1)


def test_positions_never_set(make_program, make_system):
    _, integrator = make_context(make_program(Drift()), make_system())
    with refusal("all positions are zero; expected a molecule; call setPositions on the context"):
        integrator.step(1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_not_finite(make_program, make_system, value):
    context, integrator = make_context(make_program(Drift()), make_system())
    positions = POSITIONS.astype(float)
    positions[3, 1] = value
    context.setPositions(positions)
    with refusal(f"the position of the model's atom 3 is {value}; expected a finite number"):
        integrator.step(1)


@pytest.mark.parametrize(
    "mode, text",
    [
        (
            "nan",
            "no acceptable draw for step 0 of replica 0 with 'Failing' in 101 draws; the last was rejected: ",
        ),
        (
            "shape",
            "the method `denoise` of 'Failing' returned the wrong shape; expected (1, 15), found (1, 14)",
        ),
        (
            "dtype",
            "the method `denoise` of 'Failing' returned the wrong dtype; expected float32, found Double",
        ),
        (
            "raise",
            (
                "the method `denoise` of 'Failing' raised an error: builtins.ValueError: the molecule is too"
                " far out"
            ),
        ),
        ("matmul", "the method `denoise` of 'Failing' raised an error: RuntimeError: "),
    ],
)
def test_program_that_fails_in_a_step(make_program, make_system, mode, text):
    context, integrator = make_context(make_program(Failing(mode)), make_system())
    context.setPositions(FAR)
    with refusal(text) as caught:
        integrator.step(1)
    message = str(caught.value)
    assert "\n" not in message and "Exception raised from" not in message and "Traceback" not in message


def test_program_that_returns_nan_is_counted(make_program, make_system):
    context, integrator = make_context(make_program(Failing("nan")), make_system())
    context.setPositions(FAR)
    integrator.setMaxResamples(4)
    with refusal("in 5 draws"):
        integrator.step(1)
    assert integrator.getRejectedDrawsByCause()["not_finite"] == 5
    assert integrator.getNumRejectedDraws() == 4
    assert integrator.getNumRejectedSteps() == 1


def test_guard_gives_up_and_names_atom_and_value(make_program, make_system):
    path = make_program(Drift((0.5, 0, 0)), max_displacement_nm=0.4)
    context, integrator = make_context(path, make_system())
    context.setPositions(POSITIONS)
    with refusal("call setMaxResamples with a larger number, or use another model.") as caught:
        integrator.step(1)
    assert re.search(r"atom 0\b", str(caught.value)) and "0.5" in str(caught.value)
