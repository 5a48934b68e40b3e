"""What the training of a denoiser is asked for; stored in every checkpoint."""

import json
from dataclasses import asdict, dataclass

from openmm_scoredyn.crystals.network import LatticeDenoiser


@dataclass(frozen=True, kw_only=True)
class DenoiserTraining:
    """What is trained, and how.

    Attributes
    ----------
    name : str
    lattices : tuple of str, names or structure files, see `read_lattice`
    sigma_max : float, largest noise per coordinate, in nearest-neighbour distances
    cutoff : float, same unit
    width, vector_width, edge_width, layers : int, shape of the network
    updates : int;  batch : int, examples per update, each of a lattice drawn at random
    noise_floor : float
        The weight of an example is 1 / (sigma^2 + noise_floor^2). Small noise must count: what is learnt
        there decides whether a lattice is a stable end of the iterations.
    strain : float, spread of the strain of the lattices
    learning_rate : float, peak of Adam, reached after `warm_up` updates and brought to zero along a cosine
    average : float, decay of the running average of the weights, which is what gets exported
    seed : int
    """

    name: str = "denoiser"
    lattices: tuple[str, ...] = ("fcc", "bcc", "hcp")
    sigma_max: float = 0.13
    cutoff: float = 1.55
    width: int = 32
    vector_width: int = 16
    edge_width: int = 48
    layers: int = 3
    updates: int = 20_000
    batch: int = 2
    noise_floor: float = 0.005
    strain: float = 0.015
    learning_rate: float = 3e-3
    warm_up: int = 200
    average: float = 0.999
    seed: int = 1

    def to_json(self) -> str:
        """JSON text, as checkpoints keep it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "DenoiserTraining":
        """Inverse of `to_json`."""
        values = json.loads(text)
        return cls(**values | {"lattices": tuple(values["lattices"])})

    def make_network(self, species: int) -> LatticeDenoiser:
        """An untrained network of this shape, for so many species."""
        return LatticeDenoiser(
            species=species,
            cutoff=self.cutoff,
            width=self.width,
            vector_width=self.vector_width,
            edge_width=self.edge_width,
            layers=self.layers,
        )
