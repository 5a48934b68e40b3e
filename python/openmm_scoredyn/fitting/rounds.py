"""What a fit does next: where the misses of a round point, and how much of it the budget allows."""

from dataclasses import asdict, dataclass, replace

from openmm_scoredyn.comparison.result import ComparisonReport
from openmm_scoredyn.fitting.evidence import Evidence
from openmm_scoredyn.fitting.request import LEAST_ROUND, ROUNDS, FitRequest
from openmm_scoredyn.fitting.verdict import MET, Verdict, name_of

STOP, UPDATES, FREE, ROTAMERS, SHOOTING = "stop", "more updates", "more MD", "rotamers", "shooting"


@dataclass(frozen=True)
class Choice:
    """What follows a round.

    Attributes
    ----------
    kind : "stop", "more updates", "more MD", "rotamers" or "shooting"
    because : why, the second half of a sentence
    score : (targets missed, targets not met) of the round, lower is better
    met : whether all targets were met
    seconds : wall time of the MD and the training of the next round; 0 where none follows
    """

    kind: str
    because: str
    score: tuple[int, int] = (0, 0)
    met: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> "Choice":
        """Inverse of `to_dict`."""
        return cls(**fields | {"score": tuple(fields["score"])})


def choose(verdict: Verdict, report: ComparisonReport, evidence: Evidence) -> Choice:
    """What the next round would do best, whatever it costs.

    Parameters
    ----------
    verdict : of the validation MD
    report : the comparison it was made from
    evidence : on the training of the model
    """
    score = (len(verdict.missed) + verdict.too_many_rejected, len(verdict.missed) + len(verdict.undecided))
    missed, undecided = (
        [row for row in report.rows if row.target and name_of(row) in names]
        for names in (verdict.missed, verdict.undecided)
    )
    unexplained = verdict.too_many_rejected or not all(map(evidence.explains, missed))
    rare = {row.quantity.coordinate for row in missed + undecided if evidence.explains(row)}
    if verdict.word == MET:
        kind, because = STOP, "all targets were met on the validation MD"
    elif not missed and not rare and not verdict.too_many_rejected:
        kind, because = STOP, "no target was missed on the validation MD, which is too short to judge all"
    elif evidence.falling and unexplained:
        kind = UPDATES
        because = f"the held-out loss still fell, {evidence.fell:.0%} of its fall in the last quarter"
    elif rare:
        kind = _torsional(rare, evidence)
        because = f"rare states were entered fewer than ten times ({', '.join(sorted(rare))})"
    elif evidence.overfitted:
        kind, because = FREE, "the training overfitted"
    else:
        # Between 6,000 and 24,000 updates of dimethoxyethane the loss fell by 0.6 %, divergences to a fifth.
        kind, because = UPDATES, "targets were missed, of which a held-out loss that has settled says little"
    return Choice(kind, because, score, verdict.word == MET)


def _torsional(rare: set[str], evidence: Evidence) -> str:
    """The MD that shows rare states of torsions more often, each kind once, then longer free MD."""
    if evidence.turns and not evidence.steered:
        return ROTAMERS
    if evidence.shoots_along in rare and not evidence.shot:
        return SHOOTING
    return FREE


def affordable(choice: Choice, done: int, spent_s: float, overhead_s: float, request: FitRequest) -> Choice:
    """The choice with the wall time of the round that follows; STOP where too little is left for one.

    Parameters
    ----------
    done : rounds so far
    spent_s : wall time so far
    overhead_s : wall time of a round beside its MD and training
    """
    if choice.kind == STOP:
        return choice
    left_s = max(request.left_for_rounds(spent_s), 0.0)
    number = min(ROUNDS - done, int(left_s / (LEAST_ROUND * request.budget_s + overhead_s)))
    if number <= 0:
        return replace(choice, kind=STOP, because=f"the budget allows no further round ({choice.because})")
    return replace(choice, seconds=left_s / number - overhead_s)


def best(scores: list[tuple[int, int]]) -> int:
    """Number, from 1 on, of the round with the least score; the latest of equal ones."""
    return max(number for number, score in enumerate(scores, start=1) if score == min(scores))
