"""Training runs of a few updates, and how to kill them."""

from alanine import make_trajectory

from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig


def tiny(updates: int = 12, **changes) -> TrainingConfig:
    optimization = OptimizationConfig(
        updates=updates, batch_size=16, warmup_updates=2, validation_every=6, seed=5
    )
    return TrainingConfig(
        network=NetworkChoice.of("molecule_frame", width=16, blocks=1), optimization=optimization, **changes
    )


def data(count: int = 3):
    return [make_trajectory(300, seed=k) for k in range(count)]


class Stop(Exception):
    """Stands for a kill."""


def killed_after(updates: int):
    import lightning

    class Kill(lightning.Callback):
        def on_train_batch_end(self, trainer, *rest):
            if trainer.global_step == updates:
                raise Stop

    return Kill()
