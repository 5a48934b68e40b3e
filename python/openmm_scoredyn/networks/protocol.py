"""What a network is to the rest of the package: a module, and an entry of the registry that makes it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from openmm_scoredyn.diffusion.noise_levels import NoiseLevels
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.known import Coverage, environment


class Network(Protocol):
    """A denoiser in training: an `nn.Module` whose methods below but the last three are scriptable.

    Attributes
    ----------
    latent_type : {"invariant", "vector"}
        Whether latents turn with the particles.
    symmetric : bool
        Whether it is SE(3)-symmetric by construction; where not, it is trained on turned examples.
    equal_names : bool, optional
        Whether it is to serve any names of equal neighbours alike: it is trained on examples that are renamed
        at random, and mirrored as well if `mirror_symmetric`, which it then says.
    loss_weight : float or Tensor that broadcasts to latents
    solvers : tuple of str, optional
        The only solvers it is right with.
    """

    latent_type: str
    symmetric: bool
    loss_weight: Any

    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        """What a step needs of history (B, H, N, 3) and box (B, 3, 3), nm, lag time and temperature (B,)."""
        ...

    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        """Raw output (B, D), as its parametrisation says, for scaled latents (B, D) and level (B,)."""
        ...

    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        """Positions (B, N, 3), nm, one lag time later."""
        ...

    def latent(self, before: Tensor, after: Tensor, condition: list[Tensor]) -> Tensor:
        """Clean latents (B, D) of pairs of frames (B, N, 3), nm, and the condition; `advance` undoes it."""
        ...

    def project(self, eps: Tensor, condition: list[Tensor]) -> Tensor:
        """Noise (B, D) without what means nothing to the network."""
        ...

    def told(self, condition: list[Tensor], labels: Tensor) -> list[Tensor]:
        """The condition in training, where labels (B, L) are known; only of networks whose `prepare` makes
        some.
        """
        ...


class OneStepNetwork(Protocol):
    """A network that makes its step in one go, without denoising: as `Network`, but for `predict`, `project`
    and `loss_weight`, with the two methods below in their place.
    """

    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        """Latents (B, D) from standard normals (B, D); scriptable."""
        ...

    def negative_log_likelihood(self, latent: Tensor, condition: list[Tensor]) -> Tensor:
        """What it is trained by, of clean latents (B, D), per sample (B,)."""
        ...


def draws_in_one_step(network) -> bool:
    """Whether a network is a `OneStepNetwork`."""
    return callable(getattr(network, "negative_log_likelihood", None))


class BoundNetwork(Network, Protocol):
    """A transferable network that is bound to particles.

    Attributes
    ----------
    latent_size : int, D
    """

    latent_size: int


@dataclass(frozen=True)
class Recipe:
    """How a network is trained unless the user says otherwise.

    Attributes
    ----------
    prediction, schedule : str, of `diffusion.parametrization.Parametrization`
    noise : NoiseLevels
    """

    prediction: str = "edm"
    schedule: str = "edm"
    noise: NoiseLevels = field(default_factory=NoiseLevels)


@dataclass(frozen=True)
class Stage:
    """Where a training run stands when a network prepares its examples.

    Attributes
    ----------
    seed : int
    further : bool, the network was trained before, on other data perhaps
    distilling : bool, a teacher says what is right
    interrupted : the network as an earlier call of the same run left it, or None
    """

    seed: int
    further: bool = False
    distilling: bool = False
    interrupted: nn.Module | None = None


class Architecture(ABC):
    """An entry of the registry: how networks of one name are made. A subclass writes `fit` and `restore`.

    Attributes
    ----------
    config : type
        A frozen dataclass of plain values with defaults: shape and options of the network.
    recipe : Recipe
    transferable : bool
        Whether one network serves many molecules; it then writes `bind` and `known`, and what it binds has a
        `latent_size`.
    lag_range : bool
        Whether a network may be trained on examples of many lag times.
    rounded : bool
        Whether it may be trained with matrix products in bfloat16.
    """

    config: type
    recipe: Recipe = Recipe()
    transferable: bool = False
    lag_range: bool = False
    rounded: bool = False

    @abstractmethod
    def fit(self, config, examples: Sequence[Examples]) -> nn.Module:
        """A fresh network, its scales fitted to the training examples, one entry a molecule."""

    @abstractmethod
    def restore(self, config, particles: Particles | None, weights: dict[str, Tensor]) -> nn.Module:
        """The network of a state dict; `particles` is None for a transferable one."""

    def further(self, network: nn.Module, config, examples: Sequence[Examples]) -> nn.Module:
        """A trained network for more training on the examples; a transferable one may learn of molecules that
        it does not know.
        """
        return network

    def bind(self, network: nn.Module, particles: Particles) -> nn.Module:
        """The network for one molecule; it shares the parameters of `network`."""
        return network

    def classes(self, particles: Particles) -> tuple[str, ...]:
        """The class of each particle: what the guard allows is learnt by class, and so known of molecules
        that no training molecule is equal to.
        """
        return environment(particles)

    def known(self, network: nn.Module) -> Coverage:
        """What a transferable network was trained on, and may be bound to."""
        raise NotImplementedError(f"{type(self).__name__} is transferable and does not say what it knows")

    def check(self, config, examples: Sequence[Examples]) -> None:
        """Refuse examples that it cannot be trained on, before any work is done."""

    def prepare(
        self,
        network: nn.Module,
        training: list[Examples],
        held_out: list[Examples],
        stage: Stage,
    ) -> tuple[list[Examples], list[Examples]]:
        """Change weights and labels of the examples before the updates, and fit what is fitted apart."""
        return training, held_out


def only(examples: Sequence[Examples], name: str) -> Examples:
    """The examples of the one molecule that a network is made for.

    Raises
    ------
    TrainingError
        If there are several molecules.
    """
    if len(examples) != 1:
        raise TrainingError(
            f"network: {name} is made for one molecule; expected trajectories of one, found"
            f" {len(examples)} molecules; train on one, or choose a transferable network."
        )
    return examples[0]


def load_weights(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Load a state dict, which may hold what follows from the rest, as TorchScript archives do."""
    derived = {name for name, _ in network.named_buffers()} - network.state_dict().keys()
    network.load_state_dict({name: value for name, value in weights.items() if name not in derived})
    return network
