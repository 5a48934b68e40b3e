"""Slow processes: time-lagged independent components of all angles of the reference, applied to both
sides.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.planes import grid_labels, plane_of
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.sides import Sides
from openmm_scoredyn.comparison.tica import Components, fit_components, time_scales, vamp2, whole_lag
from openmm_scoredyn.divergence import jensen_shannon
from openmm_scoredyn.observables.protocol import Quantity

GROUP = "Slow processes (TICA)"
LAG_PS = 10.0
PROCESSES = 3
# Of one component and of two, as in the field's tables.
LINE_BINS, PLANE_BINS = 100, 50


def component_range(column: int, projected: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Least and largest number of a component on either side."""
    both = [one[:, column] for one in projected]
    return float(min(one.min() for one in both)), float(max(one.max() for one in both))


def component_labels(
    projected: tuple[np.ndarray, np.ndarray], columns: int, bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the first components of both sides on one grid, (T,) each."""
    ranges = tuple(component_range(column, projected) for column in range(columns))
    ours, theirs = (grid_labels(one[:, :columns], ranges, bins) for one in projected)
    return ours, theirs


def component_rows(
    sides: Sides, group: str, projected, unit: str, measure=jensen_shannon, tolerance: float = 0.5
) -> list[Row]:
    """Divergences of the first component, and of the first two together, beside their floors."""
    rows = []
    what = "JSD" if unit == "bit" else "sqrt(JSD)"
    for columns, bins, name in ((1, LINE_BINS, "TICA-0"), (2, PLANE_BINS, "TICA-0,1")):
        if projected[0].shape[1] >= columns:
            labels = component_labels(projected, columns, bins)
            text = f"{what} of {name} (reference: expected by chance)"
            quantity = Quantity(group, text, unit, tolerance, one_sided=True)
            wide = labels[0][:, None], labels[1][:, None]
            rows.append(sides.divergence_row(quantity, wide, bins**columns, measure))
    return rows


class SlowProcesses(Analysis):
    """Components, their distributions and time scales, and how much of the kinetics they hold."""

    name = "tica"
    title = "Free energy along the two slowest components"
    picture_caption = (
        "-RT ln p in 50 x 50 bins of the first two time-lagged independent components of the reference,"
        " relative to the lowest bin; and the difference of the two, aligned on the bins that both visit."
        " Coloured in the difference: bins that one side alone visits, with the share of its frames there."
        " Grey: visited by neither."
    )
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "Time-lagged independent components (TICA, reversible) of sin and cos of all angles, fitted on"
            " the reference. Divergences in bits, 100 bins of one component, 50 x 50 of two, beside the"
            " floor. Time scale of a process: -lag / ln of the autocorrelation of its component at the lag,"
            " about each side's own mean; of those that are slower than the lag. VAMP-2: 1 plus the squared"
            " singular values of the whitened time-lagged covariances of the components that hold 95 % of the"
            " kinetic variance. Independent samples: length over time scale."
        )
    }

    def find(self, sides: Sides) -> Findings | None:
        """Rows of all, and the plane of the first two components."""
        angles, seen = sides.angles, [side.observations for side in sides.both]
        lags = [whole_lag(one.frame_spacing_ps, LAG_PS, one.lengths) for one in seen]
        if not angles or None in lags:
            return None
        ours, theirs = sides.joined(angles)
        lag = max(lag for lag in lags if lag is not None)
        components = fit_components(ours, seen[0].lengths, lag)
        if components is None:
            return None
        projected = components.project(ours), components.project(theirs)
        rows = component_rows(sides, GROUP, projected, "bit")
        lag_ps = lag * seen[0].frame_spacing_ps
        rows += self._kinetics(sides, components, projected, lag_ps)
        facts = {"lag_ps": lag_ps, "angles": [angle.name for angle in angles], "kept": components.kept}
        return Findings(tuple(rows), self._planes(projected), facts)

    def _kinetics(self, sides: Sides, components: Components, projected, lag_ps: float) -> list[Row]:
        about = (sides.length_ratio, sides.sojourns())
        measured = [
            (
                time_scales(one[:, :PROCESSES], side.blocks, components.lag, lag_ps, sides.seed),
                vamp2(one[:, : components.kept], side.blocks, components.lag, sides.seed),
            )
            for one, side in zip(projected, sides.both, strict=True)
        ]
        rows = []
        for process, pair in enumerate(zip(measured[0][0], measured[1][0], strict=True)):
            name = f"TICA process {process + 1} at lag {lag_ps:g} ps"
            if not all(np.isnan(estimate.value) for estimate in pair):
                quantity = Quantity(GROUP, name, "ps", 0.10, ratio=True, limited=True)
                rows.append(make_row(quantity, *pair, *about))
        name = (
            f"VAMP-2 score of {components.kept} component{'s' * (components.kept > 1)} at lag {lag_ps:g} ps"
        )
        quantity = Quantity(GROUP, name, "", absolute_tolerance=0.05, limited=True)
        return [*rows, make_row(quantity, measured[0][1], measured[1][1], *about)]

    def _planes(self, projected):
        if projected[0].shape[1] < 2:
            return ()
        ranges = component_range(0, projected), component_range(1, projected)
        labels = component_labels(projected, 2, PLANE_BINS)
        return (plane_of("", ("TICA-0", "TICA-1"), ranges, labels, PLANE_BINS),)


ANALYSES = (SlowProcesses,)
