"""Every refusal of the integrator and of the program loader, by the text of its sentence."""

import re
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from programs import MASSES, POSITIONS, ConditionedOrnsteinUhlenbeck, Drift, Failing, Jumping, make_card

from openmm_scoredyn import ScoreDynamicsIntegrator
from openmm_scoredyn.errors import BuildError
from openmm_scoredyn.native import check_version, scoredyn

FAR = POSITIONS + np.array([100, 0, 0])


def refusal(text):
    return pytest.raises(openmm.OpenMMException, match=re.escape(text))


def make_context(path, system, change=lambda integrator: None):
    integrator = ScoreDynamicsIntegrator(path)
    change(integrator)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference")), integrator


# ---- the file ----


def test_missing_file(tmp_path):
    with refusal(f"ScoreProgram: there is no file at {tmp_path}/none.pt; give the path of a score program."):
        ScoreDynamicsIntegrator(tmp_path / "none.pt")


def test_directory(tmp_path):
    with refusal("ScoreProgram: there is no file at"):
        ScoreDynamicsIntegrator(tmp_path)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_file(make_program, fraction):
    content = Path(make_program(Drift())).read_bytes()
    with refusal("the file is not a TorchScript archive or AOTInductor package, or it is truncated"):
        ScoreDynamicsIntegrator(content[: int(fraction * len(content))])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip"])
def test_not_an_archive(content):
    with refusal("the file is not a TorchScript archive or AOTInductor package, or it is truncated"):
        ScoreDynamicsIntegrator(content)


