"""What came out of a fit, in words: which targets are met, and what would help where they are not."""

import math
import statistics
from dataclasses import asdict, dataclass

from openmm_scoredyn.comparison.advice import entered, rarely_entered
from openmm_scoredyn.comparison.measurement import Fit
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.comparison.rows import MET, MISSED, Row
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS
from openmm_scoredyn.observables.series import Observations

UNDECIDED = "undecided"
REJECTED_SHARE = 1e-3  # of the draws: the target


@dataclass(frozen=True)
class Verdict:
    """The verdict on a model.

    Attributes
    ----------
    word : "met" where every target is, "missed" where one is not, "undecided" where the held-out MD or the
        replicas are too short to tell of one and none is missed
    met, missed, undecided : tuple of str, names of quantities with a target
    rejected_share : share of the draws that the guard rejected
    advice : tuple of str, a sentence each
    """

    word: str
    met: tuple[str, ...]
    missed: tuple[str, ...]
    undecided: tuple[str, ...]
    rejected_share: float
    advice: tuple[str, ...]

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def sentence(self) -> str:
        """In one sentence."""
        count = len(self.met) + len(self.missed) + len(self.undecided)
        return (
            f"Targets {self.word}: of {count}, {len(self.met)} met, {len(self.missed)} missed,"
            f" {len(self.undecided)} that the MD is too short to judge; {self.rejected_share:.2%} of the"
            " draws were rejected."
        )


def judge(
    report: ComparisonReport, guard: dict[str, int], training: Observations, overfitted: str
) -> Verdict:
    """The verdict from a comparison with held-out MD.

    Parameters
    ----------
    guard : steps of the replicas, and draws rejected by cause
    training : Observations of the MD that the model was trained on
    overfitted : sentence of the training, empty where there is none
    """
    rows = [row for row in report.rows if row.target]
    met, missed, undecided = (
        [row for row in rows if (row.target if row.target in (MET, MISSED) else UNDECIDED) == kind]
        for kind in (MET, MISSED, UNDECIDED)
    )
    rejected = sum(count for cause, count in guard.items() if cause != "steps")
    share = rejected / max(1, guard["steps"] + rejected)
    bad = bool(missed) or share > REJECTED_SHARE
    word = MISSED if bad else UNDECIDED if undecided or not rows else MET
    advice = (*_rare(training, report.fit), _too_short(undecided), _too_many(share), overfitted)
    named = [tuple(_name(row) for row in part) for part in (met, missed, undecided)]
    return Verdict(word, named[0], named[1], named[2], share, tuple(filter(None, advice)))


def _name(row: Row) -> str:
    return f"{row.quantity.group}: {row.quantity.name}"


def _rare(training: Observations, fit: Fit) -> list[str]:
    """States that were entered too rarely to be learnt."""
    return [
        f"{entered(name, events, training.length_ns)} of training MD; give at least"
        f" {math.ceil(FEW_EVENTS / max(1, events))} times the budget, or add --steered MD of `scoredyn"
        " simulate`."
        for name, events in rarely_entered(training, fit).items()
    ]


def _too_short(undecided: list[Row]) -> str:
    """How much more MD the targets that could not be judged need; empty where there is none."""
    ratios = []
    for row in undecided:
        quantity, reference = row.quantity, row.reference
        allowed = max(quantity.absolute_target, quantity.relative_target * abs(reference.value))
        if allowed > 0 and math.isfinite(reference.error):
            ratios.append((max(reference.error, row.candidate.error) / allowed) ** 2)
    if not ratios:
        return ""
    times = max(2, math.ceil(statistics.median(ratios)))
    return (
        f"Half of the targets that could not be judged, {len(undecided)}, need up to {times} times as much MD"
        " or replicas; give a larger budget."
    )


def _too_many(share: float) -> str:
    """What helps against rejected draws; empty where they are few."""
    if share <= REJECTED_SHARE:
        return ""
    return (
        f"{share:.2%} of the draws were rejected, more than {REJECTED_SHARE:.1%}; give a larger budget, of"
        " which training gets its share."
    )
