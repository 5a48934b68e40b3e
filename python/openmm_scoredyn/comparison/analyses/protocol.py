"""What an analysis is: rows, pictures and facts of both sides of a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from openmm_scoredyn.comparison.planes import Plane
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.sides import Sides


@dataclass(frozen=True, eq=False)
class Findings:
    """What an analysis found.

    Attributes
    ----------
    rows : tuple of Row
    planes : tuple of Plane, shown as maps of free energy
    facts : what a reader of the JSON wants besides, JSON-ready
    """

    rows: tuple[Row, ...]
    planes: tuple[Plane, ...] = ()
    facts: dict = field(default_factory=dict)


class Analysis(Protocol):
    """Something that is made of all angles of both sides. Subclasses are entries of the registry.

    Attributes
    ----------
    name : in the registry, in the JSON, and of its picture's file
    title, picture_caption : of its picture
    captions : by group of its quantities, what a reader of the page must know; HTML
    suite : whether it is made only where the user asks for it by name
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    picture_caption: ClassVar[str] = ""
    captions: ClassVar[Mapping[str, str]]
    suite: ClassVar[bool] = False

    def find(self, sides: Sides) -> Findings | None:
        """What there is to say of both sides; None where there is nothing to see."""
        ...
