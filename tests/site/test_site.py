"""The built site (`make docs`) has every public name, every page, and no dead link.

The names are looked up here on their own, not in what generates the pages.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pytest
from mkdocstrings import Inventory
from nbclient.exceptions import CellExecutionError

import openmm_scoredyn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from website import notebooks

SITE = ROOT / "build" / "site"
DOCUMENTED = frozenset(Inventory.parse_sphinx((SITE / "objects.inv").open("rb"), domain_filter=["py"]))
PAGES = sorted(SITE.rglob("*.html"))


def exported_names():
    """Names in `__all__` of the package and of every package in it."""
    for module in pkgutil.walk_packages(openmm_scoredyn.__path__, "openmm_scoredyn."):
        if module.ispkg:
            for name in getattr(importlib.import_module(module.name), "__all__", ()):
                yield f"{module.name}.{name}"


def imported_names():
    """Names of the package that pages and examples import."""
    fences = re.compile(r"^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    texts = [path.read_text() for path in sorted((ROOT / "examples").rglob("*.py"))]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        texts += [inspect.cleandoc(f"\n{code}") for code in fences.findall(page.read_text())]
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("openmm_scoredyn."):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def top_level_names():
    """Homes of what `import openmm_scoredyn as sd` offers."""
    return [
        f"openmm_scoredyn.{home}.{name}" for name, home in openmm_scoredyn._HOMES.items() if name[0] != "_"
    ]


def error_names():
    """Every error class."""
    classes = inspect.getmembers(openmm_scoredyn.errors, inspect.isclass)
    return [f"openmm_scoredyn.errors.{name}" for name, _ in classes]


class Links(HTMLParser):
    """Targets of links and pictures of a page, and the anchors it has."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        """Collect."""
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        key = {"a": "href", "img": "src", "script": "src", "link": "href"}.get(tag)
        if key and values.get(key) and values.get("rel") != "canonical":
            self.targets.append(values[key])


def dead_links(page, anchors):
    """Links of a page within the site that lead to no file, or to no anchor of it."""
    dead = []
    for target in Links(page).targets:
        parts = urlparse(target)
        if parts.scheme or parts.netloc or page.name == "404.html":
            continue
        file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        file = file / "index.html" if file.is_dir() else file
        fragment = unquote(parts.fragment)
        if not file.exists() or (fragment and file in anchors and fragment not in anchors[file]):
            dead.append(target)
    return dead


@pytest.mark.parametrize("names", [exported_names, imported_names, top_level_names, error_names])
def test_every_public_name_is_in_the_reference(names):
    wanted = set(names())
    assert len(wanted) > 3, "the search found none"
    assert sorted(wanted - DOCUMENTED) == []


def test_no_link_is_dead():
    anchors = {page: Links(page).anchors for page in PAGES}
    assert len(PAGES) > 40
    assert {str(page.relative_to(SITE)): dead for page in PAGES if (dead := dead_links(page, anchors))} == {}


def test_a_dead_link_is_seen(tmp_path):
    page = tmp_path / "index.html"
    page.write_text(
        '<a href="none/">a</a><a href="#none">b</a><a href="#here">c</a><p id="here"><img src="none.png">'
    )
    assert dead_links(page, {page: Links(page).anchors}) == ["none/", "#none", "none.png"]


def test_every_model_has_a_page_with_its_table_and_its_misses():
    for name in openmm_scoredyn.pretrained():
        text = (SITE / "models" / name / "index.html").read_text()
        for heading in ("what-it-knows", "what-it-misses", "measured"):
            assert f'id="{heading}"' in text
    differs = (SITE / "models/alanine-dipeptide-tip3p/index.html").read_text()
    assert "methyl NME:C at 1 ps" in differs[: differs.index('id="measured"')]


def test_every_command_has_its_options():
    text = (SITE / "reference/commands/index.html").read_text()
    assert all(f">scoredyn {name}</code>" in text for name in ("fit", "run", "train", "compare"))
    assert "--replicas" in text


def test_nothing_is_loaded_from_elsewhere():
    """The site works where no other host can be reached."""
    foreign = {
        target
        for page in PAGES
        for target in re.findall(r'<(?:script|img)[^>]* src="(https?:[^"]+)"', page.read_text())
        + re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(https?:[^"]+)"', page.read_text())
    }
    assert foreign == set()


def test_tutorials_show_what_their_blocks_give():
    """Outputs and pictures stand on the page, and the notebook that it offers was executed."""
    wanted = {
        "swap_the_integrator": "100.0 ps",
        "a_model_in_a_minute": "300 frames of 22 atoms",
        "ensembles": "64 replicas of 80 frames",
        "clean_a_crystal": "denoised: {11: 12, 12: 487}",
    }
    for name, output in wanted.items():
        page = (SITE / "tutorials" / name / "index.html").read_text()
        assert output in unescape(re.sub(r"<[^>]+>", "", page))
        assert f"{name}.ipynb" in page and f"{name}_1.png" in page
        assert (SITE / "tutorials" / f"{name}_1.png").stat().st_size > 5000
        notebook = nbformat.read(SITE / "tutorials" / f"{name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code) and any(cell.outputs for cell in code)


def test_a_tutorial_that_fails_ends_the_build():
    text = "# A page\n\n```python\nprint(6 * 7)\n```\n\n<!-- not executed: no -->\n```python\nnone()\n```\n"
    page, pictures = notebooks.render(notebooks.execute(text), "page")
    assert "```text\n42\n```" in page and "none()" in page and not pictures
    with pytest.raises(CellExecutionError, match="NameError"):
        notebooks.execute(text + "\n```python\nundefined\n```\n")
