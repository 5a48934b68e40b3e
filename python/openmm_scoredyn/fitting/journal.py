"""What a fit decided, kept in a file, so that a call that was interrupted goes on with the same numbers."""

import json
from collections.abc import Callable
from pathlib import Path

from openmm_scoredyn.data.atomic import write_text_atomically
from openmm_scoredyn.errors import OutputError
from openmm_scoredyn.fitting.request import FitRequest

FILE = "fit.json"


class Journal:
    """Decisions of a fit by name, and the request they were made for.

    Parameters
    ----------
    folder : of the fit
    request : FitRequest
    structure_sha256 : of the structure file

    Raises
    ------
    OutputError
        If the folder holds a fit of another molecule or with other settings, or its journal cannot be read.
    """

    def __init__(self, folder: Path, request: FitRequest, structure_sha256: str):
        self._path = folder / FILE
        self._asked = json.loads(json.dumps(request.to_dict() | {"structure_sha256": structure_sha256}))
        self._decided: dict[str, float] = {}
        if self._path.exists():
            self._decided = self._read(folder)

    def _read(self, folder: Path) -> dict[str, float]:
        try:
            stored = json.loads(self._path.read_text())
            known, decided = stored["request"], dict(stored["decided"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"fit: cannot read {self._path} ({type(error).__name__}); expected what an earlier fit wrote;"
                " choose another folder."
            ) from None
        for name, asked in self._asked.items():
            if asked != known.get(name):
                raise OutputError(
                    f"fit: {folder} holds a fit with other settings; expected {name} {known.get(name)}, found"
                    f" {asked}; give the same ones, or another folder."
                )
        return decided

    def decide(self, name: str, compute: Callable[[], float]) -> float:
        """The number of that name: of an earlier call, else `compute()`."""
        if name not in self._decided:
            self._decided[name] = compute()
            content = {"request": self._asked, "decided": self._decided}
            write_text_atomically(self._path, json.dumps(content, indent=1) + "\n")
        return self._decided[name]
