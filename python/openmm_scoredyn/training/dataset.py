"""Training examples in memory, and batches that are a pure function of the update number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from openmm_scoredyn.data import Trajectory, first_difference, lagged_windows, windows_of_all_lags
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.geometry import Rotor, equal_ends, minimum_image, rotors
from openmm_scoredyn.networks.examples import FREE, SHOT_ALONG, Examples


def collect_examples(
    trajectories: list[Trajectory],
    lag_time_ps: float,
    time_reversal: bool,
    history_length: int = 1,
    *,
    longest_lag_time_ps: float | None = None,
    seed: int = 0,
) -> list[Examples]:
    """All examples of all trajectories, molecule by molecule in the order in which they first appear; those
    of unsteered trajectories, and paths, in both directions if `time_reversal`.

    Parameters
    ----------
    longest_lag_time_ps : ps, optional
        End of a range that begins with `lag_time_ps`; the lags of examples are drawn from it with `seed`.
        Paths that were shot keep the lag they were shot for.

    Raises
    ------
    TrainingError
        If the trajectories of a molecule hold no example.

    Notes
    -----
    In equilibrium p(x) p(y|x) = p(y) p(x|y) for positions, because velocities are resampled independently of
    them: a reversed window is as good a sample of the transition density as the window itself. A steered
    trajectory is not in equilibrium, so its windows count forwards only. Paths that were shot carry a weight
    for each direction.
    """
    groups: list[list[Trajectory]] = []
    for trajectory in trajectories:
        same = (g for g in groups if first_difference(g[0].molecule, trajectory.molecule) is None)
        group = next(same, None)
        groups.append([trajectory]) if group is None else group.append(trajectory)

    def windows(trajectory: Trajectory, number: int) -> np.ndarray:
        if longest_lag_time_ps is None or trajectory.weights is not None:
            return lagged_windows(trajectory, lag_time_ps, history_length)
        ends = lag_time_ps, longest_lag_time_ps
        return windows_of_all_lags(trajectory, *ends, history_length, seed=seed + number)

    return [_of_one_molecule(group, windows, lag_time_ps, time_reversal) for group in groups]


def _of_one_molecule(
    trajectories: list[Trajectory],
    windows_of: Callable[[Trajectory, int], np.ndarray],
    shortest_ps: float,
    time_reversal: bool,
) -> Examples:
    parts = []
    for place, trajectory in enumerate(trajectories):
        windows = windows_of(trajectory, place)
        lags_ps = (windows[:, -1] - windows[:, -2]) * trajectory.frame_spacing_ps
        weights = trajectory.weights
        # A frame stands for the time until the next one: coarse frames count as much MD as fine ones.
        share = max(1.0, trajectory.frame_spacing_ps / shortest_ps)
        paths = weights is not None
        number = SHOT_ALONG[trajectory.shot_torsion] if paths else FREE
        for direction in (0, 1) if time_reversal and (paths or not trajectory.steered) else (0,):
            ordered = windows[:, ::-1] if direction else windows
            count = len(windows)
            box = trajectory.boxes(ordered[:, -2]).copy()
            history, after = _unbroken(trajectory.frames(ordered), box)
            parts.append(
                (
                    history,
                    after,
                    box,
                    np.full(count, share, np.float32) if weights is None else weights[:, direction],
                    np.full(count, number, np.int8),
                    lags_ps.astype(np.float32),
                    np.full(count, trajectory.temperature_K, np.float32),
                )
            )
    if sum(len(part[0]) for part in parts) == 0:
        raise TrainingError(
            f"collect_examples: found no two frames {shortest_ps} ps apart in {len(trajectories)}"
            " trajectories; give longer trajectories or a shorter lag time."
        )
    return Examples.joined(trajectories[0].molecule, parts)


def _unbroken(frames: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """History (P, H, N, 3) and last frame (P, N, 3) of windows (P, H + 1, N, 3), nm, each particle at the
    image nearest to where the newest frame of the history has it.
    """
    if box.any():
        apart = (frames - frames[:, -2:-1]).reshape(len(frames), -1, 3)
        frames = frames[:, -2:-1] + minimum_image(apart, box).reshape(frames.shape)
    frames = np.ascontiguousarray(frames, dtype=np.float32)
    return frames[:, :-1], frames[:, -1]


class Batch(NamedTuple):
    """Examples of one molecule, with the noise they are shown with.

    Attributes
    ----------
    molecule : int, which of the molecules in training
    history : (B, H, N, 3);  after : (B, N, 3);  box : (B, 3, 3), nm
    lag_time_ps, temperature_K : (B,)
    labels : (B, L)
    sigma : (B,), noise levels
    eps : (B, D), unit normals, not yet projected
    """

    molecule: int
    history: Tensor
    after: Tensor
    box: Tensor
    lag_time_ps: Tensor
    temperature_K: Tensor
    labels: Tensor
    sigma: Tensor
    eps: Tensor


def latents_of(network, examples: Examples) -> Tensor:
    """Clean latents (P, D) of examples."""
    return network.latent(examples.before, examples.after, network.condition(*examples.situation))


@dataclass
class Molecule:
    """What batches of one molecule are made of."""

    examples: Examples
    network: torch.nn.Module
    rename: Callable[[tuple[Tensor, ...], torch.Generator], tuple[Tensor, ...]]
    cumulative: Tensor
    latent_size: int

    @classmethod
    def of(cls, examples: Examples, network) -> "Molecule":
        """Of examples and the network bound to their particles."""
        size = latents_of(network, examples[:1]).shape[1]
        cumulative = examples.weight.double().cumsum(0)
        if getattr(network, "equal_names", False):
            mirror = network.mirror_symmetric
            rename = partial(rename_equals, equal_ends(examples.particles), mirror)
        else:
            rename = partial(turn_rotors, rotors(examples.particles))
        return cls(examples, network, rename, cumulative, size)


class Batches(IterableDataset):
    """The batches of each update from `start()` on, each batch of one molecule; molecules and their examples
    are drawn in proportion to their weight.

    Batch k depends on (seed, k) alone, so a resumed run sees what an unbroken one would have seen. Batches
    are not padded: molecules of different size do not meet in one.
    """

    def __init__(self, examples: list[Examples], networks: list, config, start):
        self.molecules = [Molecule.of(*pair) for pair in zip(examples, networks, strict=True)]
        self.shares = torch.stack([molecule.cumulative[-1] for molecule in self.molecules])
        self.config, self.start = config, start

    def __iter__(self):
        optimization = self.config.optimization
        each = optimization.molecules_per_update
        for update in range(self.start(), optimization.updates):
            first, size = update * each, optimization.batch_size // each
            yield [self.batch(number, size) for number in range(first, first + each)]

    def batch(self, number: int, size: int, molecule: int | None = None) -> Batch:
        """A batch of `size` pairs: molecule (or the one asked for), examples, random names of equal
        particles, for networks without the symmetry a random rotation, noise levels and noise.
        """
        generator = torch.Generator().manual_seed((self.config.optimization.seed << 32) + number)
        if molecule is None:
            molecule = int(torch.multinomial(self.shares, 1, generator=generator))
        chosen = self.molecules[molecule]
        drawn = torch.rand(size, generator=generator, dtype=torch.float64) * chosen.cumulative[-1]
        rows = torch.searchsorted(chosen.cumulative, drawn).clamp(max=len(chosen.examples) - 1)
        examples = chosen.examples[rows]
        history, after = chosen.rename((examples.history, examples.after), generator)
        box = examples.box
        if not chosen.network.symmetric:
            turn = random_rotations(size, generator)
            history, after, box = history @ turn[:, None], after @ turn, box @ turn
        sigma = self.config.noise.sample(size, generator)
        eps = torch.randn(size, chosen.latent_size, generator=generator)
        situation = (history, after, box, examples.lag_time_ps, examples.temperature_K)
        return Batch(molecule, *situation, examples.labels, sigma, eps)


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """Uniform rotation matrices (count, 3, 3), from normal quaternions (Shoemake 1992)."""
    w, x, y, z = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
    ]
    return torch.stack(rows, 1)


def turn_rotors(
    groups: list[Rotor], frames: tuple[Tensor, ...], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Rename the hydrogens of each rotor cyclically at random, alike in all frames of an example.

    A cyclic exchange is a rotation, so the hand of the molecule stays; the transition density does not
    change.

    Parameters
    ----------
    frames : tensors (P, ..., N, 3), nm; sample p of every tensor is renamed in the same way
    """
    if not groups:
        return frames
    count, atoms = len(frames[0]), frames[0].shape[-2]
    order = torch.arange(atoms).expand(count, atoms).clone()
    for rotor in groups:
        shift = torch.randint(3, (count, 1), generator=generator)
        order[:, list(rotor.hydrogens)] = torch.tensor(rotor.hydrogens)[(torch.arange(3) + shift) % 3]
    return tuple(_reordered(positions, order) for positions in frames)


