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
