"""Two-way shooting: paths of one lag time through points near the barriers of a torsion, so that rare hops
are frequent.
"""

from collections.abc import Callable

import numpy as np

from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.reference.bias import TorsionBias
from openmm_scoredyn.reference.engine import ReferenceEngine
from openmm_scoredyn.reference.plan import TORSIONS, SimulationPlan
from openmm_scoredyn.reference.solvation import SolvatedBox

_BIASED_PS = 0.5  # between two shots
_LEAST_INTERVALS = 20  # of a path, between the points it may be shot from


class ShootingEngine(ReferenceEngine):
    """Paths of one lag time from an ensemble whose density is known.

    A chain of biased dynamics gives points of every value of the torsion, those on barriers above all. From
    each, with fresh velocities v, unbiased dynamics run for part of the lag time with v and for the rest with
    -v; the second part, read backwards, and the first make one equilibrium path through the point (as in
    transition path sampling, Dellago et al. 1998). Where the point lies in the path is drawn evenly from J +
    1 instants, so a path is found `mean over j of w(x_j)` times as often as in equilibrium, w being the
    Boltzmann factor of the bias. `path_weights` divides by it, exactly up to the order of the time step.
    Paths that begin at x then count for w(x) together, whatever their ends are, and an end that equilibrium
    dynamics reach once in 10^5 times is seen in many paths of little weight.

    Parameters
    ----------
    topology, positions : as `ReferenceEngine`
    plan : SimulationPlan, the frame spacing of which is the length of a path
    bias : TorsionBias of the torsion of the plan
    index : of the trajectory; path k depends on (plan.seed, index) and the chain before it
    seed : int, of the chain's dynamics
    box : SolvatedBox of one copy, or None
    own : System that came with the topology, or None
    """

    def __init__(
        self,
        topology,
        positions,
        plan: SimulationPlan,
        bias: TorsionBias,
        index: int,
        seed: int,
        box: SolvatedBox | None = None,
        own=None,
    ):
        self._plan, self._bias, self._index = plan, bias, index
        torsion = shot_torsion(topology, plan)
        super().__init__(topology, positions, plan.physics, seed, (bias, torsion), box, own)
        self._torsion = np.array([torsion])
        steps = plan.steps_per_frame
        self._stride = next(n for n in range(max(1, steps // _LEAST_INTERVALS), 0, -1) if steps % n == 0)
        self._intervals = steps // self._stride

    def chunk(self, begin: int, end: int, check: Callable[[], None]) -> dict[str, np.ndarray]:
        """Frames begin to end, both even, of the paths end to end, and the weights of each path.

        `check` is called before every path and may raise to end the work.
        """
        paths = []
        for number in range(begin // 2, end // 2):
            check()
            paths.append(self.next_path(number))
        return {
            "frames": np.concatenate([ends for ends, _ in paths]),
            "weights": np.stack([weights for _, weights in paths]).astype(np.float32),
        }

    def next_path(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Ends of path `number` (2, N, 3), nm, and its weights (2,) read forwards and backwards."""
        generator = np.random.default_rng([self._plan.seed, self._index, number])
        self.advance_biased(_BIASED_PS)
        chain = self.phase_point()
        point = chain[0][: len(self.molecule)]
        velocities = self.draw_velocities(int(generator.integers(1, 2**31)))

        def run(sign: int, intervals: int) -> np.ndarray:
            self.set_phase_point(chain[0], sign * velocities)
            return np.array([self._after_interval() for _ in range(intervals)])

        path = two_way_path(point, run, self._intervals, generator)
        self.set_phase_point(*chain)
        angle = dihedral_angles(path, self._torsion)[:, 0]
        factors = self._bias.boltzmann_factor(angle, self._plan.physics.temperature_K)
        return path[[0, -1]].astype(np.float32), path_weights(factors)

    def _after_interval(self) -> np.ndarray:
        self.step(self._stride)
        return self.positions()


def shot_torsion(topology, plan: SimulationPlan) -> tuple[int, ...]:
    """Atoms (four indices) of the torsion that a plan shoots along, of the first residue that has it."""
    return backbone_torsions(Particles.from_topology(topology))[0][TORSIONS.index(plan.shot_torsion)]


def two_way_path(point, run: Callable[[int, int], np.ndarray], intervals: int, generator) -> np.ndarray:
    """A path of `intervals` + 1 frames through `point`, the place of which in it is drawn evenly.

    Parameters
    ----------
    point : frame, of any shape
    run : (sign, n) to the n frames, (n, *frame), that follow the point with its velocities times sign
    """
    before = int(generator.integers(0, intervals + 1))
    backward, forward = run(-1, before), run(1, intervals - before)
    return np.concatenate([part for part in (backward[::-1], point[None], forward) if len(part)])


def path_weights(factors: np.ndarray) -> np.ndarray:
    """Weights (2,) of a path read forwards and backwards, from the Boltzmann factors (J + 1,) of the bias
    along it.
    """
    return factors[[0, -1]] / factors.mean()
