"""An installation is described alike in all places, and a wheel asks for what it was built against."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from itertools import product
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


def test_wheels_are_of_the_pythons_and_the_torch_that_we_name():
    rows = (ROOT / "tools" / "wheels.txt").read_text().splitlines()
    wheels = [tuple(row.split()) for row in rows if not row.startswith("#")]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [name.split(" :: ")[-1] for name in classifiers if re.search(r"Python :: 3\.\d+$", name)]
    releases = {torch for _, torch in wheels}
    assert PINS["torch"] in releases
    assert len({torch.rsplit(".", 1)[0] for torch in releases}) == len(releases) > 1
    assert sorted(wheels) == sorted(product(pythons, releases))
    page = (ROOT / "docs" / "how_to" / "install.md").read_text()
    assert sorted(re.findall(r"^\| (3\.\d+) \| (2\.\d+\.\d+) \|", page, re.MULTILINE)) == sorted(wheels)


def test_every_optional_part_is_in_the_table():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "how_to" / "install.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(named + ["ovito"]) == sorted(extras), "`ovito` stands in the row of `denoise`"
    (row,) = re.findall(r"^\| `all` \| (.*) \|$", page, re.MULTILINE)
    assert extras["all"] == [f"openmm-scoredyn[{','.join(re.findall('`([a-z]+)`', row))}]"]


def test_another_torch_is_refused_before_a_library_is_loaded():
    """By the command, in a sentence: a library that was built for another torch would crash."""
    code = (
        "import sys, torch; torch.__version__ = '2.1.0'; import openmm_scoredyn.cli as cli;"
        "sys.argv = ['scoredyn', 'info', 'alanine-dipeptide-obc2', '--verify']\n"
        "try: cli.main()\n"
        "finally: assert 'openmm_scoredyn._scoredyn' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "1000"},
    )
    assert done.returncode == 1
    said = f"built for another torch; expected {PINS['torch']}, found 2.1.0; install torch=={PINS['torch']}"
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_the_recipe_asks_for_what_the_project_asks_for(metadata):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    needed = recipe["requirements"]
    build = {re.match(r"[\w-]+", name)[0] for name in project["build-system"]["requires"]}
    named = {part: {str(item).split()[0] for item in items} for part, items in needed.items()}
    assert build <= named["build"] | named["host"]
    assert {"python", *metadata.OTHERS} <= named["run"]
    for package in ("openmm", "pytorch"):
        assert package in named["host"]
        assert f"${{{{ pin_compatible('{package}', upper_bound='x.x.x') }}}}" in needed["run"]
    assert recipe["about"]["license"] == project["project"]["license"]
    assert recipe["tests"][0]["python"]["imports"] == ["openmm_scoredyn"]


def test_the_recipe_makes_a_package_for_every_python():
    """`python` without a release is taken from variants.yaml; a release would make one package of all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    variants = yaml.safe_load((ROOT / "recipe" / "variants.yaml").read_text())
    assert "python" in recipe["requirements"]["host"] and "python" in recipe["requirements"]["run"]
    assert f'match(python, "{project["requires-python"].replace(">=", "<")}")' in recipe["build"]["skip"]
    pythons = [name.split(" :: ")[-1] for name in project["classifiers"] if ":: 3." in name]
    assert [name.split(".*")[0] for name in variants["python"]] == pythons
    used = set(re.findall(r"\$\{\{ (compiler|stdlib)\('(\w+)'\) \}\}", str(recipe["requirements"])))
    assert {f"{language}_{kind}" for kind, language in used} == {"cxx_compiler", "c_stdlib"} <= set(variants)


def test_the_container_has_a_python_that_we_name_and_installs_the_pins():
    text = (ROOT / "Containerfile").read_text()
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    bases = set(re.findall(r"^FROM python:(\S+)-slim", text, re.MULTILINE))
    assert len(bases) == 1 and f"Programming Language :: Python :: {bases.pop()}" in classifiers
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert copied and all((ROOT / name).exists() for name in copied)
    assert "pip install --no-cache-dir -r /src/requirements.txt" in text
    (command,) = re.findall(r'^ENTRYPOINT \["(\w+)"\]', text, re.MULTILINE)
    assert command in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
