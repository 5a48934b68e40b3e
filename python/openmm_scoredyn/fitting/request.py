"""What a fit is asked for, and how its budget of wall time is divided."""

import math
from dataclasses import asdict, dataclass, field

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.physics import Physics

# Of the budget. The first round; what later rounds get follows from what is left. One long training brings
# more than several that each begin and end with small steps.
SHARES = {"training MD": 0.1, "validation MD": 0.04, "training": 0.5, "replicas": 0.03}
# Kept for the end; what the rounds did not use is added to the held-out MD.
FINAL_SHARES = {"held-out MD": 0.12, "final replicas": 0.05}
# With several processes the MD that judges is made beside the training, by those that it leaves idle.
SHARES_BESIDE = {"training MD": 0.13, "validation MD": 0.0, "training": 0.63, "held-out MD": 0.0}
# Of the wall time of the training; all of it ends before the training does.
BESIDE = {"validation MD": 0.25, "held-out MD": 0.65}
# Kept for imports, exports and comparisons.
OVERHEAD = 0.06
# A round that has less than this of the budget is not begun.
LEAST_ROUND = 0.08
ROUNDS = 4
LEAST_BUDGET_S = 60.0


@dataclass(frozen=True)
class FitRequest:
    """What to fit.

    Attributes
    ----------
    budget_s : wall time, s, on the cores given
    processes : trajectories of MD made at a time; half of them train, while the others make MD
    lag_time_ps : of one step of the model, and between the frames of the MD
    physics : Physics of the MD
    seed : of everything
    """

    budget_s: float
    processes: int = 1
    lag_time_ps: float = 1.0
    physics: Physics = field(default_factory=Physics)
    seed: int = 1

    def __post_init__(self):
        if not (math.isfinite(self.budget_s) and self.budget_s >= LEAST_BUDGET_S):
            raise SamplingError(
                f"fit: the budget is too small; expected at least {LEAST_BUDGET_S:g} s, found"
                f" {self.budget_s:g} s; give more, half an hour as a rule."
            )
        if self.processes < 1:
            raise SamplingError(
                f"fit: expected at least one process, found {self.processes}; give the number of cores."
            )

    @property
    def training_threads(self) -> int:
        """Threads that train a network."""
        return max(1, self.processes // 2)

    @property
    def beside_training(self) -> int:
        """Processes that make MD in the meantime."""
        return self.processes - self.training_threads

    def seconds(self, share: str) -> float:
        """Wall time of one part of the work, as named in SHARES and FINAL_SHARES."""
        return self._shares[share] * self.budget_s

    @property
    def _shares(self) -> dict[str, float]:
        return SHARES | FINAL_SHARES | (SHARES_BESIDE if self.beside_training else {})

    def left_for_rounds(self, spent_s: float) -> float:
        """Wall time, s, that further rounds may use where so much is spent."""
        kept = sum(self._shares[name] for name in FINAL_SHARES) + OVERHEAD
        return (1 - kept) * self.budget_s - spent_s

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)
