"""The progress bar of commands that count physical time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from openmm_scoredyn.cli.duration import format_duration
from openmm_scoredyn.cli.throughput import Throughput


@contextmanager
def time_progress(description: str) -> Iterator[Callable[[float, float], None]]:
    """A bar on stderr, shown once there is progress to show; gives a function to call with (ps done, ps in
    all).

    The rate counts what was done since the first call, so that it is right after a restart too.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=None, state="", visible=False)
        speed = Throughput()

        def update(done: float, total: float) -> None:
            speed.update(done)
            state = f"{format_duration(done)} of {format_duration(total)}{speed.text()}"
            bar.update(task, completed=done, total=total, state=state, visible=True)

        yield update
