"""The published network: messages on the radius graph of the condition."""

from dataclasses import dataclass

from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
from openmm_scoredyn.networks.message_passing.network import MessagePassingNetwork
from openmm_scoredyn.networks.protocol import Architecture, Recipe, load_weights, only


@dataclass(frozen=True)
class MessagePassingConfig:
    """Width of nodes and edges, number of rounds of messages, frames that it is conditioned on, whether
    the system is periodic, and how far messages reach, nm.
    """

    width: int = 200
    blocks: int = 5
    history_length: int = 1
    periodic: bool = False
    cutoff_nm: float = 0.4


class MessagePassing(Architecture):
    """Entry of the registry."""

    config = MessagePassingConfig
    recipe = Recipe("noise", "vp_linear", NoiseLevels("log_uniform", -4.56, 5.02))

    def fit(self, config, examples):
        """A fresh network; its scales are the published ones."""
        return _build(config, only(examples, "message_passing").particles)

    def restore(self, config, particles, weights):
        """The network of a state dict."""
        return load_weights(_build(config, particles), weights)


def _build(config: MessagePassingConfig, particles):
    return MessagePassingNetwork(particles, **vars(config))


ARCHITECTURE = MessagePassing()
