"""The Lightning module: loss, optimiser and learning-rate schedule."""

import math

import lightning
import torch

from openmm_scoredyn.diffusion.loss import denoising_loss
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.training.config import TrainingConfig


class ScoreTraining(lightning.LightningModule):
    """A network in training.

    `network` gives condition(history, box), predict(latent, level, condition), latent(before, after),
    project(eps, condition), advance(latent, history, box), `latent_type` and `symmetric`.
    """

    def __init__(self, network, config: TrainingConfig):
        super().__init__()
        self.network = network
        self.config = config
        self.parametrization = Parametrization(config.prediction, config.schedule)

    def training_step(self, batch, index):
        """Mean denoising loss of one batch."""
        latent, condition, sigma, eps = batch
        loss = denoising_loss(self.network, self.parametrization, latent, condition, sigma, eps).mean()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, index):
        """Denoising loss of held-out pairs, averaged weights in place."""
        latent, condition, sigma, eps = batch
        loss = denoising_loss(self.network, self.parametrization, latent, condition, sigma, eps)
        self.log("validation_loss", loss.mean(), prog_bar=True, batch_size=len(latent))

    def configure_optimizers(self):
        """Adam; linear warm-up, then half a cosine down to zero at the last update."""
        optimization = self.config.optimization
        optimizer = torch.optim.Adam(
            [p for p in self.parameters() if p.requires_grad], lr=optimization.learning_rate
        )

        def rate(update: int) -> float:
            warm = min(1.0, (update + 1) / max(1, optimization.warmup_updates))
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, update / optimization.updates)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
