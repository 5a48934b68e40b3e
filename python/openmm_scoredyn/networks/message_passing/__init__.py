"""The published network: messages on the radius graph of the condition."""

from dataclasses import dataclass

from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
from openmm_scoredyn.networks.message_passing.network import MessagePassingNetwork
from openmm_scoredyn.networks.protocol import Architecture, Recipe, load_weights, only


@dataclass(frozen=True)
class MessagePassingConfig:
    """Width of nodes and edges, and number of rounds of messages."""

    width: int = 200
    blocks: int = 5


class MessagePassing(Architecture):
    """Entry of the registry."""

    config = MessagePassingConfig
    recipe = Recipe("noise", "vp_linear", NoiseLevels("log_uniform", -4.56, 5.02))

    def fit(self, config, examples):
        """A fresh network; its scales are the published ones."""
        return MessagePassingNetwork(only(examples, "message_passing").particles, config.width, config.blocks)

    def restore(self, config, particles, weights):
        """The network of a state dict."""
        return load_weights(MessagePassingNetwork(particles, config.width, config.blocks), weights)


ARCHITECTURE = MessagePassing()
