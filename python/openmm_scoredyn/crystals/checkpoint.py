"""What the training of a denoiser is asked for and gives, and the file that keeps both."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from openmm_scoredyn.crystals.network import LatticeDenoiser
from openmm_scoredyn.errors import ProgramError, TrainingError
from openmm_scoredyn.program import archive

CHECKPOINT = "denoiser.ckpt"


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
        The weight of an example is 1 / (sigma^2 + noise_floor^2). Small noise must count: what is learned
        there decides whether a lattice is a stable end of the iterations.
    strain : float, spread of the strain of the lattices
    surfaces : float, share of the examples that are slabs, particles, wires or crystals with voids
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
    surfaces: float = 0.0
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
        """An untrained network of this shape, for that number of species."""
        return LatticeDenoiser(
            species=species,
            cutoff=self.cutoff,
            width=self.width,
            vector_width=self.vector_width,
            edge_width=self.edge_width,
            layers=self.layers,
        )


@dataclass(frozen=True, eq=False)
class TrainedDenoiser:
    """The state of a run: averaged network, species, and the settings and last loss of all its stages,
    oldest first.
    """

    network: LatticeDenoiser
    species: tuple[str, ...]
    stages: tuple[tuple[DenoiserTraining, float], ...]

    @property
    def config(self) -> DenoiserTraining:
        """Settings of the last stage."""
        return self.stages[-1][0]


def load_trained(path: str | Path) -> TrainedDenoiser:
    """The result of a run, from its folder or checkpoint.

    Raises
    ------
    TrainingError
        If there is none.
    """
    path = Path(path)
    content = read_checkpoint(path / CHECKPOINT if path.is_dir() else path)
    try:
        stages = tuple(
            (DenoiserTraining.from_json(text), loss)
            for text, loss in [*content["earlier"], (content["config"], content["loss"])]
        )
        species = tuple(content["species"])
        network = stages[-1][0].make_network(len(species))
        network.load_state_dict(content["average"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(
            f"load_trained: {path} is no run of a denoiser; expected one of `scoredyn train-denoiser`,"
            f" found one of something else ({type(error).__name__}); give another run."
        ) from None
    return TrainedDenoiser(network.eval(), species, stages)


def read_checkpoint(path: Path) -> dict:
    """Content of a checkpoint file; errors as `load_trained`."""
    try:
        return archive.read_checkpoint(path)
    except ProgramError as error:
        raise TrainingError(
            f"load_trained: cannot read {path}; expected a checkpoint of `scoredyn train-denoiser`, found:"
            f" {error} Give another run, or train again."
        ) from error
