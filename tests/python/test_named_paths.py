"""Paths that scripts and pages name exist: a file that moves takes its mentions along."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMING = [
    ROOT / "Makefile",
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "tests" / "gpu.sh",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/*.md")),
]
FOLDERS = "benchmarks|cmake|docs|examples|openmm_scoredyn|platforms|python|serialization|tests"
PATH = re.compile(rf"(?<![\w/.~-])(?:{FOLDERS})/[\w./{{}},*-]*")
PLACEHOLDER = re.compile(r"NAME|\.\.\.")  # `test_NAME.py`, of a page that says how to add one


def spelled_out(path: str) -> list[str]:
    """The paths that a shell makes of one with braces."""
    found = re.search(r"\{([^{}]*)\}", path)
    if not found:
        return [path]
    before, after = path[: found.start()], path[found.end() :]
    return [whole for part in found[1].split(",") for whole in spelled_out(before + part + after)]


def named_paths(text: str) -> list[str]:
    """Paths of the repository that a text names, without those that hold a placeholder."""
    found = [match.rstrip(".,/") for match in PATH.findall(text)]
    return [path for match in found for path in spelled_out(match) if not PLACEHOLDER.search(path)]


def missing(paths: list[str]) -> list[str]:
    """Those that name nothing here."""
    return [path for path in paths if not list(ROOT.glob(path))]


@pytest.mark.parametrize("file", NAMING, ids=lambda file: str(file.relative_to(ROOT)))
def test_named_paths_exist(file):
    assert not missing(named_paths(file.read_text())), f"{file.relative_to(ROOT)} names what is not there"


def test_what_is_found():
    text = "run tests/python/test_{layout,gone}.py, tests/python/data/*.py and tests/python/test_NAME.py."
    assert named_paths(text) == [
        "tests/python/test_layout.py",
        "tests/python/test_gone.py",
        "tests/python/data/*.py",
    ]
    assert missing(named_paths(text)) == ["tests/python/test_gone.py"]
