"""One run of training: what it holds, one update, and its file, from which it goes on."""

import math
from pathlib import Path

import numpy as np
import torch

from openmm_scoredyn.crystals.checkpoint import TrainedDenoiser, load_trained, read_checkpoint
from openmm_scoredyn.crystals.config import DenoiserTraining
from openmm_scoredyn.crystals.loss import relative_loss
from openmm_scoredyn.crystals.samples import Batch
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.program.archive import write_checkpoint

LOSSES = "losses.csv"


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
