"""What came out of a fit, in words: which targets are met, and what would help where they are not."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from openmm_scoredyn.comparison.advice import entered
from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.comparison.rows import MET, MISSED, Row
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS
from openmm_scoredyn.fitting.evidence import Evidence

UNDECIDED = "undecided"
REJECTED_SHARE = 1e-3  # of the draws: the target
# Names in a sentence; the page has all.
MOST_NAMES = 4
MOST_TIMES = 100  # beyond which an estimate of how much more MD is needed says nothing


@dataclass(frozen=True)
class Verdict:
    """The verdict on a model.

    Attributes
    ----------
    word : "met" where every target is, "missed" where one is not, "undecided" where the MD that it is judged
        by or the replicas are too short to tell of one and none is missed
    met, missed, undecided : tuple of str, names of quantities with a target
    rejected_share : share of the draws that the guard rejected
    advice : tuple of str, a sentence each: what is missing for each target that was missed, states that are
        rare, how much more MD those need that cannot be judged
    rounds : tuple of str, what each round was followed by, and why
    cost : tuple of str, speeds of MD and of the model, and beyond which length the fit pays
    """

    word: str
    met: tuple[str, ...]
    missed: tuple[str, ...]
    undecided: tuple[str, ...]
    rejected_share: float
    advice: tuple[str, ...]
    rounds: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()

    @property
    def too_many_rejected(self) -> bool:
        """Whether the guard rejected more draws than the target allows."""
        return self.rejected_share > REJECTED_SHARE

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


def judge(report: ComparisonReport, guard: dict[str, int], evidence: Evidence) -> Verdict:
    """The verdict from a comparison with MD that the model was not trained on.

    Parameters
    ----------
    guard : steps of the replicas, and draws rejected by cause
    evidence : on the training of the model
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
    advice = (*_rare(missed, evidence), _missed(missed, evidence), _too_short(undecided), _too_many(share))
    named = [tuple(name_of(row) for row in part) for part in (met, missed, undecided)]
    return Verdict(word, named[0], named[1], named[2], share, tuple(filter(None, advice)))


def name_of(row: Row) -> str:
    """Of a quantity, as in a verdict."""
    return f"{row.quantity.group}: {row.quantity.name}"


def _rare(missed: list[Row], evidence: Evidence) -> list[str]:
    """A sentence for each state that was entered too rarely to be learnt, with the targets it explains."""
    sentences = []
    for name, events in evidence.rare.items():
        own = [row for row in missed if row.quantity.coordinate == name and evidence.explains(row)]
        known = entered(f"{evidence.states[name][0]} of {name}", events, evidence.length_ns)
        steered = ("segments from drawn rotamers", evidence.steered)
        shot = ("paths that were shot", evidence.shot)
        beside = " and ".join(text for text, given in (steered, shot) if given)
        beside = f", beside {beside}" if beside else ""
        shoots = name == evidence.shoots_along and not evidence.shot
        other = ", or paths of `scoredyn simulate --shooting`" if shoots else ""
        times = math.ceil(FEW_EVENTS / max(1, events))
        sentences.append(
            f"{_listed(own)}{known} of free training MD{beside}; give at least {times} times as much MD (a"
            f" larger budget){other}."
        )
    return sentences


def _missed(missed: list[Row], evidence: Evidence) -> str:
    """A sentence for the missed targets that no rare state explains; empty where there are none."""
    others = [row for row in missed if not evidence.explains(row)]
    if not others:
        return "" if missed else evidence.overfitted
    if evidence.overfitted:
        cause = f"{evidence.overfitted[:-1]}; more MD helps, more updates do not."
    elif evidence.falling:
        cause = (
            f"the held-out loss still fell, {evidence.fell:.0%} of its whole fall in the last quarter of the"
            " updates; more updates help (a larger budget)."
        )
    else:
        cause = (
            f"the held-out loss had settled, on {evidence.length_ns:.3g} ns of MD, which says little of how"
            " near a model is; more updates help (a larger budget), and then more MD."
        )
    return f"{_listed(others)}{cause}"


def _listed(rows: list[Row]) -> str:
    """The beginning of a sentence on missed targets: their names; empty where there are none."""
    return f"Missed {listed([name_of(row) for row in rows])}: " if rows else ""


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


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
    needed = f"up to {times}" if times <= MOST_TIMES else f"more than {MOST_TIMES}"
    return (
        f"Half of the targets that could not be judged, {len(undecided)}, need {needed} times as much MD"
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
