"""The version of the package, which the build takes from the file VERSION."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("openmm-scoredyn")
except (
    PackageNotFoundError
):  # not installed: imported from the source tree, or from a copy of the package alone
    _file = Path(__file__).parents[2] / "VERSION"
    __version__ = _file.read_text().strip() if _file.is_file() else "unknown"

# Of files from before 0.16.0, which do not say what wrote them.
UNKNOWN_VERSION = "0.15.0 or an earlier one"
