"""The page of commands, from the command line itself."""

import typer
from typer.cli import get_docs_for_click

from openmm_scoredyn.cli import app


def page() -> str:
    """Every command with its arguments and options, as `scoredyn COMMAND --help` has them."""
    group = typer.main.get_command(app)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group), name="scoredyn")
    return text.replace("# `scoredyn`", "# Commands", 1)
