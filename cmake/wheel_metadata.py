"""Version and requirements of a wheel, for scikit-build-core.

The libraries call C++ functions of torch and openmm, so a wheel needs the releases that it is built against,
and says so: pip then installs these and no others.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OTHERS = ("numpy", "typer", "rich")


def dynamic_metadata(settings, project):
    """The dynamic fields of pyproject.toml."""
    return {"version": wheel_version(), "dependencies": requirements()}


def dynamic_wheel(settings):
    """A wheel may have other requirements than the source archive: those of its own build."""
    return {"dependencies": True}


def wheel_version():
    """That of the file VERSION; with SCOREDYN_LABEL_TORCH=1 the release of torch, too, as 0.9.0+torch2.13."""
    release = (Path(__file__).parents[1] / "VERSION").read_text().strip()
    if os.environ.get("SCOREDYN_LABEL_TORCH") != "1":
        return release
    return f"{release}+torch{'.'.join(installed('torch').split('.')[:2])}"


def requirements():
    """torch and openmm as they are installed here, exactly."""
    return [*(f"{package}=={installed(package)}" for package in ("openmm", "torch")), *OTHERS]


def installed(package):
    """Release of an installed package, without its local part such as +cpu."""
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        raise SystemExit(
            f"openmm-scoredyn: it is built against the {package} that will run it; expected it here,"
            " found none; run pip install --no-build-isolation in an environment with what"
            " requirements.txt pins (docs/how_to/install.md)."
        ) from None
