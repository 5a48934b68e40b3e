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
        The weight of an example is 1 / (sigma^2 + noise_floor^2). Small noise must count: what is learnt there decides
        whether a lattice is a stable end of the iterations.
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


def train_denoiser(
    config: DenoiserTraining,
    folder: str | Path,
    sources: list | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    save_every: int = 500,
    start_from: str | Path | None = None,
) -> Path:
    """Train, or go on with the run in `folder`, and give the path of its checkpoint.

    Parameters
    ----------
    sources : lattices, if not those that `config.lattices` names; anything `read_lattice` takes
    progress : called with updates done, updates in all, and the mean loss since the last call: the part of the
        noise that was not predicted, 1 for a network that predicts nothing
    start_from : folder or checkpoint of an earlier run whose averaged network is trained further; same shape

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
    run = _Run(config, species, make_directory(folder) / CHECKPOINT, start_from)
    losses = []
    for update in range(run.done, config.updates):
        generator = np.random.default_rng([config.seed, update])
        chosen = [lattices[index] for index in generator.integers(0, len(lattices), config.batch)]
        batch = draw_batch(chosen, species, config.sigma_max, config.cutoff, generator, config.strain)
        losses.append(run.step(batch))
        if (update + 1) % save_every == 0 or update + 1 == config.updates:
            mean = float(np.mean(losses))
            run.save(mean)
            if progress:
                progress(update + 1, config.updates, mean)
            losses = []
    return run.path


def relative_loss(network, batch: Batch, noise_floor: float) -> Tensor:
    """Part of the noise that is not predicted, averaged over the lattices of a batch."""
    predicted = network(batch.separations, batch.neighbours, batch.present, batch.kinds)
    errors = (predicted - batch.displacements).square().mean(1)
    per_lattice = torch.zeros_like(batch.sigmas).index_add(0, batch.owners, errors)
    per_lattice = per_lattice / torch.bincount(batch.owners, minlength=len(batch.sigmas))
    return (per_lattice / (batch.sigmas.square() + noise_floor**2)).mean()


@dataclass(frozen=True, eq=False)
class TrainedDenoiser:
    """What a run has come to: averaged network, species, and the settings and last loss of all its stages, oldest first."""

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
    content = _read(path / CHECKPOINT if path.is_dir() else path)
    stages = tuple(
        (_config(text), loss) for text, loss in [*content["earlier"], (content["config"], content["loss"])]
    )
    species = tuple(content["species"])
    network = _network(stages[-1][0], species)
    network.load_state_dict(content["average"])
    return TrainedDenoiser(network.eval(), species, stages)


class _Run:
    """Network, optimiser and running average of one training run, on disk and in memory."""

    def __init__(self, config: DenoiserTraining, species: tuple[str, ...], path: Path, start_from):
        self.config, self.species, self.path, self.done = config, species, path, 0
        torch.manual_seed(config.seed)
        self.network = _network(config, species).train()
        self.earlier: list[tuple[str, float]] = []
        if start_from is not None:
            self._begin_with(load_trained(start_from))
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
        loss = relative_loss(self.network, batch, self.config.noise_floor)
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
            "earlier": self.earlier,
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
        config = _config(content["config"])
        if config != self.config:
            raise TrainingError(
                f"train_denoiser: {self.path.parent} holds a run with other settings; expected {self.config}, found "
                f"{config}; give the same settings or another folder."
            )
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average, self.done, self.earlier = content["average"], content["done"], content["earlier"]

    def _begin_with(self, trained: TrainedDenoiser) -> None:
        if trained.species != self.species:
            raise TrainingError(
                f"train_denoiser: the earlier run knows other elements; expected {self.species}, found {trained.species}; "
                "start from another run."
            )
        try:
            self.network.load_state_dict(trained.network.state_dict())
        except RuntimeError:
            raise TrainingError(
                f"train_denoiser: the earlier run has a network of another shape; expected that of {self.config}, found "
                f"{trained.config}; give the same width, layers and cutoff."
            ) from None
        self.earlier = [(json.dumps(asdict(config)), loss) for config, loss in trained.stages]


def _network(config: DenoiserTraining, species: tuple[str, ...]) -> LatticeDenoiser:
    return LatticeDenoiser(
        species=len(species),
        cutoff=config.cutoff,
        width=config.width,
        vector_width=config.vector_width,
        edge_width=config.edge_width,
        layers=config.layers,
    )


def _config(text: str) -> DenoiserTraining:
    values = json.loads(text)
    return DenoiserTraining(**values | {"lattices": tuple(values["lattices"])})


def _read(path: Path) -> dict:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(
            f"load_trained: cannot read {path}; expected a checkpoint of `scoredyn train-denoiser`, found "
            f"{type(error).__name__}: {str(error)[:80]}; give another run, or train again."
        ) from error
