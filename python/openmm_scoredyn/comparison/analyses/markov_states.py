"""A Markov model of all torsions together: what each of its states holds, and how slowly they exchange."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.analyses.slow import LAG_PS
from openmm_scoredyn.comparison.markov import THOROUGH_SWEEPS, MarkovEnsemble, fit_markov_model
from openmm_scoredyn.comparison.measurement import Fit, Measurement
from openmm_scoredyn.comparison.rows import Row, make_row
from openmm_scoredyn.comparison.sides import Sides
from openmm_scoredyn.comparison.states import core_labels, last_visits, milestones
from openmm_scoredyn.comparison.tica import whole_lag
from openmm_scoredyn.comparison.timescales import implied_times, slow_sides
from openmm_scoredyn.comparison.uncertainty import Estimate, mean_estimate, standard_error
from openmm_scoredyn.observables.protocol import Quantity, pairs_within

GROUP = "Markov model of all torsions"
PROCESSES = 3
# The number of MDGen's suite.
MOST_STATES = 10


@dataclass(frozen=True, eq=False)
class _Path:
    """The states of one side.

    Attributes
    ----------
    side : Measurement
    states : (T,) int, state of every frame, -1 before the first
    number : of states
    lag : frames
    """

    side: Measurement
    states: np.ndarray
    number: int
    lag: int

    @property
    def lag_ps(self) -> float:
        """The lag in ps."""
        return self.lag * self.side.observations.frame_spacing_ps

    def populations(self, seed: int) -> list[Estimate]:
        """Share of the frames in each state."""
        blocks = self.side.blocks
        inside = self.states[:, None] == np.arange(self.number)
        columns = np.column_stack([inside, self.states >= 0]).astype(float)
        value, error = standard_error(
            blocks.sum(columns), lambda sums: sums[..., :-1] / sums[..., -1:], blocks, seed
        )
        return [mean_estimate(v, e, v * (1 - v)) for v, e in zip(value, error, strict=True)]

    def times(self, sides: tuple[np.ndarray, ...], seed: int) -> list[Estimate]:
        """Time scales, ps, of the reference's processes, with the larger of the errors of the bootstrap and
        of the posterior.
        """
        blocks, size = self.side.blocks, self.number
        earlier, later = blocks.lagged_pairs(self.lag)
        known = self.states[earlier] >= 0
        earlier, later = earlier[known], later[known]
        counts = blocks.count(later, self.states[earlier] * size + self.states[later], size**2)
        models = MarkovEnsemble.of(counts, blocks, size, self.lag, THOROUGH_SWEEPS, seed)
        value, error, _, spread = models.apply(
            lambda matrix, active: implied_times(matrix, active, sides, self.lag_ps, PROCESSES), PROCESSES
        )
        total_ps = blocks.num_frames * self.side.observations.frame_spacing_ps
        return [
            Estimate(float(v), float(e), float(total_ps / v))
            for v, e in zip(value, np.fmax(error, spread), strict=True)
        ]


def joint_wells(fit: Fit, side: Measurement) -> np.ndarray:
    """The wells that all coordinates of one side were last in, as one number, (T,) int64; -1 where one was in
    none yet.
    """
    starts = side.blocks.trajectory_starts
    joint = np.zeros(side.observations.num_frames, dtype=np.int64)
    for coordinate, angles in fit.angles(side.observations):
        if coordinate.states is not None:
            cores = [[core] for core in coordinate.states.cores(coordinate.states.outermost)]
            own = milestones(core_labels(angles, *cores), starts)
            joint = np.where((own >= 0) & (joint >= 0), joint * len(cores) + own, -1)
    return joint


class MarkovStates(Analysis):
    """Populations and time scales of a Markov model of the wells of all torsions together."""

    name = "markov"
    captions: ClassVar[Mapping[str, str]] = {
        GROUP: (
            "A state is a well of every torsion (of a residue: a part of its plane), as they occur together;"
            " the ten that hold most of the reference are taken, the most populated first. A torsion is in"
            " the well whose core it was last in, a molecule in the listed state that it was last in."
            " Populations are shares of frames. Time scales are those of a reversible Markov model of these"
            " states, -lag / ln of an eigenvalue, of processes slower than the lag that both sides connect."
            " Errors: bootstrap over blocks or posterior, whichever is larger."
        )
    }

    def find(self, sides: Sides) -> Findings | None:
        """Rows of populations and time scales."""
        seen = [side.observations for side in sides.both]
        lags = [whole_lag(one.frame_spacing_ps, LAG_PS, one.lengths) for one in seen]
        if None in lags or all(coordinate.states is None for _, coordinate in sides.fit.coordinates):
            return None
        lag = max(lag for lag in lags if lag is not None)
        joint = [joint_wells(sides.fit, side) for side in sides.both]
        listed, counts = np.unique(joint[0][joint[0] >= 0], return_counts=True)
        listed = listed[np.argsort(-counts, kind="stable")][:MOST_STATES]
        if len(listed) < 2:
            return None
        paths = [
            _Path(side, self._states(one, listed, side), len(listed), lag)
            for one, side in zip(joint, sides.both, strict=True)
        ]
        rows = [*self._populations(sides, *paths), *self._times(sides, *paths)]
        shares = [float(np.isin(one, listed).mean()) for one in joint]
        facts = {"lag_ps": paths[0].lag_ps, "states": len(listed), "share_of_frames_in_them": shares}
        return Findings(tuple(rows), facts=facts)

    def _states(self, joint: np.ndarray, listed: np.ndarray, side: Measurement) -> np.ndarray:
        """Number, in the list, of the listed state that each frame was last in; -1 before the first."""
        number = np.full(len(joint), -1)
        for rank, state in enumerate(listed):
            number[joint == state] = rank
        return number[last_visits(number, side.blocks.trajectory_starts)]

    def _populations(self, sides: Sides, ours: _Path, theirs: _Path) -> list[Row]:
        quantities = [
            Quantity(GROUP, f"population of state {k + 1}", "", 0.05, of_frames=True)
            for k in range(ours.number)
        ]
        about = (sides.length_ratio, sides.sojourns())
        measured = zip(quantities, ours.populations(sides.seed), theirs.populations(sides.seed), strict=True)
        return [make_row(quantity, known, found, *about) for quantity, known, found in measured]

    def _times(self, sides: Sides, ours: _Path, theirs: _Path) -> list[Row]:
        earlier, later = pairs_within(ours.side.observations.lengths, ours.lag)
        known = ours.states[earlier] >= 0
        earlier, later, size = earlier[known], later[known], ours.number
        counts = np.bincount(ours.states[earlier] * size + ours.states[later], minlength=size**2)
        fitted = fit_markov_model(counts.reshape(size, size).astype(np.float64))
        if fitted is None:
            return []
        slow = slow_sides(*fitted, PROCESSES)
        measured = zip(ours.times(slow, sides.seed), theirs.times(slow, sides.seed), strict=True)
        rows = []
        for process, (known, found) in enumerate(measured, start=1):
            if not (np.isnan(known.value) and np.isnan(found.value)):
                name = f"process {process} of {size} states at lag {ours.lag_ps:g} ps"
                quantity = Quantity(GROUP, name, "ps", 0.10, ratio=True, limited=True)
                rows.append(make_row(quantity, known, found, sides.length_ratio, sides.sojourns()))
        return rows


ANALYSES = (MarkovStates,)
