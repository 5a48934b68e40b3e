"""The result of a comparison, as JSON and as a page."""

from dataclasses import dataclass, field

from openmm_scoredyn.comparison.chapman_kolmogorov import IntervalStatistics
from openmm_scoredyn.comparison.measurement import Measurement
from openmm_scoredyn.comparison.rows import Row


@dataclass(frozen=True)
class ComparisonReport:
    """The result of `compare`.

    Attributes
    ----------
    rows : tuple of Row
    reference, candidate : Measurement
    reference_name, candidate_name : str, titles for plots
    speeds_ps_per_s : dict of float by side's name, empty where no one measured it
    notes : tuple of str, what a reader must know
    intervals : tuple of IntervalStatistics, the Chapman-Kolmogorov test where one was made, the reference
    first
    guard : dict of dicts by title: steps, and how many of them were refused by cause
    """

    rows: tuple[Row, ...]
    reference: Measurement
    candidate: Measurement
    reference_name: str
    candidate_name: str
    speeds_ps_per_s: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    intervals: tuple[IntervalStatistics, ...] = ()
    guard: dict[str, dict[str, int]] = field(default_factory=dict)

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
        }

    def write(self, directory, first_pictures=()) -> None:
        """Write `comparison.json`, the plots as PNG and `report.html`, see
        `evaluation.report.write_report`.
        """
        from openmm_scoredyn.comparison.report import write_report

        write_report(self, directory, first_pictures)


def side_dict(name: str, side: Measurement) -> dict:
    """What one side is made of, and its implied time scales at every lag, JSON-ready."""
    return {
        "name": name,
        "length_ns": side.series.length_ns,
        "trajectories": len(side.series.angles),
        "frame_spacing_ps": side.series.frame_spacing_ps,
        "temperature_K": side.series.temperature_K,
        "blocks": len(side.blocks),
        "implied_timescales_ps": {
            f"{lag:g}": [
                {"bootstrap": ours.to_dict(), "posterior": theirs.to_dict()}
                for ours, theirs in zip(estimates, side.markov.posterior[lag], strict=True)
            ]
            for lag, estimates in side.markov.timescales.items()
        },
    }
