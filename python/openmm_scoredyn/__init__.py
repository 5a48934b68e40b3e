"""Molecular dynamics in picosecond steps: an OpenMM integrator driven by trained score models.

Importing this package is cheap; torch and the compiled plugin are loaded when a name that needs them is first
used, or when OpenMM first reads XML with a ScoreDynamicsIntegrator.
"""

from contextlib import suppress
from importlib import import_module

from openmm_scoredyn import errors

# Public name -> module that holds it.
_HOMES = {
    "Card": "program.card",
    "CrystalDenoiser": "crystals.model",
    "DenoisingReporter": "crystals.reporter",
    "HandOverIntegrator": "dynamics.hand_over",
    "Particles": "molecule.particles",
    "Parametrization": "diffusion.parametrization",
    "ScoreDynamicsIntegrator": "dynamics.integrator",
    "ScoreModel": "program.model",
    "TransferableModel": "program.transferable",
    "__version__": "version",
    "bind": "export",
    "build": "molecule.building",
    "export_program": "export",
    "prepare": "dynamics.prepare",
    "pretrained": "program.model",
    "trust_native_code": "program.model",
    "trust_operator": "program.archive",
}

# Parts that are loaded when first used.
_PARTS = ("coarse",)

__all__ = ["coarse", "errors"]
__all__ += list(_HOMES)


# Lets OpenMM read such XML. Where the compiled libraries are missing, whoever needs them is told.
with suppress(ImportError):
    import_module("openmm_scoredyn._xml")


def __getattr__(name: str):
    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_PARTS})