def test_archive_without_card(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    with refusal("the archive has no card (scoredyn.json); expected a score program"):
        ScoreDynamicsIntegrator(tmp_path / "checkpoint.pt")


def test_no_model_at_all():
    with refusal("cannot read a model from a int; expected a path, bytes or a ScoreModel"):
        ScoreDynamicsIntegrator(3)


def test_future_version(make_program):
    with refusal("Card: the program has format version 2.0, but this library reads version 1. Install the release"):
        ScoreDynamicsIntegrator(make_program(Drift(), format_version="2.0"))


def test_missing_method(make_program, make_system):
    card = make_card(Drift())
    path = make_program(Jumping(), **card)
    with refusal("ScoreProgram: 'Drift' has no method `denoise`, which its card promises"):
        make_context(path, make_system())


class WrongArguments(Drift):
    @torch.jit.export
    def advance(self, latent: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        return history[:, -1] + latent


def test_method_with_wrong_arguments(make_program, make_system):
    path = make_program(WrongArguments(), golden=make_card(Drift())["golden"])
    with refusal("the method `advance` of 'WrongArguments' takes the wrong arguments; expected 3, found 2"):
        make_context(path, make_system())


@pytest.mark.parametrize("name, element, text", [("positions", 4, "positions"), ("denoised", 2, "latent")])
def test_golden_triple_not_reproduced(make_program, make_system, name, element, text):
    golden = make_card(Drift())["golden"]
    golden[name][element] += 0.01
    path = make_program(Drift(), golden=golden)
    with refusal(f"'Drift' does not reproduce the golden {text} of its card; expected"):
        make_context(path, make_system())
    with refusal(f"at element {element}"):
        scoredyn.Program(path)


def test_card_of_another_size_than_the_program(make_program, make_system):
    """The program adds latents of the wrong number to the positions: the golden triple finds it."""
    golden = make_card(Drift())["golden"]
    path = make_program(Drift(), latent_size=4, golden=golden | {k: golden[k][:12] for k in ("latent", "denoised")})
    with refusal("the method `advance` of 'Drift' raised an error: "):
        make_context(path, make_system())


@pytest.mark.parametrize("kind, expected", [("torch", "2.13.0"), ("openmm", "8.6.1")])
def test_libraries_built_for_another_version(kind, expected):
    with pytest.raises(
        BuildError, match=f"built for another {kind}; expected {expected}, found 1.0.cpu; install {kind}=={expected}"
    ):
        check_version(kind, expected, "1.0+cpu")
    check_version(kind, expected, expected + "+cu130")


# ---- the System ----


def test_particle_count(make_program, make_system):
    with refusal("the model 'Drift' describes 5 particles, but the System has 4. Name the model's particles"):
        make_context(make_program(Drift()), make_system(MASSES[:4]))


def test_particle_count_of_subset(make_program, make_system):
    with refusal("the model 'Drift' describes 5 particles, but setParticles names 3."):
        make_context(make_program(Drift()), make_system(), lambda i: i.setParticles([0, 1, 2]))


def test_mass(make_program, make_system):
    masses = [*MASSES[:1], 1.008, *MASSES[2:]]
    with refusal("the mass of particle 1 is 1.008 amu, but atom 1 (H) of the model 'Drift' has 3 amu."):
        make_context(make_program(Drift()), make_system(masses))
    make_context(make_program(Drift()), make_system([m * 1.009 for m in MASSES]))


def test_order(make_program, make_system):
    with refusal("the mass of particle 3 is 79.904 amu, but atom 3 (Cl)"):
        make_context(make_program(Drift()), make_system([*MASSES[:3], MASSES[4], MASSES[3]]))


@pytest.mark.parametrize(
    "particles, text",
    [
        ([0, 1, 2, 3, 9], "setParticles names particle 9, but the System has 5 particles. Give indices from 0 to 4."),
        ([0, 1, 2, 3, 3], "setParticles names particle 3 twice."),
    ],
)
def test_particle_indices(make_program, make_system, particles, text):
    with refusal(text):
        make_context(make_program(Drift()), make_system(), lambda i: i.setParticles(particles))


def test_negative_particle_index(make_program):
    with refusal("the particle index is -1; expected an integer from 0"):
        ScoreDynamicsIntegrator(make_program(Drift())).setParticles([0, -1])


@pytest.mark.parametrize("mass, text", [(16.0, "virtual site. Remove"), (0.0, "virtual site (it has no mass). Remove")])
def test_particle_that_is_neither_modelled_nor_virtual(make_program, make_system, mass, text):
    with refusal("particle 5 is neither modelled nor a " + text):
        make_context(make_program(Drift()), make_system([*MASSES, mass]), lambda i: i.setParticles(range(5)))


def test_virtual_site_among_modelled(make_program, make_system):
    system = make_system([*MASSES[:4], 0.0])
    system.setVirtualSite(4, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    with refusal("particle 4 is a virtual site, which a model cannot move. Leave it out with setParticles."):
        make_context(make_program(Drift()), system)


@pytest.mark.parametrize(
    "force, kind",
    [
        (openmm.MonteCarloBarostat(1, 300), "barostat (MonteCarloBarostat)"),
        (openmm.MonteCarloAnisotropicBarostat((1, 1, 1), 300), "barostat (MonteCarloAnisotropicBarostat)"),
        (openmm.MonteCarloMembraneBarostat(1, 0, 300, 0, 0), "barostat (MonteCarloMembraneBarostat)"),
        (openmm.MonteCarloFlexibleBarostat(1, 300), "barostat (MonteCarloFlexibleBarostat)"),
        (openmm.AndersenThermostat(300, 1), "thermostat (AndersenThermostat)"),
    ],
)
def test_barostats_and_thermostats(make_program, make_system, force, kind):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.CutoffPeriodic))
    system.addForce(force)
    with refusal(f"force 1 of the System is a {kind}"):
        make_context(make_program(Drift(), periodic=True), system)


def nonbonded(method):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(method)
    for _ in MASSES:
        force.addParticle(0, 0.1, 0)
    return force


def test_periodic_system_with_non_periodic_model(make_program, make_system):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.CutoffPeriodic))
    with refusal("the System is periodic, but the model 'Drift' was trained without periodic boundaries."):
        make_context(make_program(Drift()), system)


def test_non_periodic_system_with_periodic_model(make_program, make_system):
    system = make_system()
    system.addForce(nonbonded(openmm.NonbondedForce.NoCutoff))
    with refusal("the System is not periodic, but the model 'Drift' was trained with periodic boundaries."):
        make_context(make_program(Drift(), periodic=True), system)


# ---- the settings ----


def test_step_size(make_program, make_system):
    path = make_program(Drift(), lag_time_ps=10.0)
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


@pytest.mark.parametrize("value", [-1, 2**31, 1.5, "one"])
def test_seed(make_program, value):
    with refusal(f"the random number seed is {value!r}; expected an integer from 0 to 2147483647"):
        ScoreDynamicsIntegrator(make_program(Drift())).setRandomNumberSeed(value)


