"""Small models whose answers are known, for the tests of cards, export and sampling."""

import numpy as np
import torch
from torch import Tensor, nn

from openmm_scoredyn.diffusion.parametrization import Parametrization
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.card import Card

MOLECULE = Particles(
    types=("C", "H", "F", "Cl", "Br"),
    masses_amu=(12.011, 3.0, 18.998, 35.45, 79.904),
    atom_names=("C", "H", "F", "CL", "BR"),
    residue_names=("MOL",) * 5,
    residue_indices=(0,) * 5,
    bonds=((0, 1), (0, 2), (0, 3), (0, 4)),
)

# tetrahedral, bond lengths as on the card, nm
POSITIONS = (
    (0.0023, 0.0063, -0.0140),
    (0.0834, 0.0356, -0.0806),
    (-0.1131, -0.0005, -0.0839),
    (-0.0141, 0.1259, 0.1154),
    (0.0414, -0.1674, 0.0631),
)


def tiny_card(**values) -> Card:
    """The card of a five-atom molecule with one stereocentre; latents are displacements."""
    given = {
        "name": "tiny",
        "lag_times_ps": (1.0,),
        "temperatures_K": (300.0,),
        "latent_size": 15,
        "sigma_min": 0.02,
        "sigma_max": 20.0,
        "solver": "dpmpp_2m",
        "bond_lengths_nm": (0.109, 0.135, 0.177, 0.194),
        "bond_tolerance": 0.9,
        "stereocentres": ((0, 1, 2, 3),),
        "latent_type": "vector",
    }
    given["golden"] = (
        {"history": [x for atom in POSITIONS for x in atom] * values.get("history_length", 1)},
    )
    return Card.of(**({"particles": MOLECULE} | given | values))


class Newest(nn.Module):
    """What all share that need the newest frame alone; latents are displacements in units of `step_nm`."""

    latent_type = "vector"

    def __init__(self, step_nm: float = 0.001):
        super().__init__()
        self.register_buffer("step", torch.tensor(step_nm))

    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [history[:, -1]]

    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.step * latent.unflatten(1, [-1, 3])


class DriftingNetwork(Newest):
    """An equivariant denoiser: latents shrink by a factor that depends on their length and on the bond
    lengths.
    """

    def __init__(self, step_nm: float = 0.001):
        super().__init__(step_nm)
        self.gain = nn.Parameter(torch.tensor(0.3))

    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        newest, shifts = condition[0], latent.unflatten(1, [-1, 3])
        reach = (newest - newest[:, :1]).square().sum(-1, keepdim=True)
        length = shifts.square().sum(-1, keepdim=True)
        return (shifts * torch.tanh(self.gain * (length + reach + level[:, None, None]))).flatten(1)


class OneStepNetwork(Newest):
    """By `start` alone: the newest frame plus scaled noise."""

    def start(self, noise: Tensor, condition: list[Tensor]) -> Tensor:
        return 2 * noise


class StandardNormal(Newest):
    """Optimal network for latents that are independent standard normals, in any parametrisation."""

    def __init__(self, prediction: str, schedule: str):
        super().__init__()
        self.prediction = prediction
        self.parametrization = Parametrization(prediction, schedule)

    def predict(self, latent: Tensor, level: Tensor, condition: list[Tensor]) -> Tensor:
        sigma = self.parametrization.sigma_at(level)[:, None]
        if self.prediction == "noise":  # of the variance-preserving variable
            return latent * sigma / torch.sqrt(1 + sigma**2)
        if self.prediction == "clean":  # of the variance-exploding variable
            return latent / (1 + sigma**2)
        return torch.zeros_like(latent)


def start(replicas: int = 3) -> np.ndarray:
    """Positions (replicas, 5, 3), nm, all alike."""
    return np.tile(np.array(POSITIONS, np.float32), (replicas, 1, 1))
