"""The Lightning module: loss, optimiser and learning-rate schedule."""

import math

import lightning
import torch
from torch import Tensor

from openmm_scoredyn.diffusion.parametrization import Parametrization, denoising_loss
from openmm_scoredyn.networks.protocol import draws_in_one_step
from openmm_scoredyn.training.config import TrainingConfig
from openmm_scoredyn.training.dataset import Batch
from openmm_scoredyn.training.optimizer import MuonAndAdam


class ScoreTraining(lightning.LightningModule):
    """A network in training.

    Parameters
    ----------
    network : as `networks.protocol.Network`, or the parameters that bound networks share
    bound : list of the network bound to each molecule in training
    config : TrainingConfig
    """

    def __init__(self, network, bound: list, config: TrainingConfig):
        super().__init__()
        self.network = network
        self._bound = tuple(bound)  # out of sight of Lightning: their parameters are those of `network`
        self.config = config
        self.parametrization = Parametrization(config.prediction, config.schedule)

    def on_fit_start(self):
        """Bring what binding made to where the network is trained."""
        for network in self._bound:
            network.to(self.device)

    def training_step(self, batch, index):
        """Mean loss of the batches of one update, all of the same size."""
        loss = torch.stack([self.loss(Batch(*one)) for one in batch]).mean()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, index):
        """The same for held-out examples, averaged weights in place."""
        batch = Batch(*batch)
        self.log("validation_loss", self.loss(batch), prog_bar=True, batch_size=len(batch.after))

    def loss(self, batch: Batch) -> Tensor:
        """Mean denoising loss of a batch, or negative log-likelihood of a network that has one.

        Where gradients are computed, in the precision of the configuration; a held-out loss in float32.
        """
        rounded = self.config.optimization.precision == "bfloat16" and torch.is_grad_enabled()
        network = self._bound[batch.molecule]
        condition = self.seen(network, batch)
        clean = network.latent(batch.history[:, -1], batch.after, condition)
        if draws_in_one_step(network):
            return network.negative_log_likelihood(clean, condition).mean()
        eps = network.project(batch.eps, condition)
        with torch.autocast(clean.device.type, torch.bfloat16, enabled=rounded):
            loss = denoising_loss(network, self.parametrization, clean, condition, batch.sigma, eps)
        return loss.mean()

    def seen(self, network, batch: Batch) -> list[Tensor]:
        """The condition of a batch for a network bound to its molecule."""
        condition = network.condition(batch.history, batch.box, batch.lag_time_ps, batch.temperature_K)
        return network.told(condition, batch.labels) if batch.labels.shape[1] else condition

    def given(self, network, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """The condition, and the noise that the network can see."""
        condition = self.seen(network, batch)
        return condition, network.project(batch.eps, condition)

    def configure_optimizers(self):
        """Adam, or Muon and Adam; linear warm-up, then half a cosine down to zero at the last update."""
        optimization = self.config.optimization
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer: torch.optim.Optimizer
        if optimization.matrix_learning_rate is None:
            optimizer = torch.optim.Adam(trained, lr=optimization.learning_rate)
        else:
            optimizer = MuonAndAdam(trained, optimization.learning_rate, optimization.matrix_learning_rate)

        def rate(update: int) -> float:
            warm = min(1.0, (update + 1) / max(1, optimization.warmup_updates))
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, update / optimization.updates)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
