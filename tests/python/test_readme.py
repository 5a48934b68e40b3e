"""What README.md and docs/ show is true: every block of code is executed or checked, links lead somewhere,
and the index names every page.

Python blocks run in order; of shell blocks every line is checked by what it calls: commands of `scoredyn`
parse, make targets and files exist, extras are those of pyproject.toml, `python -c` runs. `text` is no code.

`<!-- not executed: reason -->` on the line before a block leaves the block out.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import typer

from openmm_scoredyn.cli import app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from website.blocks import BLOCK

DOCS = sorted((ROOT / "docs").rglob("*.md"))
INDEX = ROOT / "docs" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", *DOCS]
LINKING = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "examples").rglob("*.md"))]
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
LANGUAGES = {"python", "bash", "toml", "cpp", "text"}
INLINE_PYTHON = re.compile(r"python -c (?:'([^']*)'|\"([^\"]*)\")")


def blocks(path, language, skipped=False):
    """(line of the first statement, code) of every block that is to be executed, or that is not."""
    text = path.read_text()
    return [
        (text.count("\n", 0, found.start("code")) + 1, textwrap.dedent(found["code"]))
        for found in BLOCK.finditer(text)
        if found["language"] == language and bool(found["skip"]) == skipped
    ]


def shell_lines(path):
    """Lines of the shell blocks of a page, joined where they go on, without comments and `.venv/bin/`."""
    lines = "\n".join(code for _, code in blocks(path, "bash")).replace("\\\n", " ").splitlines()
    return [
        line.strip().removeprefix(".venv/bin/") for line in lines if line.strip() and line.strip()[0] != "#"
    ]


def check_shell_line(line):
    """Fail unless what the line calls is known here, and is there."""
    if INLINE_PYTHON.search(line):
        for found in INLINE_PYTHON.finditer(line):
            exec(found[1] or found[2], {})  # noqa: S102
        return
    program, *arguments = shlex.split(line, comments=True)
    if program == "scoredyn":
        parse(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif program == "python":
        assert (ROOT / arguments[0]).is_file(), line
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = {
            extra for list_ in re.findall(r"openmm-scoredyn\[(.*?)\]", line) for extra in list_.split(",")
        }
        assert named <= extras.keys(), line
    else:
        raise AssertionError(f"Nothing checks {line!r}: teach this test, or show it as text.")


def unlabelled_code(text):
    """Lines of code that no language is given for: indented by four spaces, and by eight in a list."""
    found, in_list, before = [], False, ""
    for line in BLOCK.sub("", text).splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and not indent:
            in_list = bool(re.match(r"[-*] |\d+\. ", line))
        if line.strip() and not before.strip() and indent >= (8 if in_list else 4):
            found.append(line.strip())
        before = line
    return found


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


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p, "python", skipped=True)], ids=of_page)
def test_blocks_that_are_not_executed_import_what_is_there(path):
    for _, code in blocks(path, "python", skipped=True):
        for node in ast.parse(code).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), {})  # noqa: S102


@pytest.mark.parametrize("path", PAGES, ids=of_page)
def test_shell_blocks_call_what_is_there(path):
    lines = shell_lines(path)
    for line in lines:
        check_shell_line(line)
    if path == ROOT / "README.md":
        assert len(lines) > 2, "the search found none"


@pytest.mark.parametrize(
    "line",
    [
        "scoredyn train md --no-such-option",
        "make none",
        "python none.py",
        "pip install 'openmm-scoredyn[none]'",
        "none",
    ],
)
def test_a_wrong_shell_line_is_seen(line):
    with pytest.raises(Exception, match=r"none|no-such-option"):
        check_shell_line(line)


@pytest.mark.parametrize("path", PAGES, ids=of_page)
def test_every_block_is_of_a_language_that_is_checked(path):
    text = path.read_text()
    assert {found["language"] for found in BLOCK.finditer(text)} <= LANGUAGES
    assert unlabelled_code(text) == []


def test_a_block_that_nothing_checks_is_seen():
    assert unlabelled_code("a\n\n    code\n\n- b\n\n    paragraph\n\n        more\n") == ["code", "more"]


def test_other_languages_are_right():
    for path in PAGES:
        for _, code in blocks(path, "toml"):
            tomllib.loads(code)
        for _, code in blocks(path, "cpp"):
            parameters = code[code.index("(") :].strip()
            headers = (ROOT / "openmm_scoredyn" / "include").glob("*.h")
            assert any(parameters in header.read_text() for header in headers), parameters


@pytest.mark.parametrize("short", [[], ["--short"]], ids=["whole", "short"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_commands_of_the_examples_parse(script, short, tmp_path):
    commands = commands_of_script(script, [*short, "run", "out"], tmp_path)
    of_many = script.name in ("train_alkanes.sh", "train_peptides.sh")  # simulated and compared by scripts
    others = set() if of_many else {"simulate", "compare"}
    assert {"train", "export", "run"} | others <= {command[0] for command in commands}
    for command in commands:
        parse(command)
        packed = [argument for argument in command if "/data/alanine" in argument]
        assert [argument for argument in packed if not Path(argument).exists()] == []


@pytest.mark.parametrize("path", LINKING, ids=of_page)
def test_links_lead_to_files_and_headings(path):
    assert dead_links(path, path.read_text()) == []


def test_a_dead_link_is_seen():
    text = "[a](docs/none.md), [b](docs/README.md#none), [c](docs/README.md), [d](#none), [e](https://x.org)"
    assert dead_links(ROOT / "README.md", text) == ["docs/none.md", "docs/README.md#none", "#none"]


def tags_outside_code(text: str) -> list[str]:
    """What a browser would take for HTML tags, and hide."""
    code = re.compile(r"```.*?```|`[^`]*`|<!--.*?-->", re.DOTALL)
    return re.findall(r"<[A-Za-z/][^>]*>", code.sub("", text))


@pytest.mark.parametrize("path", LINKING, ids=of_page)
def test_nothing_is_hidden_as_an_unknown_tag(path):
    assert tags_outside_code(path.read_text()) == []


def test_a_symbol_that_would_be_hidden_is_seen():
    assert tags_outside_code("<Rg^2> of 3 < 4, `<a>`, <!-- <b> -->\n```bash\nx <c>\n```") == ["<Rg^2>"]


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
