"""The command `scoredyn`.

Each command is a function in a module of its own, which imports what is heavy (torch, openmm, matplotlib) in
the function: `scoredyn --help` answers at once.
"""

import logging
import sys
from typing import Annotated

import typer

from openmm_scoredyn.cli.bind import bind
from openmm_scoredyn.cli.build import build
from openmm_scoredyn.cli.coarsen import coarsen
from openmm_scoredyn.cli.compare import compare
from openmm_scoredyn.cli.demo import demo
from openmm_scoredyn.cli.denoise import denoise
from openmm_scoredyn.cli.export import export
from openmm_scoredyn.cli.fit import fit
from openmm_scoredyn.cli.info import info
from openmm_scoredyn.cli.models import models
from openmm_scoredyn.cli.pack import pack
from openmm_scoredyn.cli.printable import printable
from openmm_scoredyn.cli.reference import reference
from openmm_scoredyn.cli.run import run
from openmm_scoredyn.cli.simulate import simulate
from openmm_scoredyn.cli.train import train
from openmm_scoredyn.cli.train_denoiser import train_denoiser
from openmm_scoredyn.errors import ScoreDynError

COMMANDS = (
    demo,
    models,
    build,
    fit,
    simulate,
    pack,
    coarsen,
    train,
    export,
    bind,
    info,
    run,
    reference,
    compare,
    denoise,
    train_denoiser,
)

app = typer.Typer(
    help="Molecular dynamics in picosecond steps, with OpenMM and trained score models.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    # The first paragraph, whole: the list of commands would cut it.
    app.command(short_help=" ".join((_command.__doc__ or "").split("\n\n")[0].split()))(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from openmm_scoredyn import __version__

        typer.echo(f"openmm-scoredyn {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop."),
    ] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("openmm_scoredyn").setLevel(logging.INFO)


def main() -> None:
    """Entry point: a mistake of the user's is one sentence on stderr and status 1, never a traceback."""
    try:
        app()
    except Exception as error:
        if not _explains_itself(error):
            raise
        # file names and what files say of themselves
        lines = [printable(line) for line in str(error).split("\n")]
        typer.echo("scoredyn: " + "\n".join(lines), err=True)
        sys.exit(getattr(error, "exit_status", 1))


def _explains_itself(error: Exception) -> bool:
    """Whether the message was written for the user; openmm is not imported only to ask."""
    openmm = sys.modules.get("openmm")
    return isinstance(error, ScoreDynError) or (
        openmm is not None and isinstance(error, openmm.OpenMMException)
    )
