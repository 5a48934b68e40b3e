"""Fixtures: score programs of known answers, and Systems for their molecule."""

from functools import cache

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


@pytest.fixture(params=["Reference", "CPU", "OpenCL", "CUDA", "HIP"])
def platform(request):
    """Every platform the integrator runs on, in its default precision; skipped where it does not come up."""
    return platform_or_skip(request.param)


@cache
def platform_error(name: str) -> str:
    """Why the platform makes no context on this machine; empty if it does."""
    import openmm

    import openmm_scoredyn  # noqa: F401  (a platform without the plugin's kernels does not count)

    system = openmm.System()
    system.addParticle(1)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(name))
    except openmm.OpenMMException as error:
        return str(error)
    return ""


def platform_or_skip(name: str):
    """The platform, or a skipped test that says why there is none."""
    import openmm

    error = platform_error(name)
    if error:
        pytest.skip(f"the platform {name} does not come up here: {error}")
    return openmm.Platform.getPlatformByName(name)


@pytest.fixture
def rounding(platform):
    """Relative rounding of what the platform stores by default: float32 or float64."""
    return 1e-6 if "Precision" in platform.getPropertyNames() else 1e-12