def rename_equals(
    groups: list[tuple[int, ...]], mirror: bool, frames: tuple[Tensor, ...], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Exchange the particles of each group at random, alike in all frames of an example.

    Parameters
    ----------
    groups : particles that nothing but their names tells apart, as `equal_ends`
    mirror : bool
        Mirror every other example as well: the transition density of a mirror image is the mirrored one.
    frames : as of `turn_rotors`
    """
    count, atoms = len(frames[0]), frames[0].shape[-2]
    order = torch.arange(atoms).expand(count, atoms).clone()
    for group in groups:
        shuffled = torch.rand(count, len(group), generator=generator).argsort(1)
        order[:, list(group)] = torch.tensor(group)[shuffled]
    sides = torch.randint(2, (count,), generator=generator) if mirror else torch.zeros(count)
    hand = 1.0 - 2.0 * sides
    return tuple(
        _reordered(positions, order) * hand.view(-1, *(1,) * (positions.dim() - 1)) for positions in frames
    )


def _reordered(positions: Tensor, order: Tensor) -> Tensor:
    """Positions (P, ..., N, 3) with the atoms of sample p in the order (P, N)."""
    between = positions.dim() - 3
    index = order.view(len(order), *(1,) * between, -1, 1).expand_as(positions)
    return torch.gather(positions, -2, index)
