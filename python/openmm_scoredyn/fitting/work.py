"""What all stages of a fit share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openmm_scoredyn.fitting.journal import Journal
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.molecule.structure import Structure

Progress = Callable[[float, float], None]
Stage = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True, eq=False)
class Work:
    """One fit.

    Attributes
    ----------
    structure : Structure
    folder : of everything
    request : FitRequest
    journal : Journal
    announce : called with the name of each stage; a context that gives a function of (done, in all)
    """

    structure: Structure
    folder: Path
    request: FitRequest
    journal: Journal
    announce: Stage

    @property
    def name(self) -> str:
        """Of the molecule: that of the structure file."""
        return self.structure.files[0].stem

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """A stage: announced, and its wall time kept."""
        with self.announce(name) as progress, self.journal.timed(name):
            yield progress
