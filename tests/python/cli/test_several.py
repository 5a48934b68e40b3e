"""Commands that are given several structures: options passed on, folders, a line for each."""

import pytest
import typer
from alanine import PDB
from typer.testing import CliRunner

from openmm_scoredyn.cli import app
from openmm_scoredyn.cli.several import typed
from openmm_scoredyn.data import load
from openmm_scoredyn.errors import SamplingError


def words_of(command: str, *given: str, without=()) -> list[str]:
    """What `typed` makes of a command line, without running it."""
    known = typer.main.get_command(app).commands[command]
    return typed(known.make_context(command, list(given)), without)


def test_options_are_passed_on_as_they_were_given():
    given = ["--out", "o", "--budget", "1h", "--strip", "--force-field", "a", "--force-field", "b"]
    assert words_of("fit", "x.pdb", *given, without=("out",)) == given[2:]
    assert words_of("simulate", "x.pdb", "y.pdb", "--out", "o", "--copies", "4") == [
        "--out",
        "o",
        "--copies",
        "4",
    ]
    assert words_of("train", "md", "--out", "o", "--no-check") == ["--out", "o", "--no-check"]


def test_options_of_a_configuration_file_are_passed_on(tmp_path):
    file = tmp_path / "md.toml"
    file.write_text('length = "2ps"\nsteered = true\n')
    words = words_of("simulate", "x.pdb", "--out", "o", "--config", str(file), without=("out", "config_file"))
    assert words == ["--length", "2ps", "--steered"]


SHORT = ["--length", "4ps", "--equilibration", "1ps", "--trajectories", "1", "--seed", "3"]


@pytest.mark.parametrize("cluster", [[], ["--cluster", "local:1"]])
def test_each_is_simulated_in_a_folder_of_its_own(cluster, tmp_path):
    for name in ("one", "other"):
        (tmp_path / f"{name}.pdb").write_bytes(PDB.read_bytes())
    (tmp_path / "bad.pdb").write_text("nothing of a structure\n")
    files = [str(tmp_path / f"{name}.pdb") for name in ("one", "bad", "other")]
    result = CliRunner().invoke(app, ["simulate", *files, "--out", str(tmp_path / "md"), *SHORT, *cluster])
    assert result.exit_code == 1
    said = {line.split(":")[0]: line for line in result.output.splitlines()}
    assert "1 trajectories, 4 ps in all, seed 3" in said["one"] and "bad: failed; scoredyn: " in said["bad"]
    frames = [load(tmp_path / "md" / name)[0].positions for name in ("one", "other")]
    assert len(frames[0]) == 5 and (frames[0] == frames[1]).all(), "alike, as structure and seed are"


def test_what_several_cannot_share_is_refused(tmp_path):
    options = ["--out", str(tmp_path / "md"), "--system", "a.xml"]
    result = CliRunner().invoke(app, ["simulate", "a.pdb", "b.pdb", *options])
    assert isinstance(result.exception, SamplingError)
    assert "these belong to one structure" in str(result.exception) and not (tmp_path / "md").exists()
