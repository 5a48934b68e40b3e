"""A command that is given several structures: its options, passed on to a command for each."""

from collections.abc import Collection, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from typer.core import TyperOption

if TYPE_CHECKING:
    from openmm_scoredyn.each import Ended


def typed(context: typer.Context, without: Collection[str]) -> list[str]:
    """The options that a command was given, by words or by a configuration file, as words.

    Parameters
    ----------
    without : names of parameters that are left out
    """
    words: list[str] = []
    for one in context.command.params:
        name = one.name or ""
        source = context.get_parameter_source(name)
        by_itself = source is None or source.name == "DEFAULT"
        if by_itself or name in without or not isinstance(one, TyperOption):
            continue
        value = context.params[name]
        if one.is_flag:
            words += [one.opts[0]] if value else one.secondary_opts[:1]
            continue
        for entry in value if isinstance(value, (list, tuple)) else [value]:
            words += [one.opts[0], str(entry)]
    return words


def workers(cluster: str | None) -> AbstractContextManager[Executor]:
    """Those of a cluster, or one at a time."""
    from openmm_scoredyn.dynamics import open_cluster

    return open_cluster(cluster) if cluster else ThreadPoolExecutor(1)


def say_each(ended: "Iterable[Ended]", out: Path) -> None:
    """Print a line of each structure as its command ends, and end with status 1 where one failed."""
    failures = 0
    for one in ended:
        failures += one.failed
        said = f"failed; {one.said} All of it: {out / one.name}.log." if one.failed else one.said
        Console().print(f"{one.name}: {said}", soft_wrap=True, markup=False)
    if failures:
        raise typer.Exit(1)
