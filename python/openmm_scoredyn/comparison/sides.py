"""Both sides of a comparison as they were measured, all their angles, and divergences beside their floor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from openmm_scoredyn.comparison.distribution import Measure, divergence, divergence_by_chance
from openmm_scoredyn.comparison.measurement import Fit, Measurement
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.observables.protocol import Quantity
from openmm_scoredyn.observables.series import Observations


@dataclass(frozen=True)
class Angle:
    """One angle of a coordinate.

    Attributes
    ----------
    name : of the angle, with that of its coordinate
    observable, column : where its numbers are
    coordinate : name of the Coordinate
    atoms : four int where it is a torsion, else empty
    part : of the molecule, as the observable says
    telling : whether it tells the coordinate's rare state from others
    """

    name: str
    observable: str
    column: int
    coordinate: str
    atoms: tuple[int, ...]
    part: str
    telling: bool

    def of(self, observations: Observations) -> np.ndarray:
        """Its numbers, (frames,) float32, rad."""
        return observations.values[self.observable][:, self.column]


@dataclass(frozen=True, eq=False)
class Sides:
    """Reference and candidate of a comparison, and what was fitted on the reference.

    Attributes
    ----------
    reference, candidate : Measurement
    fit : Fit
    seed : of the bootstrap
    """

    reference: Measurement
    candidate: Measurement
    fit: Fit
    seed: int = 0

    @property
    def both(self) -> tuple[Measurement, Measurement]:
        """Reference, candidate."""
        return self.reference, self.candidate

    @property
    def angles(self) -> list[Angle]:
        """All angles of all coordinates, each once."""
        found: dict[tuple, Angle] = {}
        for observable, coordinate in self.fit.coordinates:
            single = len(coordinate.angles) == 1
            for k, angle in enumerate(coordinate.angles):
                one = Angle(
                    name=coordinate.name if single else f"{coordinate.name} {angle}",
                    observable=observable,
                    column=coordinate.columns[k],
                    coordinate=coordinate.name,
                    atoms=coordinate.atoms[k] if coordinate.atoms else (),
                    part=coordinate.parts[k] if coordinate.parts else "",
                    telling=angle in coordinate.telling,
                )
                found.setdefault(one.atoms or (one.observable, one.column), one)
        return list(found.values())

    def joined(self, angles: Sequence[Angle]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of angles of reference and candidate, (frames, F) each, rad."""
        ours, theirs = (
            np.stack([angle.of(side.observations) for angle in angles], axis=1) for side in self.both
        )
        return ours, theirs

    def sojourns(self, coordinates: Sequence[str] | None = None) -> tuple[int, int]:
        """How often reference and candidate were in the rare state of these coordinates that was seen least
        often; by default of all.
        """
        names = self.reference.sojourns if coordinates is None else coordinates
        ours, theirs = (
            min([side.sojourns.get(name, FEW_EVENTS) for name in names], default=FEW_EVENTS)
            for side in self.both
        )
        return ours, theirs

    @property
    def length_ratio(self) -> float:
        """Length of the candidate over that of the reference."""
        return self.candidate.observations.length_ns / self.reference.observations.length_ns

    def few(self, coordinates: Sequence[str] | None = None) -> bool:
        """Whether the reference saw the rare state of one of these coordinates, by default of all, fewer than
        ten times, and the candidate saw it more often: it cannot know how much chance makes of it.
        """
        ours, theirs = self.sojourns(coordinates)
        return ours < min(FEW_EVENTS, theirs)

    def divergence_row(
        self,
        quantity: Quantity,
        labels: tuple[np.ndarray, np.ndarray],
        number: int,
        measure: Measure = jensen_shannon,
        coordinates: Sequence[str] | None = None,
    ) -> Row:
        """The row of a divergence of the candidate from the reference, the reference's value being its floor.

        Parameters
        ----------
        labels : (frames, K) int in [0, number), of reference and candidate
        measure : from two histograms (..., K * number) to (...)
        coordinates : whose rare states count, as for `few`
        """
        blocks = (self.reference.blocks, self.candidate.blocks)
        measured, expected = divergence(*labels, *blocks, number, self.seed, measure)
        if self.few(coordinates):
            frames = self.reference.observations.num_frames
            other = divergence_by_chance(labels[1], blocks[1], frames, number, self.seed, measure)
            expected = max(expected, other, key=lambda estimate: estimate.value)
        # The spread of the expected value is the scale of chance here; the candidate's own bootstrap adds
        # nothing to it.
        by_chance = make_row(quantity, expected, replace(measured, error=0.0), np.inf)
        return replace(by_chance, candidate=measured)
