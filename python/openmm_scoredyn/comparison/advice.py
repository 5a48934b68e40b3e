"""What molecular dynamics holds too little of, told before a model is trained on it."""

import math
from collections.abc import Sequence

from openmm_scoredyn.comparison.measurement import Fit, sojourns_of
from openmm_scoredyn.comparison.uncertainty import FEW_EVENTS
from openmm_scoredyn.observables.peptide import shot_along
from openmm_scoredyn.observables.protocol import Observable
from openmm_scoredyn.observables.series import Observations


def rarely_entered(observations: Observations, fit: Fit) -> dict[str, int]:
    """How often the rare state of each coordinate was entered, of those with fewer than ten times."""
    found = {name: len(events) for name, events in sojourns_of(observations, fit).items()}
    return {name: events for name, events in found.items() if events < FEW_EVENTS}


def entered(state: str, events: int, length_ns: float) -> str:
    """The sentence's beginning: how often a state was entered, in how long."""
    often = "never" if events == 0 else "once" if events == 1 else f"{events} times"
    return f"{state} was entered {often} in {length_ns:.3g} ns"


def too_little_data(observations: Observations, observables: Sequence[Observable]) -> list[str]:
    """A sentence for each coordinate whose rare state a model cannot learn from these trajectories: how often
    it was entered, what that is worth, and how much more it takes.
    """
    fit = Fit.of(observations, observables, markov_models=False)
    sentences = []
    for name, events in rarely_entered(observations, fit).items():
        known = entered(f"The rare state of {name}", events, observations.length_ns)
        worth = f"known to {100 * math.sqrt(2.0 / events):.0f} % at best" if events else "not in them"
        times = math.ceil(FEW_EVENTS / max(1, events))
        other = "--shooting" if name == shot_along(fit.coordinates) else "--rotamers"
        sentences.append(
            f"{known}: its population and rates are {worth}; give at least {times} times as much MD, or"
            f" segments of `scoredyn simulate {other}`."
        )
    return sentences
