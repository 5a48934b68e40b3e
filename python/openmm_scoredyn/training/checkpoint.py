"""Checkpoints: everything needed to go on, or to export the averaged network, without pickled classes."""

import json
from pathlib import Path

import lightning

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks import restore_network
from openmm_scoredyn.program.archive import read_checkpoint
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.training.config import TrainingConfig

LAST = "last.ckpt"


class Description(lightning.Callback):
    """Writes configuration, card and the shapes of the fitted scales into every checkpoint."""

    def __init__(self, config: TrainingConfig, card: Card):
        self.fields = {"config": json.dumps(config.to_dict()), "card": card.to_json()}

    def on_save_checkpoint(self, trainer, module, checkpoint):
        """Add the description to what Lightning saves."""
        checkpoint["openmm_scoredyn"] = self.fields


def checkpoint_file(path) -> Path:
    """The checkpoint meant by a file or a run directory.

    Raises
    ------
    TrainingError
        If there is none.
    """
    path = Path(path)
    found = path / LAST if path.is_dir() else path
    if not found.is_file():
        raise TrainingError(
            f"load_checkpoint: found no checkpoint at {path}; expected a .ckpt file or the directory of a"
            " training run; check the path."
        )
    return found


def load_checkpoint(path):
    """The averaged network of a checkpoint, its card and its parametrisation.

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
        If there is no checkpoint, or it is not one of this package.
    """
    config, card, states = _read(path)
    weights = {
        name.removeprefix("network."): value for name, value in states.items() if name.startswith("network.")
    }
    shape = config.network
    network = restore_network(shape.kind, shape.width, shape.blocks, card.molecule, weights)
    return network.eval(), card, Parametrization(config.prediction, config.schedule)


def load_config(path) -> TrainingConfig:
    """The configuration of the run that wrote a checkpoint; `path` and errors as `load_checkpoint`."""
    return _read(path)[0]


def _read(path) -> tuple[TrainingConfig, Card, dict]:
    """Configuration, card and averaged weights."""
    found = checkpoint_file(path)
    try:
        content = read_checkpoint(found)
        config = TrainingConfig.from_dict(json.loads(content["openmm_scoredyn"]["config"]))
        return config, Card.from_json(content["openmm_scoredyn"]["card"]), content["state_dict"]
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(
            f"load_checkpoint: cannot read {found}; expected a checkpoint of `scoredyn train`, found"
            f" {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'nothing more said'};"
            " give another checkpoint, or train again."
        ) from error
