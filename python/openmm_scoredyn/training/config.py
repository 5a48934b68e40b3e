"""What a training run is asked for; frozen, one dataclass per concern, stored in every checkpoint."""

from dataclasses import asdict, dataclass, field, replace

from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.registry import NetworkChoice

# What trained models are sampled with, and students are taught for.
SOLVER = "trig_2m"
PRECISIONS = ("float32", "bfloat16")
_POSITIVE = (
    "updates",
    "batch_size",
    "molecules_per_update",
    "learning_rate",
    "matrix_learning_rate",
    "validation_every",
)
SPLITS = ("trajectory", "time", "molecule")


@dataclass(frozen=True)
class OptimizationConfig:
    """Adam with linear warm-up and cosine decay to zero, gradient clipping, exponential moving average.

    `batch_size` : pairs an update, in equal shares of `molecules_per_update` molecules, each drawn anew.
    `matrix_learning_rate` : Muon for matrices, with this learning rate, see `training.optimizer.MuonAndAdam`;
    4e-3 for batches of 1,024.
    `precision` "bfloat16": matrix products of the network in bfloat16 while it is trained, on processors with
    instructions for it 1.5 times as fast; weights, their average and latents stay in float32.
    """

    updates: int = 17_000
    batch_size: int = 1024
    molecules_per_update: int = 1
    learning_rate: float = 1e-3
    matrix_learning_rate: float | None = None
    warmup_updates: int = 300
    ema_decay: float = 0.999
    gradient_clip: float = 1.0
    validation_every: int = 1000
    seed: int = 1
    precision: str = "float32"

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise TrainingError(
                f"OptimizationConfig: unknown precision; expected one of {', '.join(PRECISIONS)}, found"
                f" {self.precision!r}; choose one."
            )
        for name in _POSITIVE:
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise TrainingError(
                    f"OptimizationConfig: {name} must be positive, found {getattr(self, name)}; give a"
                    " positive value."
                )
        if self.batch_size % self.molecules_per_update:
            raise TrainingError(
                "OptimizationConfig: expected a batch size in equal shares of the molecules of an update,"
                f" found {self.batch_size} pairs of {self.molecules_per_update} molecules; give a multiple."
            )


@dataclass(frozen=True)
class DistillationConfig:
    """Evaluations of the network per draw: of the student, and of the teacher it imitates."""

    evaluations: int = 2
    teacher_evaluations: int = 12

    def __post_init__(self):
        if not 1 <= self.evaluations < self.teacher_evaluations:
            raise TrainingError(
                "DistillationConfig: expected at least one evaluation and fewer than the teacher's "
                f"{self.teacher_evaluations}, found {self.evaluations}; change one of them."
            )


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a run depends on but its data.

    Attributes
    ----------
    network : NetworkChoice
    prediction, schedule : str
        Parametrisation of the network, see `openmm_scoredyn.diffusion.parametrization.Parametrization`.
    sigma_min, sigma_max : float
        Range of noise levels a solver will use.
    lag_time_ps : float
        Physical time of one step of the model; the shortest, of a model of a range.
    longest_lag_time_ps : float or None
        End of the range of lag times of a model that knows more than one.
    time_reversal : bool
        Use pairs of unsteered equilibrium trajectories in both directions, as detailed balance allows.
    split : {"trajectory", "time", "molecule"}
        What is held out: whole trajectories, the end of each, or whole molecules.
    validation_fraction : float
        Fraction of it that is held out.
    distillation : DistillationConfig or None
        Teach the network that training starts from to draw in fewer evaluations.
    """

    name: str = "model"
    network: NetworkChoice = field(default_factory=lambda: NetworkChoice.of("molecule_frame"))
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    noise: NoiseLevels = field(default_factory=NoiseLevels)
    prediction: str = "edm"
    schedule: str = "edm"
    sigma_min: float = 0.02
    sigma_max: float = 40.0
    lag_time_ps: float = 1.0
    longest_lag_time_ps: float | None = None
    time_reversal: bool = True
    split: str = "trajectory"
    validation_fraction: float = 0.1
    distillation: DistillationConfig | None = None

    def __post_init__(self):
        if self.split not in SPLITS:
            raise TrainingError(
                f"TrainingConfig: unknown split; expected one of {', '.join(SPLITS)}, found {self.split!r};"
                " choose one."
            )
        if self.optimization.precision != "float32":
            self._require_rounding()
        longest = self.longest_lag_time_ps
        if longest is not None and not self.network.architecture.lag_range:
            raise TrainingError(
                f"TrainingConfig: {self.network.name} does not see the lag time; expected one lag time, found"
                f" {self.lag_time_ps:g} to {longest:g} ps; choose one, or another network."
            )
        if longest is not None and longest <= self.lag_time_ps:
            raise TrainingError(
                "TrainingConfig: expected a range of lag times that ascends, found"
                f" {self.lag_time_ps:g} to {longest:g} ps; exchange the ends."
            )

    def _require_rounding(self) -> None:
        """Refuse rounded products for a network that is not known to learn with them, and in distillation."""
        found = "distillation" if self.distillation else self.network.name
        if self.distillation or not self.network.architecture.rounded:
            raise TrainingError(
                "TrainingConfig: expected float32 for what was never trained otherwise, found"
                f" {self.optimization.precision} and {found}; leave precision out."
            )

    @property
    def lag_times_ps(self) -> tuple[float, ...]:
        """The lag time, or the two ends of the range."""
        longest = self.longest_lag_time_ps
        return (self.lag_time_ps,) if longest is None else (self.lag_time_ps, longest)

    @property
    def history_length(self) -> int:
        """Number of frames H that the network is conditioned on: an option of the network, 1 without it."""
        return getattr(self.network.config, "history_length", 1)

    def require_teacher(self, start_from) -> None:
        """Raise `TrainingError` if a draw is to be taught and there is no run to `start_from`: its network is
        the teacher.
        """
        if self.distillation and start_from is None:
            raise TrainingError(
                "train: distillation needs a teacher; expected a trained network to start from, found none;"
                " give its run with --start-from."
            )

    def further(self, network: NetworkChoice, parametrization: Parametrization) -> "TrainingConfig":
        """The same for a trained network, which keeps its shape and what it is shown and predicts."""
        return replace(
            self,
            network=network,
            prediction=parametrization.prediction,
            schedule=parametrization.schedule,
        )

    def to_dict(self) -> dict:
        """Nested plain values, ready for JSON."""
        return asdict(self) | {"network": self.network.to_dict()}

    @classmethod
    def from_dict(cls, values: dict) -> "TrainingConfig":
        """Inverse of `to_dict`."""
        nested = {
            "network": NetworkChoice.from_dict,
            "optimization": lambda fields: OptimizationConfig(**fields),
            "noise": lambda fields: NoiseLevels(**fields),
            "distillation": lambda fields: fields and DistillationConfig(**fields),
        }
        return cls(**{key: nested.get(key, lambda value: value)(value) for key, value in values.items()})
