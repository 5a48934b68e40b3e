"""A command of `scoredyn` for each of several structures, in a process of its own: tasks of any executor."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import NamedTuple

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.version import __version__
from openmm_scoredyn.workers import outcome, require_folder, require_version

# A process of its own: training takes signals, which reach the main thread alone, and MD starts processes.
_BEGINNING = (sys.executable, "-m", "openmm_scoredyn.cli.beside_worker")


class Ended(NamedTuple):
    """How the command ended for one structure: what it said last, and whether that is why it failed."""

    name: str
    said: str
    failed: bool


def run_each(
    command: str,
    structures: Sequence[str | Path],
    out: str | Path,
    options: Sequence[str],
    executor: Executor,
) -> Iterator[Ended]:
    """Run a command for every structure, as many at a time as the executor has workers; one that fails keeps
    no other from being done. The same call goes on with those that are not finished.

    Parameters
    ----------
    command : that takes a structure and --out, such as "fit"
    structures : files
    out : folder; `out/NAME`, NAME that of a structure, is the folder of its command, `out/NAME.log` what the
        command said
    options : of the command, such as ["--budget", "30min"]
    executor : its tasks start a process and wait for it, so threads do

    Yields
    ------
    Ended, as they end

    Raises
    ------
    SamplingError
        If two structures have one name.
    ClusterError
        If the workers are gone, do not see the folder or have another version.
    """
    paths = [Path(structure).absolute() for structure in structures]
    names = [path.stem for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SamplingError(
            f"{command}: several structures have one name, and would share a folder; expected different ones,"
            f" found {', '.join(twice)}; rename a file."
        )
    folder = make_directory(out).absolute()
    futures = {
        executor.submit(_run_one, command, str(path), str(folder), tuple(options), __version__): path.stem
        for path in paths
    }
    try:
        for future in as_completed(futures):
            said, failed = outcome(future, command)
            yield Ended(futures[future], said, failed)
    finally:
        for future in futures:
            future.cancel()


def _run_one(
    command: str, structure: str, out: str, options: tuple[str, ...], version: str
) -> tuple[str, bool]:
    """The task of a worker: the last line of what the command said, and whether it failed."""
    require_version(version, command)
    require_folder(out, command)
    folder = Path(out) / Path(structure).stem
    log = folder.with_name(f"{folder.name}.log")
    words = [*_BEGINNING, command, structure, "--out", str(folder), *options]
    with (
        open(log, "w", encoding="utf-8") as file,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=file, stderr=file) as process,
    ):
        status = process.wait()
    said = (log.read_text().strip() or f"it ended with status {status}.").splitlines()[-1]
    return said, status != 0
