"""Training pairs in memory, and batches that are a pure function of the update number."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from openmm_scoredyn.data import Trajectory, lagged_pairs
from openmm_scoredyn.errors import TrainingError


@dataclass(frozen=True)
class Pairs:
    """Conformations one lag time apart: before and after, each (P, N, 3) float32, nm."""

    before: Tensor
    after: Tensor

    def __len__(self) -> int:
        return len(self.before)


def collect_pairs(trajectories: list[Trajectory], lag_time_ps: float, time_reversal: bool) -> Pairs:
    """All pairs of all trajectories; those of unsteered ones in both directions if `time_reversal`.

    Raises
    ------
    TrainingError
        If the trajectories hold no pair.

    Notes
    -----
    In equilibrium p(x) p(y|x) = p(y) p(x|y) for positions, because velocities are redrawn independently of them:
    a reversed pair is as good a sample of the transition density as the pair itself. A steered trajectory is not
    in equilibrium, so its pairs count forwards only.
    """
    before, after = [], []
    for trajectory in trajectories:
        first, second = lagged_pairs(trajectory, lag_time_ps)
        frames = trajectory.positions
        before.append(frames[first])
        after.append(frames[second])
        if time_reversal and not trajectory.steered:
            before.append(frames[second])
            after.append(frames[first])
    if sum(map(len, before)) == 0:
        raise TrainingError(
            f"collect_pairs: found no two frames {lag_time_ps} ps apart in {len(trajectories)} trajectories; "
            "give longer trajectories or a shorter lag time."
        )
    return Pairs(torch.from_numpy(np.concatenate(before)), torch.from_numpy(np.concatenate(after)))


class Batches(IterableDataset):
    """Batches (latent, condition, sigma, eps) from update `start()` on.

    Batch k depends on (seed, k) alone, so a resumed run sees what an unbroken one would have seen.
    """

    def __init__(self, latent: Tensor, condition: Tensor, network, config, start):
        self.latent, self.condition = latent, condition
        self.network, self.config, self.start = network, config, start

    def __iter__(self):
        for update in range(self.start(), self.config.optimization.updates):
            yield self.batch(update)

    def batch(self, update: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The batch of one update: indices, noise levels, noise and (for vector latents) a random rotation."""
        optimization = self.config.optimization
        generator = torch.Generator().manual_seed((optimization.seed << 32) + update)
        chosen = torch.randint(len(self.latent), (optimization.batch_size,), generator=generator)
        latent, condition = self.latent[chosen], self.condition[chosen]
        if self.network.latent_type == "vector":
            turn = random_rotations(len(chosen), generator)
            latent, condition = latent @ turn, condition @ turn
        sigma = self.config.noise.sample(len(chosen), generator)
        eps = self.network.project(torch.randn(latent.shape, generator=generator))
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
