"""Which platforms come up on this machine."""

from functools import cache

PLATFORMS = ("Reference", "CPU", "OpenCL", "CUDA", "HIP")


@cache
def platform_error(name: str) -> str:
    """Why the platform makes no context on this machine; empty if it does."""
    import openmm

    import openmm_scoredyn.program.native  # noqa: F401  (a platform that breaks with the plugin's kernels does not count)

    system = openmm.System()
    system.addParticle(1)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(name))
    except openmm.OpenMMException as error:
        return str(error)
    return ""


def platforms_here(names=PLATFORMS) -> list[str]:
    """Those that come up on this machine."""
    return [name for name in names if not platform_error(name)]
