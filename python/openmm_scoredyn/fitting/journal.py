"""What a fit decided and how long it took, kept in a file, so that a call that was interrupted goes on with
the same numbers.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.errors import OutputError
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.version import UNKNOWN_VERSION, __version__

FILE = "fit.json"


class Journal:
    """Decisions of a fit by name, wall time by stage, and the request they were made for.

    Parameters
    ----------
    folder : of the fit
    request : FitRequest
    structure_sha256 : of the structure file

    Raises
    ------
    OutputError
        If the folder holds a fit of another molecule, version or with other settings, or its journal cannot
        be read.
    """

    def __init__(self, folder: Path, request: FitRequest, structure_sha256: str):
        self._path = folder / FILE
        self._asked = json.loads(json.dumps(request.to_dict() | {"structure_sha256": structure_sha256}))
        self._decided: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        if self._path.exists():
            self._decided, self._seconds = self._read(folder)

    def _read(self, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
        try:
            stored = json.loads(self._path.read_text())
            known = stored["request"]
            begun_with = str(stored.get("package_version", UNKNOWN_VERSION))
            decided = dict(stored["decided"])
            seconds = {str(name): float(value) for name, value in stored["seconds"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"fit: cannot read {self._path} ({type(error).__name__}); expected what an earlier fit wrote;"
                " choose another folder."
            ) from None
        if begun_with != __version__:
            raise OutputError(
                f"fit: {folder} was begun with another version; expected openmm_scoredyn {__version__}, found"
                f" {begun_with}; finish it with that one, or choose another folder."
            )
        for name, asked in self._asked.items():
            if asked != known.get(name):
                raise OutputError(
                    f"fit: {folder} holds a fit with other settings; expected {name} {known.get(name)}, found"
                    f" {asked}; give the same ones, or another folder."
                )
        return decided, seconds

    def decide(self, name: str, compute: Callable[[], Any]) -> Any:
        """The decision of that name: of an earlier call, else `compute()`, JSON-ready."""
        if name not in self._decided:
            self._decided[name] = compute()
            self._write()
        return self._decided[name]

    def known(self, name: str) -> Any:
        """The decision of that name; None where there is none yet."""
        return self._decided.get(name)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall time of what is done here to that of a stage, also where it is interrupted."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self.seconds(stage) + time.perf_counter() - started
            if self._decided:  # what is refused at once leaves nothing behind
                self._write()

    def seconds(self, stage: str) -> float:
        """Wall time of a stage so far, s, of all calls; what a kill cut short is not in it."""
        return self._seconds.get(stage, 0.0)

    @property
    def spent_s(self) -> float:
        """Wall time of all stages, s."""
        return sum(self._seconds.values())

    def _write(self) -> None:
        content = {
            "package_version": __version__,
            "request": self._asked,
            "decided": self._decided,
            "seconds": self._seconds,
        }
        write_text_atomically(self._path, json.dumps(content, indent=1) + "\n")
