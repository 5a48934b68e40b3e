"""What README.md and docs/ show is true: Python blocks run in order, commands parse, links lead somewhere,
and the index names every page.

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
DOCS = sorted((ROOT / "docs").rglob("*.md"))
INDEX = ROOT / "docs" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
LINKING = [
    *PAGES,
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "examples").rglob("*.md")),
]
# Files of code that may name a page.
FOLDERS = (
    "python",
    "openmm_scoredyn",
    "platforms",
    "serialization",
    "tests",
    "benchmarks",
    "examples",
    "cmake",
)
CODE = [
    ROOT / "Makefile",
    ROOT / "CMakeLists.txt",
    *(
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".h", ".cpp", ".txt", ".cmake", ".sh", ".jinja")
    ),
]
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


def of_page(path):
    """Its name in the report of a test."""
    return str(path.relative_to(ROOT))


def dead_links(path, text):
    """Relative links of a page that lead to no file, or to no heading of it."""
    dead = []
    for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)", text):
        file = path.parent / target if target else path
        if not file.exists() or (heading and heading[1:] not in anchors(file)):
            dead.append(target + heading)
    return dead


def anchors(path):
    """The headings of a page as GitHub names them in links."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def pages_not_in(index):
    """Pages of docs/ to which the text of the index has no link."""
    named = {(INDEX.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", index)}
    return [of_page(page) for page in DOCS if page != INDEX and page.resolve() not in named]


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "python")], ids=of_page)
def test_python_blocks_run_in_order(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code in blocks(path, "python"):
        # Empty lines first, so that a traceback names the line of the page.
        exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("path", PAGES, ids=of_page)
def test_commands_parse(path):
    commands = [command for _, code in blocks(path, "bash") for command in scoredyn_commands(code)]
    for command in commands:
        parse(command)
    if path == ROOT / "README.md":
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
        for target in re.findall(r"^make ([\w-]+)", code, re.MULTILINE)
    }
    assert named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", LINKING, ids=of_page)
def test_links_lead_to_files_and_headings(path):
    assert dead_links(path, path.read_text()) == []


def test_a_dead_link_is_seen():
    text = "[a](docs/none.md), [b](docs/README.md#none), [c](docs/README.md), [d](#none), [e](https://x.org)"
    assert dead_links(ROOT / "README.md", text) == ["docs/none.md", "docs/README.md#none", "#none"]


def test_the_index_names_every_page():
    text = INDEX.read_text()
    assert pages_not_in(text) == []
    assert pages_not_in(text.replace("concepts/rare_events.md", "README.md")) == [
        "docs/concepts/rare_events.md"
    ]


def test_pages_that_code_names_are_there():
    named = {
        (of_page(path), page)
        for path in CODE
        for page in re.findall(r"\bdocs/[\w/]+\.md\b", path.read_text())
        if path != Path(__file__)
    }
    assert len(named) > 3, "the search found none"
    assert [found for found in sorted(named) if not (ROOT / found[1]).exists()] == []


def test_names_of_the_architecture_are_those_of_the_code():
    page = (ROOT / "docs" / "architecture.md").read_text()
    code = "\n".join(path.read_text() for path in CODE if "tests" not in path.parts)
    names = {re.sub(r"\(.*", "", name) for name in re.findall(r"`([\w.:]+(?:\(.*?\))?)`", page)}
    last = {name: re.split(r"\W+", name)[-1] for name in names}
    assert len(last) > 30
    assert [name for name, word in last.items() if not re.search(rf"\b{word}\b", code)] == []


def test_every_figure_has_been_measured():
    assert "TODO-MEASURE" not in (ROOT / "README.md").read_text()
