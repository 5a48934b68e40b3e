"""Chains of beads in one evaluation a step: one network for many sequences, with an exact likelihood."""

from dataclasses import dataclass

import torch

from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.chain_flow.chain import Chain
from openmm_scoredyn.networks.chain_flow.known import KnownChains
from openmm_scoredyn.networks.chain_flow.network import ChainFlow, ChainFlowCore
from openmm_scoredyn.networks.protocol import Architecture, load_weights


@dataclass(frozen=True)
class ChainFlowConfig:
    """Shape, and what holds of the solvent.

    Attributes
    ----------
    width, layers : int
    radial : bool
        Bond lengths have a map of their own; without, bond vectors are normal.
    friction_per_ps : float
        Of the Langevin dynamics that made the data; the centre of mass diffuses by it.
    """

    width: int = 32
    layers: int = 3
    radial: bool = True
    friction_per_ps: float = 1.0


class ChainFlowArchitecture(Architecture):
    """Entry of the registry."""

    config = ChainFlowConfig
    transferable = True

    def check(self, config, examples):
        """Refuse a friction that is not positive."""
        if not config.friction_per_ps > 0:
            raise TrainingError(
                f"chain_flow: expected a friction above zero, found {config.friction_per_ps}/ps; give that of"
                " the dynamics of the data."
            )

    def fit(self, config, examples):
        """Parameters for the chains of the examples, with the usual length of their bonds."""
        lengths = []
        for part in examples:
            bonds = torch.tensor(part.particles.bonds)
            lengths.append((part.after[:, bonds[:, 0]] - part.after[:, bonds[:, 1]]).norm(dim=2).flatten())
        joined = torch.cat(lengths)
        fitted = (float(joined.mean()), float(joined.std()))
        return _core(config, KnownChains.of([part.particles for part in examples], fitted))

    def restore(self, config, particles, weights):
        """The parameters of a state dict; with particles, the network of a program that is bound to them."""
        if particles is None:
            return load_weights(_core(config, KnownChains.from_tensor(weights["known"])), weights)
        core = _core(config, KnownChains.from_tensor(weights["core.known"]))
        return load_weights(_bound(core, particles), weights)

    def bind(self, network, particles):
        """The network for one chain."""
        self.known(network).require(particles)
        return _bound(network, particles)

    def known(self, network):
        """What the network was trained on."""
        return KnownChains.from_tensor(network.known)

    def classes(self, particles):
        """All beads are of one class: their bonds, angles and contacts have rules in common."""
        return ("bead",) * len(particles)


def _core(config: ChainFlowConfig, known: KnownChains) -> ChainFlowCore:
    core = ChainFlowCore(
        len(known.kinds),
        config.width,
        config.layers,
        config.radial,
        known.lengths_nm,
        config.friction_per_ps,
    )
    core.register_buffer("known", known.to_tensor())
    return core


def _bound(core: ChainFlowCore, particles) -> ChainFlow:
    known = KnownChains.from_tensor(core.known)
    return ChainFlow(core, Chain.of(particles, known.kinds, max(known.sizes)))


ARCHITECTURE = ChainFlowArchitecture()
