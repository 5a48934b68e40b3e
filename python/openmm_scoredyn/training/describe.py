"""The card of a trained network: what it was trained on, and what a valid frame looks like."""

import numpy as np
import torch
from torch import Tensor

import openmm_scoredyn
from openmm_scoredyn.data import Trajectory, fingerprint
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.training.config import SOLVER, TrainingConfig

BOND_TOLERANCE = (
    0.15  # relative: 1.25 to 1.7 Angstrom for a C-C bond, seven standard deviations of its vibration
)
DISPLACEMENT_MARGIN = 1.5  # of the largest displacement in the training pairs


def describe(
    network,
    config: TrainingConfig,
    trajectories: list[Trajectory],
    before: Tensor,
    after: Tensor,
    n_pairs: int,
) -> Card:
    """The card of `network`, without golden triple (export adds it) and without measured accuracy.

    Parameters
    ----------
    before, after : (P, N, 3) nm, training pairs
    n_pairs : number of pairs in training, of which these are a sample
    """
    molecule = trajectories[0].molecule
    latent = network.latent(before, after)
    situation = _situation(before, config.lag_time_ps, common_temperature(trajectories))
    moved = network.advance(latent, network.condition(*situation), *situation[:2]) - before
    return Card.of(
        molecule,
        name=config.name,
        lag_times_ps=(config.lag_time_ps,),
        temperatures_K=(common_temperature(trajectories),),
        latent_size=latent.shape[1],
        sigma_min=config.sigma_min,
        sigma_max=config.sigma_max,
        sigma_data=1.0,
        solver=SOLVER,
        solvers=getattr(network, "solvers", ()),
        denoising_steps=config.distillation.evaluations if config.distillation else 8,
        bond_lengths_nm=mean_bond_lengths(molecule, after),
        bond_tolerance=BOND_TOLERANCE,
        stereocentres=chiral_centres(molecule, after),
        max_displacement_nm=DISPLACEMENT_MARGIN * float(torch.linalg.vector_norm(moved, dim=-1).max()),
        solvent=trajectories[0].solvent,
        force_field=trajectories[0].force_field,
        training_data={
            "fingerprint": fingerprint(trajectories),
            "steered_ns": sum(t.length_ps for t in trajectories if t.steered and t.weights is None) / 1000,
            "shot_paths": sum(len(t.segments) for t in trajectories if t.weights is not None),
            "unsteered_ns": sum(t.length_ps for t in trajectories if not t.steered) / 1000,
            "trajectories": len(trajectories),
            "pairs": n_pairs,
            "updates": config.optimization.updates,
            "batch_size": config.optimization.batch_size,
        },
        licence="MIT",
        package_version=openmm_scoredyn.__version__,
        torch_version=torch.__version__,
        latent_type=network.latent_type,
        symmetric=network.symmetric,
        golden=({"history": before[0].flatten().tolist()},),
    )


def _situation(before: Tensor, lag_time_ps: float, temperature_K: float) -> tuple[Tensor, ...]:
    """History, box, lag time and temperature of frames (P, N, 3), nm, without a box."""
    same = torch.ones(len(before))
    return before[:, None], torch.zeros(len(before), 3, 3), lag_time_ps * same, temperature_K * same


def common_temperature(trajectories: list[Trajectory]) -> float:
    """The temperature, K, of all trajectories.

    Raises
    ------
    TrainingError
        If they do not say it, or not the same one.
    """
    temperatures = {trajectory.temperature_K for trajectory in trajectories}
    if len(temperatures) != 1 or None in temperatures:
        raise TrainingError(
            f"train: expected trajectories of one known temperature, found {sorted(map(str, temperatures))}"
            " K; train on one temperature, or give it when loading."
        )
    return temperatures.pop()


def mean_bond_lengths(molecule: Particles, positions: Tensor) -> tuple[float, ...]:
    """Mean length, nm, of each bond over positions (P, N, 3)."""
    pairs = torch.tensor(molecule.bonds)
    lengths = torch.linalg.vector_norm(positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]], dim=-1)
    return tuple(float(length) for length in lengths.mean(0))


def chiral_centres(molecule: Particles, positions: Tensor) -> tuple[tuple[int, int, int, int], ...]:
    """Atoms with four neighbours, at most one of them hydrogen, that keep their handedness in all positions
    (P, N, 3).

    Returns (centre, a, b, c) with (a - centre) . ((b - centre) x (c - centre)) > 0.
    """
    found = []
    for centre, around in enumerate(molecule.neighbours):
        if len(around) != 4 or sum(molecule.types[i] == "H" for i in around) > 1:
            continue
        a, b, c = sorted(around, key=lambda i: (molecule.types[i] == "H", i))[:3]
        arms = [(positions[:, i] - positions[:, centre]).double().numpy() for i in (a, b, c)]
        triple = np.einsum("pi,pi->p", arms[0], np.cross(arms[1], arms[2]))
        if np.all(triple > 0):
            found.append((centre, a, b, c))
        elif np.all(triple < 0):
            found.append((centre, b, a, c))
    return tuple(found)
