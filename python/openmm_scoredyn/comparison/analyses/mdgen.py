"""The quantities of MDGen's tables, computed as its analysis script does (Jing, Stark, Jaakkola, Berger
2024).

Numbers that are to be read beside those of other papers: square roots of Jensen-Shannon divergences in nats.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.analyses.slow import component_rows
from openmm_scoredyn.comparison.decorrelation import component_time, decorrelation_times
from openmm_scoredyn.comparison.distribution import cells, mean_root_in_nats, root_in_nats
from openmm_scoredyn.comparison.macrostates import Macrostates, fit_macrostates
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.sides import Angle, Sides
from openmm_scoredyn.comparison.tica import fit_components
from openmm_scoredyn.molecule.peptides import BACKBONE, SIDE_CHAIN
from openmm_scoredyn.observables.protocol import Quantity

GROUP, TIMES = "MDGen's suite", "MDGen's suite: decorrelation times"
BINS = 100
# Of the components and of the Markov model: a thousand of the script's frames of 0.1 ps. Where the reference
# is short, a tenth of its longest trajectory.
LAG_PS = 100.0
# Differences of less do not matter: relative to the floor of a square root, sqrt(1.5) - 1.
TOLERANCE = 0.22


class MDGen(Analysis):
    """Torsions, components, Markov states and decorrelation times."""

    name = "mdgen"
    suite = True
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "As MDGen's analysis script: square root of the Jensen-Shannon divergence, nats. Torsions: mean"
            " over them, 100 bins each; those of the backbone, of side chains, all. TICA of sin and cos of"
            " all torsions of the reference with a kinetic map; 100 bins of the first component, 50 x 50 of"
            " the first two. Markov states: 100 k-means clusters of the components that hold 95 % of the"
            " kinetic variance, a reversible Markov model, PCCA+. Beside each the floor: what two samples of"
            " the reference of these lengths show."
        ),
        TIMES: (
            "Time at which &lt;cos(angle(t + lag) - angle(t))&gt;, less its baseline &lt;cos&gt;&sup2; +"
            " &lt;sin&gt;&sup2; and 1 at lag 0, has fallen to 1/e. Of TICA-0: the autocovariance about the"
            " reference's mean, relative to lag 0."
        ),
    }

    def find(self, sides: Sides) -> Findings | None:
        """All rows, and the same numbers in one piece for tables."""
        angles = [angle for angle in sides.angles if angle.atoms]
        reference = sides.reference.observations
        lag = max(1, round(min(LAG_PS / reference.frame_spacing_ps, max(reference.lengths) / 10)))
        if not angles:
            return None
        both = sides.joined(angles)
        components = fit_components(both[0], reference.lengths, lag)
        if components is None:
            return None
        projected = tuple(components.project(one) for one in both)
        mapped = [(one * components.eigenvalues)[:, : components.kept] for one in projected]
        states = fit_macrostates(mapped[0], reference.lengths, lag)
        rows = [
            *_torsion_rows(sides, angles),
            *component_rows(sides, GROUP, projected, "sqrt(nat)", root_in_nats, TOLERANCE),
        ]
        if states is not None:
            rows.append(_state_row(sides, states, mapped))
        times = [*_time_rows(sides, angles), _component_time_row(sides, projected)]
        lag_ps = lag * reference.frame_spacing_ps
        return Findings((*rows, *times), facts=_facts(rows, times, lag_ps, states))


def _torsion_rows(sides: Sides, angles: Sequence[Angle]) -> list[Row]:
    """Mean over the torsions of the backbone, of the side chains, and all."""
    rows = []
    for name, part in (("backbone", BACKBONE), ("side chains", SIDE_CHAIN), ("all torsions", None)):
        own = [angle for angle in angles if part in (None, angle.part)]
        if own:
            ours, theirs = (
                np.stack([cells(one[:, [k]], BINS) for k in range(len(own))], axis=1)
                for one in sides.joined(own)
            )
            rows.append(sides.divergence_row(_quantity(name), (ours, theirs), BINS, mean_root_in_nats(BINS)))
    return rows


def _quantity(name: str) -> Quantity:
    text = f"sqrt(JSD) of {name} (reference: expected by chance)"
    return Quantity(GROUP, text, "sqrt(nat)", TOLERANCE, one_sided=True)


def _state_row(sides: Sides, states: Macrostates, projected: Sequence[np.ndarray]) -> Row:
    ours, theirs = (states.assign(one)[:, None] for one in projected)
    quantity = _quantity(f"{states.number} Markov states")
    return sides.divergence_row(quantity, (ours, theirs), states.number, root_in_nats)


def _time_rows(sides: Sides, angles: Sequence[Angle]) -> list[Row]:
    """Decorrelation times of every torsion."""
    known, found = (
        decorrelation_times(one, side.observations.frame_spacing_ps, side.blocks, sides.seed)
        for one, side in zip(sides.joined(angles), sides.both, strict=True)
    )
    return [
        make_row(
            Quantity(TIMES, angle.name, "ps", 0.10, ratio=True, limited=angle.telling),
            ours,
            theirs,
            sides.length_ratio,
            sides.sojourns([angle.coordinate]),
        )
        for angle, ours, theirs in zip(angles, known, found, strict=True)
    ]


def _component_time_row(sides: Sides, projected: Sequence[np.ndarray]) -> Row:
    """Decorrelation time of the slowest component."""
    known, found = (
        component_time(one[:, 0], side.observations.frame_spacing_ps, side.blocks, sides.seed)
        for one, side in zip(projected, sides.both, strict=True)
    )
    quantity = Quantity(TIMES, "TICA-0", "ps", 0.10, ratio=True, limited=True)
    return make_row(quantity, known, found, sides.length_ratio, sides.sojourns())


def _facts(rows: Sequence[Row], times: Sequence[Row], lag_ps: float, states: Macrostates | None) -> dict:
    """The block of numbers that stands in tables."""

    def short(row: Row) -> str:
        return row.quantity.name.removeprefix("sqrt(JSD) of ").partition(" (")[0]

    return {
        "unit": "sqrt(nat)",
        "lag_ps": lag_ps,
        "markov_states": 0 if states is None else states.number,
        "sqrt_jsd": {short(row): row.candidate.to_dict() for row in rows},
        "expected_by_chance": {short(row): row.reference.to_dict() for row in rows},
        "decorrelation_times_ps": {
            row.quantity.name: {"reference": row.reference.to_dict(), "candidate": row.candidate.to_dict()}
            for row in times
        },
    }


ANALYSES = (MDGen,)
