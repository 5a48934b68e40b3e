"""The version of the package, which the build takes from the file VERSION."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("openmm-scoredyn")
except PackageNotFoundError:  # imported from the source tree
    __version__ = (Path(__file__).parents[2] / "VERSION").read_text().strip()
