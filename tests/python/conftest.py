"""Fixtures: score programs of known answers, and Systems for their molecule."""

import programs
import pytest


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
def tiny_package(tmp_path_factory):
    """Path and parity report of a DriftingNetwork exported as an AOTInductor package."""
    from tiny_models import DriftingNetwork, tiny_card

    from openmm_scoredyn.export import export_program

    path = tmp_path_factory.mktemp("package") / "tiny.pt2"
    return path, export_program(DriftingNetwork(), path, tiny_card(), symmetric=True, format="aoti")


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


@pytest.fixture(params=["Reference", "CPU"])
def platform(request):
    """Every platform the Reference kernel serves."""
    import openmm

    return openmm.Platform.getPlatformByName(request.param)
