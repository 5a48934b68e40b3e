"""Fits of several molecules, each by `scoredyn fit` in a process of its own, as tasks of any executor."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import NamedTuple

from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.errors import ClusterError, SamplingError
from openmm_scoredyn.fitting.verdict import Verdict
from openmm_scoredyn.version import __version__
from openmm_scoredyn.workers import outcome

# A process of its own: training takes signals, which reach the main thread alone, and MD starts processes.
_COMMAND = (sys.executable, "-m", "openmm_scoredyn.cli.beside_worker", "fit")


class Fitted(NamedTuple):
    """What came of one molecule: the verdict on its model, or why there is none."""

    name: str
    verdict: Verdict | None
    failure: str = ""


def fit_each(
    structures: Sequence[str | Path], out: str | Path, options: Sequence[str], executor: Executor
) -> Iterator[Fitted]:
    """Fit every molecule, as many at a time as the executor has workers; one that fails keeps no other from
    being fitted. The same call goes on with those that are not finished.

    Parameters
    ----------
    structures : files of `scoredyn fit`
    out : folder; `out/NAME`, NAME that of a structure, is the folder of its fit, `out/NAME.log` what the
        command said
    options : of `scoredyn fit`, such as ["--budget", "30min"]
    executor : its tasks start a process and wait for it, so threads do

    Yields
    ------
    Fitted, as they end

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
            f"fit: several structures have one name, and would share a folder; expected different ones, found"
            f" {', '.join(twice)}; rename a file."
        )
    folder = make_directory(out).absolute()
    futures = {
        executor.submit(_fit_one, str(path), str(folder), tuple(options), __version__): path.stem
        for path in paths
    }
    try:
        for future in as_completed(futures):
            failure, name = outcome(future, "fit"), futures[future]
            if failure is not None:
                yield Fitted(name, None, failure)
                continue
            stored = json.loads((folder / name / "verdict.json").read_text())
            lists = {key: tuple(value) for key, value in stored.items() if isinstance(value, list)}
            yield Fitted(name, Verdict(**stored | lists))
    finally:
        for future in futures:
            future.cancel()


def _fit_one(structure: str, out: str, options: tuple[str, ...], version: str) -> str | None:
    """The task of a worker: None, or the last line of what the command said when it failed."""
    if version != __version__:
        raise ClusterError(
            f"fit: the worker on {socket.gethostname()} has another openmm-scoredyn; expected {version},"
            f" found {__version__}; install one version everywhere."
        )
    if not Path(out).is_dir():
        raise ClusterError(
            f"fit: the worker on {socket.gethostname()} cannot see {out}; expected the folder of the fits;"
            " choose one on a file system that all workers share."
        )
    folder = Path(out) / Path(structure).stem
    log = folder.with_name(f"{folder.name}.log")
    command = [*_COMMAND, structure, "--out", str(folder), *options]
    with (
        open(log, "w", encoding="utf-8") as file,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file) as process,
    ):
        status = process.wait()
    if status == 0:
        return None
    return (log.read_text().strip() or f"it ended with status {status}.").splitlines()[-1]
