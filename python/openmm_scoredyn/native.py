"""The compiled libraries, loaded once: the extension module `_scoredyn` and OpenMM's plugin library.

Import `scoredyn` from here, never `_scoredyn` itself: the libraries call C++ functions of openmm and torch, so a
version other than the one they were built with must be refused before they are loaded.
"""

from pathlib import Path

import openmm
import torch

from openmm_scoredyn.errors import BuildError


def check_version(package: str, built: str, installed: str) -> None:
    """Refuse an installed package of another version than the one the libraries were built with.

    Raises
    ------
    BuildError
        If the versions differ; a local part such as `+cpu` does not count.
    """
    if installed.split("+")[0] != built:
        raise BuildError(
            f"openmm_scoredyn: the libraries were built for another {package}; expected {built}, found {installed}; "
            f"install {package}=={built}, or build openmm-scoredyn again in this environment."
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

    # After `import openmm`, which loads the platforms that this library extends.
    openmm.Platform.loadPluginLibrary(str(Path(__file__).parent / "libOpenMMScoreDynReference.so"))
    return _scoredyn


scoredyn = _load()
