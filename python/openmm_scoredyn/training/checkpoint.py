"""Checkpoints, read: what is needed to go on or to export the averaged network, without pickled classes."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.registry import NetworkChoice
from openmm_scoredyn.program import archive
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import path_or_shipped
from openmm_scoredyn.program.transferable import TransferableModel, TransferCard, is_transferable
from openmm_scoredyn.training.config import TrainingConfig
from openmm_scoredyn.training.saving import BEST, LAST
from openmm_scoredyn.version import UNKNOWN_VERSION

RISE = 0.01  # of the held-out loss over its least value, from which on it is called overfitting


@dataclass(frozen=True)
class Start:
    """A trained network that training goes on from.

    Attributes
    ----------
    choice : NetworkChoice
    parametrization : Parametrization
    particles : of its molecule; None for a transferable network
    weights : state dict, averaged
    """

    choice: NetworkChoice
    parametrization: Parametrization
    particles: Particles | None
    weights: dict[str, Tensor]

    def network(self) -> torch.nn.Module:
        """The network, in eval mode."""
        return self.choice.architecture.restore(self.choice.config, self.particles, self.weights).eval()


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes
    ----------
    config : TrainingConfig
    card : Card, or TransferCard of a transferable network
    update : int, after which it was written
    weights : state dict of the network, averaged
    held_out_loss : list of (update, loss)
    package_version : of the package that wrote it
    """

    config: TrainingConfig
    card: Card | TransferCard
    update: int
    weights: dict[str, Tensor]
    held_out_loss: list[tuple[int, float]]
    package_version: str

    @property
    def parametrization(self) -> Parametrization:
        """What the network is shown and predicts."""
        return Parametrization(self.config.prediction, self.config.schedule)

    @property
    def start(self) -> Start:
        """The averaged network, for more training."""
        particles = self.card.particles if isinstance(self.card, Card) else None
        return Start(self.config.network, self.parametrization, particles, self.weights)

    def network(self) -> torch.nn.Module:
        """The averaged network, in eval mode."""
        return self.start.network()


def read_checkpoint(path, name: str = LAST) -> Checkpoint:
    """A checkpoint file, or the one of that name in a run directory.

    Raises
    ------
    TrainingError
        If there is none, or it is not one of this package.
    """
    path = Path(path)
    found = path / name if path.is_dir() else path
    if not found.is_file():
        raise TrainingError(
            f"load_checkpoint: found no checkpoint at {path}; expected a .ckpt file or the directory of a"
            " training run; check the path."
        )
    try:
        content = archive.read_checkpoint(found)
        described = content["openmm_scoredyn"]
        config = TrainingConfig.from_dict(json.loads(described["config"]))
        transferable = config.network.architecture.transferable
        return Checkpoint(
            config=config,
            card=(TransferCard if transferable else Card).from_json(described["card"]),
            update=int(content["global_step"]),
            weights={
                name.removeprefix("network."): value
                for name, value in content["state_dict"].items()
                if name.startswith("network.")
            },
            held_out_loss=[
                (int(update), float(loss)) for update, loss in json.loads(described["held_out_loss"])
            ],
            package_version=described.get("package_version", UNKNOWN_VERSION),
        )
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(
            f"load_checkpoint: cannot read {found}; expected a checkpoint of `scoredyn train`, found"
            f" {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'nothing more said'};"
            " give another checkpoint, or train again."
        ) from error


def best_checkpoint(path) -> Checkpoint:
    """The checkpoint with the least held-out loss of a run directory, or the one of a file.

    Raises
    ------
    TrainingError
        As `read_checkpoint`.
    """
    path = Path(path)
    return read_checkpoint(path, BEST if (path / BEST).is_file() else LAST)


def starting_point(source) -> Start:
    """The network of a run (its best checkpoint), of a checkpoint file or of a transferable model.

    Parameters
    ----------
    source : path, or name of a shipped transferable model

    Raises
    ------
    TrainingError, ProgramError, CardError
        If there is none, or it is damaged or neither.
    """
    path = path_or_shipped(str(source))
    if not is_transferable(path):
        return best_checkpoint(path).start
    model = TransferableModel.load(path)
    described = dict(model.card.provenance.network)
    parametrization = Parametrization(**described.pop("parametrization"))
    return Start(NetworkChoice.from_dict(described), parametrization, None, model.weights)


def load_checkpoint(path):
    """The averaged network of the best checkpoint of a run, its card and its parametrisation.

    Parameters
    ----------
    path : checkpoint file or run directory

    Returns
    -------
    network : torch.nn.Module in eval mode
    card : Card
    parametrization : Parametrization

    Raises
    ------
    TrainingError
        As `read_checkpoint`.
    """
    checkpoint = best_checkpoint(path)
    return checkpoint.network(), checkpoint.card, checkpoint.parametrization


def require_finished(path) -> None:
    """Refuse a run directory, or checkpoint, of a run that has not made all its updates.

    Raises
    ------
    TrainingError
    """
    if not (Path(path) / LAST).is_file():
        return  # a single checkpoint is exported as it is
    last = read_checkpoint(path)
    updates = last.config.optimization.updates
    if last.update < updates:
        raise TrainingError(
            f"export: the run in {path} is not finished; expected {updates} updates, found {last.update}; go"
            " on with the same `scoredyn train`, or add --unfinished."
        )


def overfitting(path) -> str:
    """One sentence on how the held-out loss of a run directory rose after its best update; empty where it did
    not, or for a single checkpoint.
    """
    history = read_checkpoint(path).held_out_loss if (Path(path) / LAST).is_file() else []
    if not history:
        return ""
    update, least = min(history, key=lambda entry: entry[1])
    last = history[-1][1]
    if last <= (1 + RISE) * least:
        return ""
    return (
        f"Held-out loss rose from {least:.4g} to {last:.4g} after update {update}: overfitted; exported is"
        f" update {update}."
    )
