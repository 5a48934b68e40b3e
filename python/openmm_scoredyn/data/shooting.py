"""Two-way shooting: one lag time of dynamics through points near the barriers of phi, so that rare hops are as common as any."""

import numpy as np

from openmm_scoredyn.data.bias import TorsionBias
from openmm_scoredyn.data.engine import ReferenceEngine
from openmm_scoredyn.data.plan import SimulationPlan
from openmm_scoredyn.evaluation.dihedrals import dihedral_angles

_BIASED_PS = 0.5  # between two shots
_LEAST_INTERVALS = 20  # of a path, between the points it may be shot from


class ShootingEngine(ReferenceEngine):
    """Paths of one lag time from an ensemble whose density is known.

    A chain of biased dynamics gives points of every phi, those on barriers above all. From each, with fresh velocities v, unbiased
    dynamics run for part of the lag time with v and for the rest with -v; the second part, read backwards, and the first
    make one equilibrium path through the point (as in transition path sampling, Dellago et al. 1998). Where the point lies
    in the path is drawn evenly from J + 1 instants, so a path is found

        mean over j of w(x_j)

    times as often as in equilibrium, w being the Boltzmann factor of the bias. `next_path` divides by it, exactly up to
    the order of the time step. Read forwards, paths that begin at x then count for w(x) together, whatever their end is,
    and an end that equilibrium dynamics reach once in 10^5 times is seen in many paths of little weight.

    Parameters
    ----------
    topology, positions : as `ReferenceEngine`
    plan : SimulationPlan, the frame spacing of which is the length of a path
    bias : TorsionBias of the first phi
    index : of the trajectory; path k depends on (plan.seed, index) and the chain before it
    seed : int, of the chain's dynamics
    """

    def __init__(self, topology, positions, plan: SimulationPlan, bias: TorsionBias, index: int, seed: int):
        self._plan, self._bias, self._index = plan, bias, index
        super().__init__(topology, positions, plan.physics, seed, bias)
        self._phi = np.array(self.torsions[0][:1])
        steps = plan.steps_per_frame
        self._stride = next(n for n in range(max(1, steps // _LEAST_INTERVALS), 0, -1) if steps % n == 0)
        self._intervals = steps // self._stride

    def chunk(self, begin: int, end: int) -> dict[str, np.ndarray]:
        """Frames begin to end, both even, of the paths end to end, and the weights of each path."""
        paths = [self.next_path(number) for number in range(begin // 2, end // 2)]
        return {
            "frames": np.concatenate([ends for ends, _ in paths]),
            "weights": np.stack([weights for _, weights in paths]).astype(np.float32),
        }

    def next_path(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Ends of path `number` (2, N, 3), nm, and its weights (2,) read forwards and backwards."""
        generator = np.random.default_rng([self._plan.seed, self._index, number])
        self.advance_biased(_BIASED_PS)
        chain = self.phase_point()
        velocities = self.draw_velocities(int(generator.integers(1, 2**31)))
        before = int(generator.integers(0, self._intervals + 1))
        backward = self._shoot(chain[0], -velocities, before)
        forward = self._shoot(chain[0], velocities, self._intervals - before)
        self.set_phase_point(*chain)
        path = np.concatenate([backward[::-1], forward[1:]])
        phi = dihedral_angles(path, self._phi)[:, 0]
        factors = self._bias.boltzmann_factor(phi, self._plan.physics.temperature_K)
        return path[[0, -1]].astype(np.float32), factors[[0, -1]] / factors.mean()

    def _shoot(self, positions: np.ndarray, velocities: np.ndarray, intervals: int) -> np.ndarray:
        """Positions (intervals + 1, N, 3) of unbiased dynamics from a phase point."""
        self.set_phase_point(positions, velocities)
        frames = [positions]
        for _ in range(intervals):
            self.step(self._stride)
            frames.append(self.positions())
        return np.stack(frames)

