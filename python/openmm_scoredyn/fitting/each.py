"""Fits of several molecules, each by `scoredyn fit` in a process of its own, as tasks of any executor."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from openmm_scoredyn.each import run_each
from openmm_scoredyn.fitting.verdict import Verdict


class Fitted(NamedTuple):
    """What came of one molecule: the verdict on its model, or why there is none."""

    name: str
    verdict: Verdict | None
    failure: str = ""


def fit_each(
    structures: Sequence[str | Path], out: str | Path, options: Sequence[str], executor: Executor
) -> Iterator[Fitted]:
    """Fit every molecule; parameters and errors as of `run_each`.

    Yields
    ------
    Fitted, as they end
    """
    for name, said, failed in run_each("fit", structures, out, options, executor):
        yield Fitted(name, None, said) if failed else Fitted(name, _verdict(Path(out) / name))


def _verdict(folder: Path) -> Verdict:
    """Of the folder of a fit that ended."""
    stored = json.loads((folder / "verdict.json").read_text())
    lists = {key: tuple(value) for key, value in stored.items() if isinstance(value, list)}
    return Verdict(**stored | lists)
