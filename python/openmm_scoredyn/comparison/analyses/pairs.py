"""Joint histograms of neighbouring torsions: right one by one, they may still be wrong together."""

from collections.abc import Mapping
from itertools import combinations
from typing import ClassVar

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.distribution import cells
from openmm_scoredyn.comparison.planes import CIRCLE_DEGREES, Plane, plane_of
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.comparison.sides import Angle, Sides
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.observables.protocol import Quantity

GROUP = "Pairs of neighbouring torsions"
BINS = 50
# Pairs that have pictures: those that are farthest apart. The table has all.
MOST_PLANES = 6


def neighbouring(angles: list[Angle], particles: Particles) -> list[tuple[Angle, Angle]]:
    """Pairs of torsions of different coordinates about bonds that share a particle, or that a bond joins
    about which no torsion is known.
    """
    bonds = {frozenset(bond) for bond in particles.bonds}
    torsions = [angle for angle in angles if angle.atoms]
    turning = {frozenset(angle.atoms[1:3]) for angle in torsions}
    still = bonds - turning

    def near(one: Angle, other: Angle) -> bool:
        first, second = one.atoms[1:3], other.atoms[1:3]
        return bool(set(first) & set(second)) or any(
            frozenset((a, b)) in still for a in first for b in second
        )

    return [
        (one, other)
        for one, other in combinations(torsions, 2)
        if one.coordinate != other.coordinate and near(one, other)
    ]


class Pairs(Analysis):
    """The joint histogram of every two neighbouring torsions that are not looked at together anyway."""

    name = "pairs"
    title = "Free energy of neighbouring torsions"
    picture_caption = (
        "-RT ln p in bins of 7.2 degrees, relative to the lowest bin, of those pairs whose joint histograms"
        " are farthest apart; and the difference of the two, aligned on the bins that both visit. Coloured in"
        " the difference: bins that one side alone visits, with the share of its frames there. Grey: visited"
        " by neither."
    )
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "Jensen-Shannon divergence of the joint histograms, bits, 50 x 50 bins, beside the floor, as for"
            " single torsions. Neighbours turn about bonds that share a particle, or that are joined by a"
            " bond about which nothing turns."
        )
    }

    def find(self, sides: Sides) -> Findings | None:
        """A row for each pair, and the planes of those that are farthest apart."""
        found = neighbouring(sides.angles, sides.reference.observations.particles)
        if not found:
            return None
        measured = [self._measure(sides, pair) for pair in found]
        apart = sorted(measured, key=lambda one: -one[0].candidate.value)[:MOST_PLANES]
        return Findings(tuple(row for row, _ in measured), tuple(plane for _, plane in apart))

    def _measure(self, sides: Sides, pair: tuple[Angle, Angle]) -> tuple[Row, Plane]:
        ours, theirs = (cells(angles, BINS) for angles in sides.joined(pair))
        name = ", ".join(angle.name for angle in pair)
        quantity = Quantity(
            GROUP,
            f"{name}: JSD (reference: expected by chance)",
            "bit",
            relative_tolerance=0.5,
            one_sided=True,
        )
        row = sides.divergence_row(
            quantity, (ours[:, None], theirs[:, None]), BINS**2, coordinates=[one.coordinate for one in pair]
        )
        first, second = (f"{angle.name} (degrees)" for angle in pair)
        return row, plane_of(name, (first, second), (CIRCLE_DEGREES, CIRCLE_DEGREES), (ours, theirs), BINS)


ANALYSES = (Pairs,)