@pytest.mark.parametrize(
    "setter, value, text",
    [
        ("setDenoisingSteps", 0, "the number of denoising steps is 0; expected an integer from 1"),
        ("setMaxRedraws", -1, "the number of redraws is -1; expected an integer from 0"),
        ("setNumThreads", 0, "the number of threads is 0; expected an integer from 1"),
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
    for call, value in (
        (scoredyn.set_denoising_steps, 0),
        (scoredyn.set_random_number_seed, -1),
        (scoredyn.set_max_redraws, -1),
        (scoredyn.set_num_threads, 0),
        (scoredyn.set_particles, [-1]),
    ):
        with refusal("or more"):
            call(integrator, value)


# ---- the context ----


def test_step_without_context(make_program):
    with refusal("this integrator is not bound to a context; create a Context with it before calling step()."):
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
        ("nan", "no acceptable draw for step 0 of replica 0 with 'Failing' in 11 draws; the last was refused: "),
        ("shape", "the method `denoise` of 'Failing' returned the wrong shape; expected (1, 5, 3), found (1, 4, 3)"),
        ("dtype", "the method `denoise` of 'Failing' returned the wrong dtype; expected float32, found Double"),
        ("raise", "the method `denoise` of 'Failing' raised an error: builtins.ValueError: the molecule is too far out"),
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
    integrator.setMaxRedraws(4)
    with refusal("in 5 draws"):
        integrator.step(1)
    assert integrator.getRedrawsByCause()["not_finite"] == 5
    assert integrator.getNumRedraws() == 4
    assert integrator.getNumRejectedSteps() == 1


def test_guard_gives_up_and_names_atom_and_value(make_program, make_system):
    path = make_program(Drift((0.5, 0, 0)), max_displacement_nm=0.4)
    context, integrator = make_context(path, make_system())
    context.setPositions(POSITIONS)
    with refusal("call setMaxRedraws with a larger number, or use another model.") as caught:
        integrator.step(1)
    assert re.search(r"atom 0\b", str(caught.value)) and "0.5" in str(caught.value)


# ---- the arrays of Program ----


def test_program_arrays(make_program):
    program = scoredyn.Program(make_program(Drift()))
    box = np.zeros((3, 3))
    with refusal("Program: history has the wrong shape; expected [-1, 1, 5, 3] (-1: any), found [2, 5, 3]"):
        program.denoise(np.zeros((2, 5, 3)), 1.0, np.zeros((2, 5, 3)), box)
    with refusal("Program: latent has the wrong shape; expected [2, 5, 3]"):
        program.advance(np.zeros((1, 5, 3)), np.zeros((2, 1, 5, 3)), box)
    with refusal("Program: box has the wrong shape; expected [3, 3]"):
        program.sample(np.zeros((2, 1, 5, 3)), np.zeros(9), 1, 1, 1, 0, 0, "heun", 5)


def test_errors_are_runtime_errors_of_openmm():
    assert issubclass(scoredyn.OpenMMException, openmm.OpenMMException)
    assert issubclass(scoredyn.OpenMMException, RuntimeError)


def test_damaged_file(make_program):
    """Zeros over the serialized network, the card left whole."""
    content = bytearray(Path(make_program(Drift())).read_bytes())
    at = content.find(b"data.pkl") + 200
    content[at : at + 100] = bytes(100)
    with refusal("cannot load 'Drift': ") as caught:
        scoredyn.Program.from_bytes(bytes(content))
    assert "Exception raised from" not in str(caught.value) and "\n" not in str(caught.value)


def test_condition_of_another_number_of_rows(make_program, make_system):
    context, integrator = make_context(make_program(ConditionedOrnsteinUhlenbeck(rows=False)), make_system())
    context.setPositions(FAR)
    with refusal("the method `condition` of 'ConditionedOrnsteinUhlenbeck' returned the wrong kind; expected a tensor with 1"):
        integrator.step(1)


def test_denoise_is_not_called_where_the_condition_is_apart(make_program, make_system):
    """Far out it would raise; the guard, which finds a step of 40 nm, is what must speak."""
    context, integrator = make_context(make_program(ConditionedOrnsteinUhlenbeck()), make_system())
    context.setPositions(FAR)
    with refusal("no acceptable draw for step 0"):
        integrator.step(1)
