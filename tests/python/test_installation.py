"""An installation is described alike in all places, and a wheel asks for what it was built against."""

import importlib.util
import re
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()
PINS = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))


@pytest.fixture
def metadata():
    """The provider of the wheel's metadata."""
    spec = importlib.util.spec_from_file_location("wheel_metadata", ROOT / "cmake" / "wheel_metadata.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_installed_package_needs_the_very_releases_it_was_built_against():
    needed = [requirement for requirement in requires("openmm-scoredyn") if "extra ==" not in requirement]
    for package in ("openmm", "torch"):
        assert f"{package}=={version(package).split('+')[0]}" in needed


def test_the_version_names_torch_where_that_is_asked_for(metadata, monkeypatch):
    assert metadata.wheel_version() == VERSION
    monkeypatch.setenv("SCOREDYN_LABEL_TORCH", "1")
    assert re.fullmatch(rf"{re.escape(VERSION)}\+torch\d+\.\d+", metadata.wheel_version())


def test_a_build_without_torch_is_refused_in_a_sentence(metadata):
    with pytest.raises(SystemExit, match=r"none-such .*--no-build-isolation"):
        metadata.installed("none-such")


def test_citation_and_recipe_are_of_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == VERSION
    assert yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())["context"]["version"] == VERSION


def test_pins_are_the_same_everywhere():
    recipe = (ROOT / "recipe" / "recipe.yaml").read_text()
    page = (ROOT / "docs" / "how_to" / "install.md").read_text()
    assert f"openmm {PINS['openmm']}.*" in recipe
    assert f"pytorch {PINS['torch']}.*" in recipe
    assert f"torch=={PINS['torch']} openmm=={PINS['openmm']}" in page
