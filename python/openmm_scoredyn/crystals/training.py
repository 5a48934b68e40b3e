"""Training of a denoiser: predict the noise that was put on ideal lattices, whole or with free surfaces."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.crystals.checkpoint import (
    CHECKPOINT,
    DenoiserTraining,
    TrainedDenoiser,
    load_trained,
    read_checkpoint,
)
from openmm_scoredyn.crystals.lattices import Lattice, read_lattice
from openmm_scoredyn.crystals.samples import Batch, draw_batch
from openmm_scoredyn.crystals.surfaces import cut_surfaces
from openmm_scoredyn.data.atomic import make_directory
from openmm_scoredyn.data.lock import exclusive
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.program.archive import write_checkpoint

LOSSES = "losses.csv"
# Spheres, polyhedra, wires and crystals with voids of each lattice, this number of each.
PIECES = 24


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
    progress : called with updates done, updates in all, and the mean loss since the last call: the part of
        the
        noise that was not predicted, 1 for a network that predicts nothing
    start_from : folder or checkpoint of an earlier run whose averaged network is trained further; same shape

    Raises
    ------
    TrainingError
        If the folder holds a run of another configuration, or the loss is not finite.
    OutputError
        If the folder cannot be written, or another process writes it.
    """
    lattices = [read_lattice(source) for source in sources or config.lattices]
    species = tuple(sorted({element for lattice in lattices for element in lattice.elements}))
    if len(species) > 1 and "" in species:
        raise TrainingError(
            "train_denoiser: lattices of one element, where all atoms count as alike, and of several were"
            f" mixed; expected one sort, found {', '.join(lattice.name for lattice in lattices)}; train two"
            " models."
        )
    folder = make_directory(folder)
    with exclusive(folder, "train_denoiser"):
        run = TrainingRun(config, species, folder / CHECKPOINT, start_from)
        _fit(run, lattices, sources or config.lattices, progress, save_every)
    return run.path


def _fit(run: "TrainingRun", lattices: list[Lattice], sources, progress, save_every: int) -> None:
    """The updates that the run lacks."""
    config, species = run.config, run.species
    pieces = [
        cut_surfaces(source, np.random.default_rng([config.seed, index]), PIECES) if config.surfaces else []
        for index, source in enumerate(sources)
    ]
    losses = []
    for update in range(run.done, config.updates):
        generator = np.random.default_rng([config.seed, update])
        chosen = [
            _piece(lattices[index], pieces[index], config.surfaces, generator)
            for index in generator.integers(0, len(lattices), config.batch)
        ]
        batch = draw_batch(chosen, species, config.sigma_max, config.cutoff, generator, config.strain)
        losses.append(run.step(batch))
        if (update + 1) % save_every == 0 or update + 1 == config.updates:
            mean = float(np.mean(losses))
            run.save(mean)
            if progress:
                progress(update + 1, config.updates, mean)
            losses = []


def _piece(lattice: Lattice, pieces: list[Lattice], share: float, generator: np.random.Generator) -> Lattice:
    """The whole lattice or, with the probability `share`, one of its pieces with free surfaces."""
    if share and generator.random() < share:
        return pieces[generator.integers(len(pieces))]
    return lattice


class TrainingRun:
    """Network, optimiser and running average; goes on from the checkpoint where there is one.

    Parameters
    ----------
    config, start_from : as `train_denoiser`
    species : chemical symbols in the order of the network's numbers
    path : of the checkpoint

    Attributes
    ----------
    done : int, updates so far

    Raises
    ------
    TrainingError
        If the checkpoint is of another configuration, or the earlier run does not fit.
    """

    def __init__(self, config: DenoiserTraining, species: tuple[str, ...], path: Path, start_from):
        self.config, self.species, self.path, self.done = config, species, path, 0
        torch.manual_seed(config.seed)
        self.network = config.make_network(len(species)).train()
        self.earlier: list[tuple[str, float]] = []
        if start_from is not None:
            self._begin_with(load_trained(start_from))
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99)
        )
        if path.is_file():
            self._resume(read_checkpoint(path))

    def step(self, batch: Batch) -> float:
        """One update; its loss. Raises `TrainingError` if that is not finite."""
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
        """Write the checkpoint, whole or not at all, and add the loss to the log beside it."""
        content = {
            "config": self.config.to_json(),
            "species": list(self.species),
            "earlier": self.earlier,
            "done": self.done,
            "loss": loss,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        write_checkpoint(content, self.path)
        log = self.path.with_name(LOSSES)
        with log.open("a") as file:
            file.write(f"{self.done},{loss:.6f}\n")

    def _learning_rate(self) -> float:
        config = self.config
        rise = min(1.0, (self.done + 1) / config.warm_up)
        return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * self.done / config.updates))

    def _resume(self, content: dict) -> None:
        config = DenoiserTraining.from_json(content["config"])
        if config != self.config:
            raise TrainingError(
                f"train_denoiser: {self.path.parent} holds a run with other settings; expected {self.config},"
                f" found {config}; give the same settings or another folder."
            )
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average, self.done, self.earlier = content["average"], content["done"], content["earlier"]

    def _begin_with(self, trained: TrainedDenoiser) -> None:
        if trained.species != self.species:
            raise TrainingError(
                f"train_denoiser: the earlier run knows other elements; expected {self.species}, found"
                f" {trained.species}; start from another run."
            )
        try:
            self.network.load_state_dict(trained.network.state_dict())
        except RuntimeError:
            raise TrainingError(
                "train_denoiser: the earlier run has a network of another shape; expected that of"
                f" {self.config}, found {trained.config}; give the same width, layers and cutoff."
            ) from None
        self.earlier = [(config.to_json(), loss) for config, loss in trained.stages]


def relative_loss(network, batch: Batch, noise_floor: float) -> Tensor:
    """Part of the noise that is not predicted, averaged over the lattices of a batch: a scalar, 1 if nothing
    is predicted.

    Parameters
    ----------
    network : as `LatticeDenoiser`
    noise_floor : as `DenoiserTraining`, in nearest-neighbour distances
    """
    predicted = network(batch.separations, batch.neighbours, batch.present, batch.kinds)
    errors = (predicted - batch.displacements).square().mean(1)
    per_lattice = torch.zeros_like(batch.sigmas).index_add(0, batch.owners, errors)
    per_lattice = per_lattice / torch.bincount(batch.owners, minlength=len(batch.sigmas))
    return (per_lattice / (batch.sigmas.square() + noise_floor**2)).mean()
