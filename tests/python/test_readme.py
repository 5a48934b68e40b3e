"""What README.md and docs/ show is true: Python blocks run in order, commands parse, links lead somewhere.

`<!-- not executed: reason -->` on the line before a block leaves the block out.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from openmm_scoredyn.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = sorted((ROOT / "examples").glob("*.sh"))
BLOCK = re.compile(
    r"(?P<skip><!-- not executed: [^\n]+ -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(path, language):
    """(line of the first statement, code) of every block that is to be executed."""
    text = path.read_text()
    return [
        (text.count("\n", 0, found.start("code")) + 1, found["code"])
        for found in BLOCK.finditer(text)
        if found["language"] == language and not found["skip"]
    ]


def scoredyn_commands(text):
    """Argument lists of the `scoredyn` commands in a shell text, line by line."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if line.strip().startswith("scoredyn ")]
    return [line[1:] for line in words]


def commands_of_script(script, options, directory):
    """Argument lists of the `scoredyn` commands that a script runs, by a `scoredyn` that only writes them
    down.
    """
    recorder = directory / "scoredyn"
    recorder.write_text('#!/bin/sh\nprintf \'%s\\037\' "$@" >> "$RECORD"; printf \'\\036\' >> "$RECORD"\n')
    recorder.chmod(0o755)
    path = os.pathsep.join([str(directory), str(Path(sys.executable).parent), os.environ["PATH"]])
    record = directory / "record"
    subprocess.run(
        ["bash", script, *options],
        cwd=directory,
        env=os.environ | {"PATH": path, "RECORD": str(record)},
        check=True,
    )
    return [line.split("\037")[:-1] for line in record.read_text().split("\036")[:-1]]


def parse(arguments):
    """Parse as the command line would; raises where it would refuse."""
    group = typer.main.get_command(app)
    assert arguments[0] in group.commands, f"there is no command {arguments[0]}"
    group.commands[arguments[0]].make_context(arguments[0], list(arguments[1:]))


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "python")], ids=lambda path: path.name)
def test_python_blocks_run_in_order(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code in blocks(path, "python"):
        # Empty lines first, so that a traceback names the line of the page.
        exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_parse(path):
    commands = [command for _, code in blocks(path, "bash") for command in scoredyn_commands(code)]
    for command in commands:
        parse(command)
    if path.name == "README.md":
        assert commands, "the search found none"


@pytest.mark.parametrize("short", [[], ["--short"]], ids=["whole", "short"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_commands_of_the_examples_parse(script, short, tmp_path):
    commands = commands_of_script(script, [*short, "run", "out"], tmp_path)
    assert {"simulate", "train", "export", "run", "compare"} <= {command[0] for command in commands}
    for command in commands:
        parse(command)
        packed = [argument for argument in command if "/data/alanine" in argument]
        assert [argument for argument in packed if not Path(argument).exists()] == []


def test_a_wrong_command_is_seen():
    with pytest.raises(Exception, match="no-such-option"):
        parse(scoredyn_commands("scoredyn train md \\\n --no-such-option")[0])


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    named = {
        target
        for page in PAGES
        for _, code in blocks(page, "bash")
        for target in re.findall(r"^make (\w+)", code, re.MULTILINE)
    }
    assert named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_figure_has_been_measured():
    assert "TODO-MEASURE" not in (ROOT / "README.md").read_text()
