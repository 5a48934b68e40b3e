"""An equivariant network on atoms in space."""

from dataclasses import dataclass

from openmm_scoredyn.networks.displacement import DisplacementScales, fit_displacement
from openmm_scoredyn.networks.equivariant.network import EquivariantNetwork
from openmm_scoredyn.networks.protocol import Architecture, load_weights, only


@dataclass(frozen=True)
class EquivariantConfig:
    """Scalars of each atom (a quarter as many vectors), and number of rounds of messages."""

    width: int = 64
    blocks: int = 3


class Equivariant(Architecture):
    """Entry of the registry."""

    config = EquivariantConfig

    def fit(self, config, examples):
        """A fresh network, its scales fitted to the displacements of the examples."""
        examples = only(examples, "equivariant")
        scales = fit_displacement(examples.particles, examples.before, examples.after)
        return EquivariantNetwork(examples.particles, scales, config.width, config.blocks)

    def restore(self, config, particles, weights):
        """The network of a state dict."""
        names = ("rows.spread", "pairs.distance", "pairs.distance_spread")
        scales = DisplacementScales(*(weights[name] for name in names))
        return load_weights(EquivariantNetwork(particles, scales, config.width, config.blocks), weights)


ARCHITECTURE = Equivariant()
