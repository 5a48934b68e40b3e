"""Tutorials as notebooks: their Python blocks are executed, and what comes out stands below each.

A tutorial is a page of docs/tutorials/, read on GitHub as it is. Here its Python blocks become the cells of a
notebook, run in one kernel in an empty folder; the site shows the page with the outputs, and offers the
notebook. A block that fails ends the build.
"""

import base64
import os
import re
import tempfile
import textwrap
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from website.blocks import BLOCK

FOLDER = "tutorials/"
_LONGEST_CELL_S = 300
# Fastest for a small molecule, and there on every machine.
_ENVIRONMENT = {"OPENMM_DEFAULT_PLATFORM": "Reference"}
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def execute(text: str):
    """The page as an executed notebook: text and code in turn."""
    cells, end = [], 0
    for found in BLOCK.finditer(text):
        if found["language"] != "python" or found["skip"]:
            continue
        cells += [new_markdown_cell(text[end : found.start()].strip("\n"))]
        cells += [new_code_cell(textwrap.dedent(found["code"]).rstrip("\n"))]
        end = found.end()
    cells.append(new_markdown_cell(text[end:].strip("\n")))
    notebook = new_notebook(cells=[cell for cell in cells if cell.source])
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=_LONGEST_CELL_S,
            resources={"metadata": {"path": folder}},
        ).execute(env=os.environ | _ENVIRONMENT)
    return notebook


def render(notebook, name: str) -> tuple[str, dict[str, bytes]]:
    """The notebook as a page, and the pictures it shows by the name of their file beside it."""
    parts, pictures = [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                file = f"{name}_{len(pictures) + 1}.png"
                pictures[file] = base64.b64decode(data["image/png"])
                parts.append(f"![What the block above draws]({file})")
            elif shown := _text(output, data):
                parts.append(f"```text\n{shown}\n```\n{{ .output }}")
    head, _, rest = "\n\n".join(parts).partition("\n")
    link = f"[This page as a notebook]({name}.ipynb), with the outputs of this version."
    return f"{head}\n\n{link}\n{rest}\n", pictures


def _text(output, data) -> str:
    """What a reader is shown of an output: not what goes to standard error."""
    if output.output_type == "stream":
        return _CONTROL.sub("", output.text).strip("\n") if output.name == "stdout" else ""
    return data.get("text/plain", "").strip("\n")


def pages(texts: dict[str, str]) -> tuple[dict[str, str], dict[str, str | bytes]]:
    """Of pages of the site, those that are tutorials with their outputs, and the files that these need."""
    shown, files = {}, {}
    for uri, text in texts.items():
        name = Path(uri).stem
        if not uri.startswith(FOLDER) or not any(
            found["language"] == "python" and not found["skip"] for found in BLOCK.finditer(text)
        ):
            continue
        notebook = execute(text)
        shown[uri], pictures = render(notebook, name)
        files |= {f"{FOLDER}{file}": content for file, content in pictures.items()}
        files[f"{FOLDER}{name}.ipynb"] = nbformat.writes(notebook) + "\n"
    return shown, files
