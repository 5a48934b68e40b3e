"""What can be measured in trajectories: named observables, chosen by the particles or by the user.

Every module here with a tuple `OBSERVABLES` adds to the registry (`registry`); so do entry points of other
distributions in the group `openmm_scoredyn.observables`.
"""

from openmm_scoredyn.observables.protocol import Contribution, Observable, Quantity, Sample, Statistic
from openmm_scoredyn.observables.registry import observable_names, observables_for
from openmm_scoredyn.observables.series import (
    Observations,
    is_observations,
    load_observations,
    save_observations,
)
from openmm_scoredyn.observables.states import Coordinate, Region, State, StateDefinition, wells

__all__ = [
    "Contribution",
    "Coordinate",
    "Observable",
    "Observations",
    "Quantity",
    "Region",
    "Sample",
    "State",
    "StateDefinition",
    "Statistic",
    "is_observations",
    "load_observations",
    "observable_names",
    "observables_for",
    "save_observations",
    "wells",
]
