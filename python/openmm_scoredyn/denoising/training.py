"""Training of a denoiser: predict the noise that was put on an ideal lattice."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.data.atomic import make_directory, write_atomically
from openmm_scoredyn.denoising.lattices import read_lattice
from openmm_scoredyn.denoising.network import LatticeDenoiser
from openmm_scoredyn.denoising.samples import Batch, draw_batch
from openmm_scoredyn.errors import TrainingError

CHECKPOINT = "denoiser.ckpt"
LOSSES = "losses.csv"
# Noise below this counts no more than its size: the weight of an example is 1 / (sigma^2 + floor^2).
NOISE_FLOOR = 0.02


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
    learning_rate: float = 3e-3
    warm_up: int = 200
    average: float = 0.999
    seed: int = 1


def train_denoiser(
    config: DenoiserTraining,
    folder: str | Path,
    sources: list | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    save_every: int = 500,
) -> Path:
    """Train, or go on with the run in `folder`, and give the path of its checkpoint.

    Parameters
    ----------
    sources : lattices, if not those that `config.lattices` names; anything `read_lattice` takes
    progress : called with updates done, updates in all, and the mean loss since the last call: the part of the
        noise that was not predicted, 1 for a network that predicts nothing

    Raises
    ------
    TrainingError
        If the folder holds a run of another configuration, or the loss is not finite.
    """
    lattices = [read_lattice(source) for source in (sources or config.lattices)]
    species = tuple(sorted({element for lattice in lattices for element in lattice.elements}))
    if len(species) > 1 and "" in species:
        raise TrainingError(
            "train_denoiser: lattices of one element, where all atoms count as alike, and of several were mixed; "
            f"expected one sort, found {', '.join(lattice.name for lattice in lattices)}; train two models."
        )
    run = _Run(config, species, make_directory(folder) / CHECKPOINT)
    losses = []
    for update in range(run.done, config.updates):
        generator = np.random.default_rng([config.seed, update])
        chosen = [lattices[index] for index in generator.integers(0, len(lattices), config.batch)]
        batch = draw_batch(chosen, species, config.sigma_max, config.cutoff, generator)
        losses.append(run.step(batch))
        if (update + 1) % save_every == 0 or update + 1 == config.updates:
            mean = float(np.mean(losses))
            run.save(mean)
            if progress:
                progress(update + 1, config.updates, mean)
            losses = []
    return run.path


def relative_loss(network, batch: Batch) -> Tensor:
    """Part of the noise that is not predicted, averaged over the lattices of a batch."""
    predicted = network(batch.separations, batch.neighbours, batch.present, batch.kinds)
    errors = (predicted - batch.displacements).square().mean(1)
    per_lattice = torch.zeros_like(batch.sigmas).index_add(0, batch.owners, errors)
    per_lattice = per_lattice / torch.bincount(batch.owners, minlength=len(batch.sigmas))
    return (per_lattice / (batch.sigmas.square() + NOISE_FLOOR**2)).mean()


def load_trained(path: str | Path) -> tuple[LatticeDenoiser, DenoiserTraining, tuple[str, ...], float]:
    """Averaged network, configuration, species and last loss of a run's folder or checkpoint.

    Raises
    ------
    TrainingError
        If there is none.
    """
    path = Path(path)
    content = _read(path / CHECKPOINT if path.is_dir() else path)
    config = DenoiserTraining(**_as_tuples(json.loads(content["config"])))
    species = tuple(content["species"])
    network = _network(config, species)
    network.load_state_dict(content["average"])
    return network.eval(), config, species, content["loss"]


class _Run:
    """Network, optimiser and running average of one training run, on disk and in memory."""

    def __init__(self, config: DenoiserTraining, species: tuple[str, ...], path: Path):
        self.config, self.species, self.path, self.done = config, species, path, 0
        torch.manual_seed(config.seed)
        self.network = _network(config, species).train()
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99)
        )
        if path.is_file():
            self._resume(_read(path))

    def step(self, batch: Batch) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss = relative_loss(self.network, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(
                f"train_denoiser: the loss is {value} after {self.done} updates; expected a finite one; "
                "lower the learning rate."
            )
        # A short memory at first: the random weights of the start must not linger.
        keep = min(self.config.average, self.done / (self.done + 10))
        for name, weight in self.network.state_dict().items():
            self.average[name].lerp_(weight, 1 - keep)
        return value

    def save(self, loss: float) -> None:
        content = {
            "config": json.dumps(asdict(self.config)),
            "species": list(self.species),
            "done": self.done,
            "loss": loss,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        write_atomically(self.path, lambda file: torch.save(content, file))
        log = self.path.with_name(LOSSES)
        with log.open("a") as file:
            file.write(f"{self.done},{loss:.6f}\n")

    def _learning_rate(self) -> float:
        config = self.config
        rise = min(1.0, (self.done + 1) / config.warm_up)
        return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * self.done / config.updates))

    def _resume(self, content: dict) -> None:
        config = DenoiserTraining(**_as_tuples(json.loads(content["config"])))
        if config != self.config:
            raise TrainingError(
                f"train_denoiser: {self.path.parent} holds a run with other settings; expected {self.config}, found "
                f"{config}; give the same settings or another folder."
            )
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average, self.done = content["average"], content["done"]


def _network(config: DenoiserTraining, species: tuple[str, ...]) -> LatticeDenoiser:
    return LatticeDenoiser(
        species=len(species),
        cutoff=config.cutoff,
        width=config.width,
        vector_width=config.vector_width,
        edge_width=config.edge_width,
        layers=config.layers,
    )


def _as_tuples(values: dict) -> dict:
    return values | {"lattices": tuple(values["lattices"])}


def _read(path: Path) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(
            f"load_trained: cannot read {path}; expected a checkpoint of `scoredyn train-denoiser`, found "
            f"{type(error).__name__}: {str(error)[:80]}."
        ) from error
