"""Liquids of beads in a periodic box: one network for many compositions."""

from dataclasses import dataclass, replace

import torch

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.displacement import MIN_SPREAD_NM
from openmm_scoredyn.networks.liquid.known import KnownLiquids
from openmm_scoredyn.networks.liquid.network import BONDS, LiquidCore, LiquidNetwork, bonds_between
from openmm_scoredyn.networks.neighbours import nearest_image
from openmm_scoredyn.networks.protocol import Architecture, load_weights

FORGOTTEN = 0.25  # share of the examples that are shown without their history


@dataclass(frozen=True)
class LiquidConfig:
    """Shape.

    Attributes
    ----------
    width, blocks : int
    cutoff_nm : float, how far beads see each other
    history_length : int, frames that a step is conditioned on
    periodic : bool, which it is
    """

    width: int = 64
    blocks: int = 3
    cutoff_nm: float = 0.7
    history_length: int = 1
    periodic: bool = True


class LiquidArchitecture(Architecture):
    """Entry of the registry."""

    config = LiquidConfig
    transferable = True

    def check(self, config, examples):
        """Refuse options that mean nothing, and bonds that reach beyond the cutoff."""
        for name in ("width", "blocks", "history_length"):
            if getattr(config, name) < 1:
                raise TrainingError(
                    f"liquid: expected {name} of 1 or more, found {getattr(config, name)}; correct it."
                )
        if config.width % 2:
            raise TrainingError(f"liquid: expected an even width, found {config.width}; change it.")
        if not config.cutoff_nm > 0:
            raise TrainingError(
                f"liquid: expected a cutoff above zero, found {config.cutoff_nm} nm; correct it."
            )
        longest = max((float(part.max()) for part in _lengths_apart(examples, 1)), default=0.0)
        if longest > config.cutoff_nm:
            raise TrainingError(
                f"liquid: bonded beads must see each other; expected bonds within the cutoff of"
                f" {config.cutoff_nm:g} nm, found one of {longest:.3g} nm; set a larger cutoff_nm."
            )

    def fit(self, config, examples):
        """Fresh parameters, with the spread of the displacements of each kind of beads."""
        known = KnownLiquids.of(list(examples), config.cutoff_nm)
        squares = torch.zeros(len(known.kinds), 2, dtype=torch.float64)
        for part in examples:
            masses = torch.tensor(part.particles.masses_amu, dtype=torch.float64)
            moved = nearest_image((part.after - part.before).double()[:, None], part.box.double())[:, 0]
            moved = moved - (masses[:, None] * moved).sum(1, keepdim=True) / masses.sum()
            kind = torch.tensor([known.kinds.index(name) for name in part.particles.types])
            squares[:, 0].index_add_(0, kind, moved.square().sum((0, 2)))
            squares[:, 1].index_add_(0, kind, torch.full((len(kind),), 3.0 * len(moved)).double())
        return _core(config, known, (squares[:, 0] / squares[:, 1]).sqrt().float(), _lengths_nm(examples))

    def restore(self, config, particles, weights):
        """The parameters of a state dict; with particles, the network of a program that is bound to them."""
        prefix = "" if particles is None else "core."
        known = KnownLiquids.from_tensor(weights[f"{prefix}known"])
        core = _core(config, known, weights[f"{prefix}spread"], weights[f"{prefix}lengths"])
        network = core if particles is None else LiquidNetwork(core, particles, known.kinds)
        return load_weights(network, weights)

    def bind(self, network, particles):
        """The network for the beads of one box."""
        known = self.known(network)
        known.require(particles)
        return LiquidNetwork(network, particles, known.kinds)

    def known(self, network):
        """What the network was trained on."""
        return KnownLiquids.from_tensor(network.known)

    def prepare(self, network, training, held_out, stage):
        """Show some examples without their history, so that a run may begin with one frame."""
        return [_forgetful(part, stage.seed + number) for number, part in enumerate(training)], held_out


def _forgetful(examples, seed: int):
    """Examples, of some of which all frames of the history are the newest."""
    if examples.history.shape[1] == 1:
        return examples
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(len(examples), generator=generator) < FORGOTTEN
    history = torch.where(chosen[:, None, None, None], examples.history[:, -1:], examples.history)
    return replace(examples, history=history)


def _lengths_apart(examples, bonds: int) -> list[torch.Tensor]:
    """Distances (P L,), nm, of all beads so many bonds apart, of each box that has such."""
    found = []
    for part in examples:
        near = bonds_between(part.particles)[:, bonds - 1]
        bead, place = torch.nonzero(near >= 0).unbind(1)
        if len(bead):
            arms = part.after[:, bead] - part.after[:, near[bead, place]]
            found.append(nearest_image(arms[:, None], part.box)[:, 0].norm(dim=2).flatten())
    return found


def _lengths_nm(examples) -> torch.Tensor:
    """Mean and standard deviation (2, 2) of the distances of beads one and two bonds apart."""
    found = []
    for bonds in range(1, BONDS + 1):
        joined = torch.cat(_lengths_apart(examples, bonds) or [torch.ones(2)])  # ones: there are none
        found.append(torch.stack([joined.mean(), joined.std().clamp(min=MIN_SPREAD_NM)]))
    return torch.stack(found)


def _core(
    config: LiquidConfig, known: KnownLiquids, spread_nm: torch.Tensor, lengths_nm: torch.Tensor
) -> LiquidCore:
    shape = (len(known.kinds), config.width, config.blocks, config.cutoff_nm, config.history_length)
    core = LiquidCore(*shape, spread_nm, lengths_nm)
    core.register_buffer("known", known.to_tensor())
    return core


ARCHITECTURE = LiquidArchitecture()
