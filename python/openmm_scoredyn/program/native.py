"""The compiled libraries, loaded once: the extension module `_scoredyn` and OpenMM's plugin library.

Import `scoredyn` from here, never `_scoredyn` itself: the libraries call C++ functions of openmm and torch,
so a version other than the one they were built with must be refused before they are loaded.
"""

import logging
from pathlib import Path

import openmm
import torch

from openmm_scoredyn.errors import BuildError

logger = logging.getLogger(__name__)

# Those with a library of their own; Reference and CPU share one.
COMPUTE_PLATFORMS = ("OpenCL", "CUDA", "HIP")


def check_version(package: str, built: str, installed: str) -> None:
    """Refuse an installed package of another version than the one the libraries were built with.

    Raises
    ------
    BuildError
        If the versions differ; a local part such as `+cpu` does not count.
    """
    if installed.split("+")[0] != built:
        raise BuildError(
            f"openmm_scoredyn: the libraries were built for another {package}; expected {built}, found"
            f" {installed}; install {package}=={built}, or build openmm-scoredyn again in this environment."
        )


def _load():
    try:
        from openmm_scoredyn import _build
    except ImportError:
        raise BuildError(
            "openmm_scoredyn: the compiled libraries are missing; expected them beside the package; "
            "install it with `make install`."
        ) from None
    check_version("torch", _build.TORCH_VERSION, torch.__version__)
    check_version("openmm", _build.OPENMM_VERSION, openmm.version.short_version)
    from openmm_scoredyn import _scoredyn

    _load_platforms()
    return _scoredyn


def _load_platforms() -> None:
    """Extend the platforms that are there, after `import openmm`, which loads them.

    The library of a platform needs that platform's own library, and with it the driver of the device: where
    the platform did not come up, its library is left alone.
    """
    folder = Path(__file__).parents[1]
    openmm.Platform.loadPluginLibrary(str(folder / "libOpenMMScoreDynReference.so"))
    platforms = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    for name in COMPUTE_PLATFORMS:
        library = folder / f"libOpenMMScoreDyn{name}.so"
        if name not in platforms or not library.exists():
            continue
        try:
            openmm.Platform.loadPluginLibrary(str(library))
        except openmm.OpenMMException as error:
            logger.warning("openmm_scoredyn: the platform %s is not extended: %s", name, error)


scoredyn = _load()
