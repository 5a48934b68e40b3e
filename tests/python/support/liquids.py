"""Liquids of beads whose dynamics are known exactly: pairs of beads, and single ones, none of which sees
another molecule.
"""

import numpy as np
import torch
from openmm import Vec3, app, unit

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.training.dataset import collect_examples

MASSES = {"P1": 40.0, "P2": 40.0, "S1": 7.0}
SPRING_NM = 0.2  # standard deviation of the arm of a pair on a spring, along an axis
LENGTH_NM, SPREAD_NM = 0.35, 0.02  # of a pair with a bond
KEPT = 0.6  # of the deviation of an arm or its length, from one step to the next
TURNED = 0.3  # of the direction of a bond in a step
MOVED_NM = {"pair": 0.1, "S1": 0.05}  # of the middle of a pair and of a single bead, along an axis
DENSITY = 12.0  # beads a cubic nanometre


def topology(pairs: int, singles: int, box_nm=None) -> app.Topology:
    """Of beads, pairs first, in a cube of the usual density unless said otherwise."""
    made = app.Topology()
    for _ in range(pairs):
        residue = made.addResidue("DIM", made.addChain())
        made.addBond(*[made.addAtom(kind, None, residue) for kind in ("P1", "P2")])
    for _ in range(singles):
        made.addAtom("S1", None, made.addResidue("ION", made.addChain()))
    box = cube(2 * pairs + singles) if box_nm is None else np.asarray(box_nm, dtype=float)
    made.setPeriodicBoxVectors([Vec3(*map(float, vector)) for vector in box] * unit.nanometer)
    return made


def cube(beads: int) -> np.ndarray:
    """Box (3, 3), nm, of the usual density."""
    return np.eye(3) * (beads / DENSITY) ** (1 / 3)


def particles(pairs: int, singles: int) -> Particles:
    return Particles.from_topology(topology(pairs, singles), None, MASSES)


def remembering(noise: np.ndarray) -> np.ndarray:
    """A stationary process (T, ...) that keeps a part of itself, of independent normals of the same shape."""
    kept = noise.copy()
    for now in range(1, len(noise)):
        kept[now] = KEPT * kept[now - 1] + np.sqrt(1 - KEPT**2) * noise[now]
    return kept


def bonds(random, frames: int, pairs: int) -> np.ndarray:
    """Arms (T, P, 3) of a length that is normal, and of a direction that diffuses."""
    along = random.normal(size=(frames, pairs, 3))
    for now in range(frames):
        if now:
            along[now] = along[now - 1] + TURNED * along[now]
        along[now] /= np.linalg.norm(along[now], axis=-1, keepdims=True)
    return (LENGTH_NM + SPREAD_NM * remembering(random.normal(size=(frames, pairs, 1)))) * along


def trajectory(pairs: int, singles: int, frames: int, seed: int = 1, springs: bool = False) -> Trajectory:
    """Frames one step apart; molecules whole, their middles put into the box. Pairs have a bond, or only a
    spring, which is normal about zero.
    """
    random = np.random.default_rng(seed)
    box = cube(2 * pairs + singles)
    middle = random.uniform(0, box[0, 0], (1, pairs + singles, 3)) + np.concatenate(
        [
            np.cumsum(random.normal(0, MOVED_NM["pair"], (frames, pairs, 3)), 0),
            np.cumsum(random.normal(0, MOVED_NM["S1"], (frames, singles, 3)), 0),
        ],
        axis=1,
    )
    middle %= box[0, 0]
    if springs:
        arm = SPRING_NM * remembering(random.normal(size=(frames, pairs, 3)))
    else:
        arm = bonds(random, frames, pairs)
    bonded = np.stack([middle[:, :pairs] - arm / 2, middle[:, :pairs] + arm / 2], axis=2)
    positions = np.concatenate([bonded.reshape(frames, 2 * pairs, 3), middle[:, pairs:]], axis=1)
    return Trajectory(
        (positions.astype(np.float32),),
        1.0,
        300.0,
        particles(pairs, singles),
        steered=False,
        consecutive=True,
        source_sha256=f"{pairs} {singles} {seed}",
        box=box.astype(np.float32),
    )


def examples(pairs: int, singles: int, frames: int = 40, history_length: int = 1, **made):
    return collect_examples([trajectory(pairs, singles, frames, **made)], 1.0, True, history_length)[0]


def network(parts, seed: int = 0, **options):
    """A liquid network of random weights, fitted to examples and bound to the first of them."""
    choice = NetworkChoice.of("liquid", **{"width": 16, "blocks": 2, "cutoff_nm": 0.6} | options)
    torch.manual_seed(seed)
    core = choice.architecture.fit(choice.config, parts)
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return choice.architecture.bind(core.eval(), parts[0].particles)


def best_denoised(network, batch, noised: torch.Tensor, pairs: int) -> torch.Tensor:
    """The expectation of clean latents (B, N, 3) of pairs on springs, given noised ones; of many beads, as if
    the centre of mass were free.

    Noise is independent in the middle and in the arm of a pair, whose latents are normal: the middle about
    zero, the arm about what the spring does to it.
    """
    scale = network.scale[: 2 * pairs : 2]  # alike for both beads of a pair
    two = noised[:, : 2 * pairs].unflatten(1, [pairs, 2])
    middle, arm = (two[:, :, 0] + two[:, :, 1]) / 2**0.5, (two[:, :, 1] - two[:, :, 0]) / 2**0.5
    now = batch.history[:, -1, : 2 * pairs].unflatten(1, [pairs, 2])
    mean = (KEPT - 1) * (now[:, :, 1] - now[:, :, 0]) / (2**0.5 * scale)
    noise = batch.sigma[:, None, None] ** 2

    def posterior(seen, mean, variance):
        return (variance * seen + noise * mean) / (variance + noise)

    middle = posterior(middle, 0.0, 2 * (MOVED_NM["pair"] / scale) ** 2)
    arm = posterior(arm, mean, SPRING_NM**2 * (1 - KEPT**2) / (2 * scale**2))
    both = torch.stack([middle - arm, middle + arm], dim=2).flatten(1, 2) / 2**0.5
    single = noised[:, 2 * pairs :] / (1 + noise)
    return torch.cat([both, single], dim=1)
