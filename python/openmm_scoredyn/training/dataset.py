"""Training pairs in memory, and batches that are a pure function of the update number."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from openmm_scoredyn.data import Trajectory, lagged_windows
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.reference.plan import TORSIONS

FREE = 0
SHOT_ALONG = {torsion: number for number, torsion in enumerate(TORSIONS, start=1)}


@dataclass(frozen=True)
class Pairs:
    """Conformations one lag time apart.

    Attributes
    ----------
    before, after : (P, N, 3) float32, nm
    weight : (P,) float32, how often a pair is drawn
    ensemble : (P,) int8, `FREE`, or for the ends of a path that was shot 1 + the index of its torsion in
    `TORSIONS`
    """

    before: Tensor
    after: Tensor
    weight: Tensor
    ensemble: Tensor

    @property
    def shot(self) -> Tensor:
        """(P,) bool, True for the ends of a path that was shot."""
        return self.ensemble != FREE

    def __len__(self) -> int:
        return len(self.before)

    def __getitem__(self, chosen) -> "Pairs":
        return Pairs(self.before[chosen], self.after[chosen], self.weight[chosen], self.ensemble[chosen])


def collect_pairs(trajectories: list[Trajectory], lag_time_ps: float, time_reversal: bool) -> Pairs:
    """All pairs of all trajectories; those of unsteered ones, and paths, in both directions if
    `time_reversal`.

    Raises
    ------
    TrainingError
        If the trajectories hold no pair.

    Notes
    -----
    In equilibrium p(x) p(y|x) = p(y) p(x|y) for positions, because velocities are redrawn independently of
    them: a reversed pair is as good a sample of the transition density as the pair itself. A steered
    trajectory is not in equilibrium, so its pairs count forwards only. Paths that were shot carry a weight
    for each direction.
    """
    before, after, weight, ensemble = [], [], [], []
    for trajectory in trajectories:
        ends = lagged_windows(trajectory, lag_time_ps).T
        paths = trajectory.weights is not None
        for direction in (0, 1) if time_reversal and (paths or not trajectory.steered) else (0,):
            before.append(trajectory.frames(ends[direction]))
            after.append(trajectory.frames(ends[1 - direction]))
            weight.append(trajectory.weights[:, direction] if paths else np.ones(len(ends[0]), np.float32))
            number = SHOT_ALONG[trajectory.shot_torsion] if paths else FREE
            ensemble.append(np.full(len(ends[0]), number, np.int8))
    if sum(map(len, before)) == 0:
        raise TrainingError(
            f"collect_pairs: found no two frames {lag_time_ps} ps apart in {len(trajectories)} trajectories; "
            "give longer trajectories or a shorter lag time."
        )
    return Pairs(*(torch.from_numpy(np.concatenate(parts)) for parts in (before, after, weight, ensemble)))


class Batches(IterableDataset):
    """Batches (latent, condition, sigma, eps) from update `start()` on, pairs drawn in proportion to `weight`
    (P,).

    Batch k depends on (seed, k) alone, so a resumed run sees what an unbroken one would have seen.
    """

    def __init__(self, latent: Tensor, condition: Tensor, weight: Tensor, network, config, start):
        self.latent, self.condition = latent, condition
        self.cumulative = weight.double().cumsum(0)
        self.network, self.config, self.start = network, config, start

    def __iter__(self):
        for update in range(self.start(), self.config.optimization.updates):
            yield self.batch(update)

    def batch(self, update: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The batch of one update: indices, noise levels, noise and (for networks without the symmetry) a
        random rotation.
        """
        optimization = self.config.optimization
        generator = torch.Generator().manual_seed((optimization.seed << 32) + update)
        drawn = torch.rand(optimization.batch_size, generator=generator, dtype=torch.float64)
        chosen = torch.searchsorted(self.cumulative, drawn * self.cumulative[-1]).clamp(
            max=len(self.latent) - 1
        )
        latent, condition = self.latent[chosen], self.condition[chosen]
        if not self.network.symmetric:
            turn = random_rotations(len(chosen), generator)
            latent, condition = latent @ turn, condition @ turn
        sigma = self.config.noise.sample(len(chosen), generator)
        eps = self.network.project(torch.randn(latent.shape, generator=generator), condition)
        return latent, condition, sigma, eps


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """Uniform rotation matrices (count, 3, 3), from normal quaternions (Shoemake 1992)."""
    w, x, y, z = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
    ]
    return torch.stack(rows, 1)
