"""Fixtures: score programs of known answers, and Systems for their molecule."""

import programs
import pytest
from platforms import PLATFORMS, platform_error, platforms_here


@pytest.fixture
def make_program(tmp_path):
    """Write a module as a score program and give its path; keyword arguments replace fields of the card."""
    counter = iter(range(1000))

    def make(module, **values) -> str:
        return programs.save_program(tmp_path / f"program{next(counter)}.pt", module, **values)

    return make


@pytest.fixture(scope="session")
def compiled():
    """Files of a module's methods compiled by AOTInductor, once per class in a run of the tests."""
    done = {}

    def compile_once(module) -> dict[str, list]:
        if type(module) not in done:
            done[type(module)] = programs.compile_methods(module)
        return done[type(module)]

    return compile_once


@pytest.fixture(scope="session")
def tiny_program(tmp_path_factory):
    """Path of an exported DriftingNetwork."""
    from tiny_models import DriftingNetwork, tiny_card

    from openmm_scoredyn.export import export_program

    path = tmp_path_factory.mktemp("program") / "tiny.pt"
    export_program(DriftingNetwork(), path, tiny_card(), symmetric=True)
    return path


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory):
    """Path and parity report of a DriftingNetwork exported as an AOTInductor package."""
    from tiny_models import DriftingNetwork, tiny_card

    from openmm_scoredyn.export import export_program

    path = tmp_path_factory.mktemp("package") / "tiny.pt2"
    return path, export_program(DriftingNetwork(), path, tiny_card(), symmetric=True, format="aoti")


@pytest.fixture(scope="session", params=["torchscript", "aoti"])
def tiny_model(request, tiny_program):
    """The model of `tiny_program` in each format."""
    from openmm_scoredyn.program.model import ScoreModel

    if request.param == "torchscript":
        return ScoreModel(tiny_program)
    return ScoreModel(request.getfixturevalue("tiny_package")[0], allow_native_code=True)


@pytest.fixture(params=["torchscript", "aoti"])
def make_either(request, make_program, compiled, tmp_path):
    """As `make_program`, in each of the two formats; for modules without arguments."""
    if request.param == "torchscript":
        return make_program
    from openmm_scoredyn import trust_native_code

    def make(module, **values) -> str:
        card = programs.make_card(module, **values)
        path = programs.save_package(tmp_path / "program.pt2", compiled(module), card)
        trust_native_code(programs.sha256_of(path))
        return path

    return make


@pytest.fixture
def make_system():
    """A System of the molecule of `programs`, without forces unless a test adds them."""
    import openmm

    def make(masses=programs.MASSES):
        system = openmm.System()
        for mass in masses:
            system.addParticle(mass)
        return system

    return make


def pytest_report_header():
    """Say which platforms are left out, once instead of for every test."""
    return [
        f"platform {name} is not tested here: {platform_error(name)}"
        for name in PLATFORMS
        if platform_error(name)
    ]


@pytest.fixture(params=platforms_here())
def platform(request):
    """Every platform that comes up on this machine, in its default precision."""
    import openmm

    return openmm.Platform.getPlatformByName(request.param)


@pytest.fixture
def rounding(platform):
    """Relative rounding of what the platform stores by default: float32 or float64."""
    return 1e-6 if "Precision" in platform.getPropertyNames() else 1e-12
