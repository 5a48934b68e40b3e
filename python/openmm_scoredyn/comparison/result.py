"""The result of a comparison, JSON-ready."""

from dataclasses import dataclass, field

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.chapman_kolmogorov import IntervalStatistics
from openmm_scoredyn.comparison.measurement import Fit, Measurement
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.observables.states import Coordinate


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """The result of `compare`.

    Attributes
    ----------
    rows : tuple of Row
    fit : what was fitted on the reference
    reference, candidate : Measurement
    reference_name, candidate_name : str, titles for plots
    speeds_ps_per_s : dict of float by side's name, empty where no one measured it
    notes : tuple of str, what a reader must know
    intervals : tuple of IntervalStatistics, the Chapman-Kolmogorov test where one was made, for each
        coordinate the reference first
    guard : dict of dicts by title: steps, and how many of them were rejected by cause
    analyses : what was made of all angles, with its Findings
    """

    rows: tuple[Row, ...]
    fit: Fit
    reference: Measurement
    candidate: Measurement
    reference_name: str
    candidate_name: str
    speeds_ps_per_s: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    intervals: tuple[IntervalStatistics, ...] = ()
    guard: dict[str, dict[str, int]] = field(default_factory=dict)
    analyses: tuple[tuple[Analysis, Findings], ...] = ()

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The coordinates that were compared."""
        return tuple(coordinate for _, coordinate in self.fit.coordinates)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "reference": side_dict(self.reference_name, self.reference),
            "candidate": side_dict(self.candidate_name, self.candidate),
            "rows": [row.to_dict() for row in self.rows],
            "speeds_ps_per_s": self.speeds_ps_per_s,
            "notes": list(self.notes),
            "chapman_kolmogorov": [interval.to_dict() for interval in self.intervals],
            "guard": self.guard,
            "analyses": {analysis.name: found.facts for analysis, found in self.analyses},
        }


def side_dict(name: str, side: Measurement) -> dict:
    """What one side is made of, and its implied time scales at every lag by observable, JSON-ready."""
    observations = side.observations
    return {
        "name": name,
        "length_ns": observations.length_ns,
        "trajectories": len(observations.lengths),
        "frame_spacing_ps": observations.frame_spacing_ps,
        "temperature_K": observations.temperature_K,
        "blocks": len(side.blocks),
        "implied_timescales_ps": {
            observable: {
                f"{lag:g}": [
                    {"bootstrap": ours.to_dict(), "posterior": theirs.to_dict()}
                    for ours, theirs in zip(estimates, markov.posterior[lag], strict=True)
                ]
                for lag, estimates in markov.timescales.items()
            }
            for observable, markov in side.markov.items()
        },
    }
