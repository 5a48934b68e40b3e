"""The version of the installed package, which the build takes from the file VERSION."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("openmm-scoredyn")
except PackageNotFoundError:  # imported from the source tree
    __version__ = "not installed"
