"""What is known of a model's training: which states its MD hardly showed, and how its held-out loss went."""

from dataclasses import dataclass
from pathlib import Path

from openmm_scoredyn.comparison.advice import rarely_entered
from openmm_scoredyn.comparison.measurement import Fit
from openmm_scoredyn.comparison.rows import Row
from openmm_scoredyn.molecule.geometry import rotatable_torsions
from openmm_scoredyn.observables.peptide import shot_along
from openmm_scoredyn.observables.series import Observations
from openmm_scoredyn.observables.states import StateDefinition
from openmm_scoredyn.training.checkpoint import overfitting, read_checkpoint

# The loss counts as falling where the last quarter of the updates brought more than this of its whole fall:
# the learning rate goes to zero, so that every loss flattens.
FALLING = 0.05
LAST_PART = 0.25


@dataclass(frozen=True)
class Evidence:
    """What a miss may come from, and what the molecule allows against it.

    Attributes
    ----------
    length_ns : of the free MD that was trained on
    rare : by the name of a coordinate, how often the free MD entered its rare state, where fewer than ten
        times
    states : by the name of a coordinate, that of its rare state, and those of the parts of that state
    fell : share of the whole fall of the held-out loss that came in the last quarter of the updates
    overfitted : how the held-out loss rose after its least value, a sentence; empty where it did not
    steered, shot : whether the MD held segments that begin at rotamers, and paths that were shot
    turns : whether a torsion turns, so that segments can begin at rotamers
    shoots_along : name of the coordinate along which paths can be shot, empty for none
    """

    length_ns: float
    rare: dict[str, int]
    states: dict[str, tuple[str, ...]]
    fell: float
    overfitted: str
    steered: bool = False
    shot: bool = False
    turns: bool = False
    shoots_along: str = ""

    @property
    def falling(self) -> bool:
        """Whether more updates would have lowered the held-out loss."""
        return not self.overfitted and self.fell > FALLING

    def explains(self, row: Row) -> bool:
        """Whether a quantity is of a rare state that the free MD hardly entered."""
        name = row.quantity.coordinate
        return name in self.rare and any(state in row.quantity.name for state in self.states[name])

    @classmethod
    def of(cls, training: Observations, fit: Fit, loss: dict, steered: bool, shot: bool) -> "Evidence":
        """Of the free MD, the states of a comparison, and what `loss_of` says of the run."""
        return cls(
            length_ns=training.length_ns,
            rare=rarely_entered(training, fit),
            states={one.name: _rare_states(one.states) for _, one in fit.coordinates if one.states},
            **loss,
            steered=steered,
            shot=shot,
            turns=len(rotatable_torsions(training.particles)) > 0,
            shoots_along=shot_along(fit.coordinates),
        )


def _rare_states(definition: StateDefinition) -> tuple[str, ...]:
    """The rare state, first, and its parts."""
    parts = (state.name for state in definition.states if state.inside == definition.rare)
    return definition.rare, *parts


def loss_of(run: Path) -> dict:
    """How the held-out loss of a finished run went, JSON-ready: the fields `fell` and `overfitted`."""
    return {"fell": fall(read_checkpoint(run).held_out_loss), "overfitted": overfitting(run)}


def fall(losses: list[tuple[int, float]]) -> float:
    """Share of the whole fall of the held-out loss of (update, loss), ascending, that came in the last
    quarter of the updates; 0 where it did not fall.
    """
    if len(losses) < 2 or losses[-1][1] >= losses[0][1]:
        return 0.0
    start = (1 - LAST_PART) * losses[-1][0]
    before = [loss for update, loss in losses if update <= start] or [losses[0][1]]
    return (before[-1] - losses[-1][1]) / (losses[0][1] - losses[-1][1])
