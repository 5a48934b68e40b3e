"""What every command has in common: help, completion, JSON, names of options, names of models."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer
from alanine import make_trajectory
from typer.testing import CliRunner

import openmm_scoredyn as sd
from openmm_scoredyn import data
from openmm_scoredyn.cli import COMMANDS, app
from openmm_scoredyn.errors import ProgramError

NAMES = [command.__name__.replace("_", "-") for command in COMMANDS]


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_of_commands_is_not_cut():
    shown = " ".join(invoke("-h").split())
    assert "..." not in shown.replace("[ARGS]...", "")
    for command in COMMANDS:
        assert " ".join(inspect.getdoc(command).split("\n\n")[0].split()) in shown


@pytest.mark.parametrize("name", NAMES)
def test_short_help(name):
    assert invoke(name, "-h") == invoke(name, "--help")


def test_completion_offers_commands_and_options():
    for words, expected in (("scoredyn mod", "models"), ("scoredyn info --fu", "--full")):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; sys.argv[0] = 'scoredyn'; from openmm_scoredyn.cli import app; app()",
            ],
            env=os.environ
            | {
                "_SCOREDYN_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in done.stdout.split(), done.stderr


def test_one_thing_has_one_name():
    """No option of a command names its unit, and the same name takes the same kind of value everywhere."""
    kinds: dict[str, set] = {}
    for command in COMMANDS:
        for name, option in inspect.signature(command).parameters.items():
            if option.annotation is typer.Context:
                continue
            assert not re.search(r"_(ps|ns|fs|k)$", name), (command, name)
            kind = str(get_args(option.annotation)[0]).removesuffix(" | None")
            kinds.setdefault(name, set()).add(kind.removeprefix("<class '").removesuffix("'>"))
    for name in ("temperature", "lag_time", "length", "selection", "coordinates", "system", "out", "device"):
        assert len(kinds[name] - {"typing.Literal['cpu', 'cuda']"}) <= 1, (name, kinds[name])
    assert kinds["temperature"] == kinds["lag_time"] == kinds["length"] == {"str"}


def test_models_are_listed_one_a_line():
    lines = invoke("models").splitlines()
    assert [line.split()[0] for line in lines] == list(sd.pretrained())
    one = {line.split()[0]: line for line in lines}
    alanine = "ACE-ALA-NME, 22 atoms, {} ps a step, 300 K, implicit (OBC)"
    assert alanine.format("1") in one["alanine-dipeptide-obc2"]
    assert alanine.format("1 to 1000") in one["alanine-dipeptide-obc2-lags"]
    listed = json.loads(invoke("models", "--json"))
    assert [model["name"] for model in listed] == list(sd.pretrained())
    assert all(Path(model["path"]).is_file() for model in listed)


def test_info_is_short_or_whole_or_json():
    short, full = (invoke("info", "alanine-dipeptide-obc2", *options) for options in ((), ("--full",)))
    assert len(short.splitlines()) <= 26
    assert len(full.splitlines()) > 100
    card = json.loads(invoke("info", "alanine-dipeptide-obc2", "--json"))
    model = sd.ScoreModel("alanine-dipeptide-obc2")
    assert card["sha256"] == model.sha256
    assert card["capabilities"]["lag_times_ps"] == [1.0]
    assert card["provenance"]["accuracy"]["rows"] == model.card.provenance.accuracy["rows"]
    assert "golden" not in card
    assert json.loads(invoke("info", "metals", "--json"))["lattices"][0] == "fcc"


def test_a_name_that_is_nearly_right():
    with pytest.raises(ProgramError, match=r"expected a path or one of .*metals, .*; did you mean metals\?"):
        invoke("info", "metal")


def test_compare_prints_what_it_writes(tmp_path):
    paths = []
    for seed in range(2):
        trajectory = make_trajectory(200, seed=seed)
        fields = {"frame_spacing_ps": 1.0, "temperature_K": 300.0, "molecule": trajectory.molecule.to_dict()}
        flags = {"steered": False, "consecutive": True, "force_field": "f", "solvent": "s"}
        paths.append(tmp_path / f"{seed}.npz")
        data.save_archive(paths[-1], trajectory.positions[None], fields | flags)
    out = tmp_path / "report"
    printed = invoke("compare", *paths, "--out", out, "--observable", "peptide", "--json")
    assert json.loads(printed) == json.loads((out / "comparison.json").read_text())
