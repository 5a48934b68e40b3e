"""The models: which chains they are of, what their super-beads and steps are, and how they are trained. That
of 100 beads is shipped.
"""

from dataclasses import dataclass
from pathlib import Path

from trajectories import FRICTION_PER_PS, TAU_PS

from openmm_scoredyn.training import NetworkChoice, OptimizationConfig, TrainingConfig


@dataclass(frozen=True)
class Model:
    """A model of chains of one size.

    Attributes
    ----------
    folder : of the data, such as "n100"
    group : beads of a super-bead
    lag_tau : of a step
    """

    name: str
    folder: str
    group: int
    lag_tau: int
    updates: int

    @property
    def picture(self) -> str:
        """Name of the picture of its report."""
        return f"{self.name}.png"

    def speed_file(self, data: Path) -> Path:
        """What `speed.py` measured, among the data."""
        return data / f"speed-{self.folder}.json"

    def configuration(self, updates: int = 0) -> TrainingConfig:
        """How it is trained; in fewer or more updates on request."""
        return TrainingConfig(
            name=self.name,
            network=NetworkChoice.of("chain_flow", width=24, layers=2, friction_per_ps=FRICTION_PER_PS),
            optimization=OptimizationConfig(
                updates=updates or self.updates,
                batch_size=64,
                learning_rate=2e-3,
                warmup_updates=100,
                ema_decay=0.99,
                validation_every=100,
            ),
            lag_time_ps=self.lag_tau * TAU_PS,
            split="molecule",
            validation_fraction=1 / 6,
        )


MODELS = {
    100: Model("bead-chains", "n100", 10, 25, 3000),
    400: Model("bead-chains-400", "n400", 20, 400, 2500),
}
