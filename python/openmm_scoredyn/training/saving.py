"""What a run leaves behind: its last update, its best one, and a way to go on after a signal."""

import json
import signal
import threading
from pathlib import Path

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import EMAWeightAveraging

from openmm_scoredyn.errors import TrainingInterrupted
from openmm_scoredyn.program.archive import read_checkpoint, write_checkpoint
from openmm_scoredyn.training.config import TrainingConfig
from openmm_scoredyn.training.module import ScoreTraining
from openmm_scoredyn.version import __version__

LAST, BEST = "last.ckpt", "best.ckpt"


class Averaging(EMAWeightAveraging):
    """Exponential moving average of the weights."""

    def mean_loss(self, batches, device) -> float:
        """Mean loss of the averaged network over batches."""
        assert self._average_model is not None, "the average begins with the first update"
        module = self._average_model.module
        assert isinstance(module, ScoreTraining)
        with torch.no_grad():
            losses = [module.loss(module.transfer_batch_to_device(batch, device, 0)) for batch in batches]
        return float(torch.stack(losses).mean())


class Saving(lightning.Callback):
    """Writes `last.ckpt` every `validation_every` updates, at the last one and when a signal ends the run,
    and `best.ckpt` after a validation with the least held-out loss so far.

    Parameters
    ----------
    directory : of the run
    config : TrainingConfig
    card : what the network is described by, JSON
    average : Averaging of the same run
    """

    def __init__(self, directory: Path, config: TrainingConfig, card: str, average: Averaging):
        self.directory, self.config, self.average = directory, config, average
        self.fields = {
            "config": json.dumps(config.to_dict()),
            "card": card,
            "package_version": __version__,
        }
        self.held_out_loss: list[tuple[int, float]] = []  # update, loss
        self._signal: int | None = None

    def state_dict(self):
        """What a resumed run must know."""
        return {"held_out_loss": self.held_out_loss}

    def load_state_dict(self, state):
        """Inverse of `state_dict`."""
        self.held_out_loss = [tuple(entry) for entry in state["held_out_loss"]]

    def on_save_checkpoint(self, trainer, module, checkpoint):
        """Add the description to what Lightning saves."""
        checkpoint["openmm_scoredyn"] = self.fields | {"held_out_loss": json.dumps(self.held_out_loss)}

    def on_train_start(self, trainer, module):
        """From here on a signal waits for the end of the update; Lightning gives the signals back."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._note)

    def on_train_batch_end(self, trainer, module, *rest):
        """Save where it is due; end the run where a signal came.

        Raises
        ------
        TrainingInterrupted
        """
        update, updates = trainer.global_step, self.config.optimization.updates
        if update == updates and update % self.config.optimization.validation_every:
            # The last update is measured, too, where no validation is due.
            batches = trainer.val_dataloaders
            self._measured(trainer, self.average.mean_loss(batches, module.device))
        if self._signal is not None and update < updates:
            self._save(trainer, LAST)
            raise TrainingInterrupted(
                f"train: {signal.Signals(self._signal).name} ended the run after update {update} of"
                f" {updates}; {self.directory / LAST} holds it; give the same command again to go on.",
                self._signal,
            )

    def on_validation_end(self, trainer, module):
        """Note the held-out loss, and keep the best network, averaged weights in place."""
        if trainer.sanity_checking:
            return
        self._measured(trainer, float(trainer.callback_metrics["validation_loss"]))

    def _measured(self, trainer, loss: float) -> None:
        best = min((value for _, value in self.held_out_loss), default=float("inf"))
        self.held_out_loss.append((trainer.global_step, loss))
        self._save(trainer, LAST)
        if loss < best:
            self._save(trainer, BEST)

    def _note(self, number, frame):
        if self._signal is not None:  # whoever asks twice does not want to wait
            raise TrainingInterrupted(
                f"train: {signal.Signals(number).name} came again and ended the run within an update;"
                f" {self.directory} holds what was saved before; give the same command again to go on.",
                number,
            )
        self._signal = number

    def _save(self, trainer, name: str) -> None:
        trainer.save_checkpoint(self.directory / name)  # whole or not at all: SealedCheckpoints


class SealedCheckpoints(TorchCheckpointIO):
    """How Lightning reads and writes checkpoints: whole files with sums, damaged ones refused."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        """Write a checkpoint; whole or not at all."""
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path, map_location="cpu", weights_only=None):
        """Read a checkpoint; a damaged one raises ProgramError."""
        return read_checkpoint(path, map_location or "cpu")
