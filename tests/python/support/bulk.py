"""A periodic box of many equal diatomic molecules, and programs for it that know every atom by its own
velocity.

OpenMM keeps the atoms of such a System in an order of its own and moves whole molecules by boxes: a platform
that mixed up atoms or images would show.
"""

import numpy as np
import openmm
import torch
from programs import Jumping, Newest, make_card, save_program
from torch import Tensor

BOX = 3.0
BOND = 0.125


def start(n_molecules: int, box: float = BOX) -> np.ndarray:
    """Positions (2 n, 3), nm: molecules on a grid, bonds along x."""
    side = int(np.ceil(n_molecules ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n_molecules]
    first = (grid + 0.25) * box / side
    return np.stack([first, first + [BOND, 0, 0]], 1).reshape(-1, 3).astype(np.float32)


def make_system(n_molecules: int, box: float = BOX) -> openmm.System:
    """Lennard-Jones particles with a cutoff, which is what makes OpenMM reorder atoms; bonded in pairs."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * box))
    force, bonds = openmm.NonbondedForce(), openmm.HarmonicBondForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(min(0.9, 0.4 * box))
    for molecule in range(n_molecules):
        for mass in (12.0, 16.0):
            system.addParticle(mass)
            force.addParticle(0, 0.1, 0)
        force.addException(2 * molecule, 2 * molecule + 1, 0, 0.1, 0)
        bonds.addBond(2 * molecule, 2 * molecule + 1, BOND, 1000)
    system.addForce(force)
    system.addForce(bonds)
    return system


class Streaming(Jumping):
    """Every molecule moves by a vector of its own in every step."""

    latent_size = 1

    def __init__(self, n_molecules: int):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        # Multiples of 2^-10 nm, up to a sixteenth: exact in float32 as long as no box is added.
        velocity = torch.randint(-64, 65, (n_molecules, 1, 3), generator=generator) / 1024
        self.register_buffer("velocity", velocity.expand(-1, 2, 3).reshape(-1, 3).clone())

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + self.velocity


class Accelerating(Streaming):
    """The last displacement goes on and grows by a hundredth of the velocity: a history started from scratch
    would show.
    """

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + (history[:, -1] - history[:, -2]) + 0.01 * self.velocity


class Messages(Newest):
    """A synthetic network on a fixed list of edges, memory linear in the particles: two rounds of messages
    between every particle and its `degree` successors, displacements to the nearest image, and a small force
    along edges.
    """

    def __init__(self, n_particles: int, degree: int = 6, width: int = 16):
        super().__init__()
        self.latent_size = 3 * n_particles
        sender = torch.arange(n_particles).repeat_interleave(degree)
        receiver = (sender + torch.arange(1, degree + 1).repeat(n_particles)) % n_particles
        self.register_buffer("sender", sender)
        self.register_buffer("receiver", receiver)
        generator = torch.Generator().manual_seed(6)
        self.register_buffer("into", torch.randn(2 * width + 1, width, generator=generator) * 0.2)
        self.register_buffer("out", torch.randn(width, 1, generator=generator) * 0.2)
        self.width = width

    @torch.jit.export
    def condition(
        self, history: Tensor, box: Tensor, lag_time_ps: Tensor, temperature_K: Tensor
    ) -> list[Tensor]:
        return [history[:, -1], box.diagonal(dim1=1, dim2=2)[:, None]]

    @torch.jit.export
    def denoise(self, latent: Tensor, sigma: Tensor, condition: list[Tensor]) -> Tensor:
        newest, box = condition[0], condition[1]
        shifts = latent.unflatten(1, [-1, 3])
        batch, n = shifts.shape[0], shifts.shape[1]
        positions = newest + 0.001 * shifts
        edge = positions[:, self.receiver] - positions[:, self.sender]
        edge = edge - torch.round(edge / box) * box
        length = edge.square().sum(-1, keepdim=True).sqrt()
        node = torch.ones([batch, n, self.width], device=latent.device)
        message = torch.zeros(0)
        for _ in range(2):
            pair = torch.cat([node[:, self.sender], node[:, self.receiver], length], -1)
            message = torch.tanh(pair @ self.into)
            node = node + torch.zeros_like(node).index_add(1, self.receiver, message)
        pull = torch.tanh(message @ self.out) * edge / (0.1 + length)
        noised = shifts / (1 + sigma[:, None, None].square())
        return (noised + 0.01 * torch.zeros_like(shifts).index_add(1, self.receiver, pull)).flatten(1)

    @torch.jit.export
    def advance(self, latent: Tensor, condition: list[Tensor], history: Tensor, box: Tensor) -> Tensor:
        return history[:, -1] + 0.0001 * latent.unflatten(1, [-1, 3])


def save_bulk_program(path, module, n_molecules: int, box: float = BOX, **values) -> str:
    """Write a program for `n_molecules`, with a golden example of its own start."""
    n = 2 * n_molecules
    card = {
        "types": ["C", "O"] * n_molecules,
        "masses_amu": [12.0, 16.0] * n_molecules,
        "atom_names": ["C", "O"] * n_molecules,
        "residue_names": ["CO"] * n,
        "residue_indices": np.repeat(np.arange(n_molecules), 2).tolist(),
        "bonds": np.arange(n).reshape(-1, 2).tolist(),
        "bond_lengths_nm": [BOND] * n_molecules,
        "stereocentres": [],
        "periodic": True,
    }
    frame = torch.from_numpy(start(n_molecules, box))
    return save_program(path, module, make_card(module, frame, torch.eye(3) * box, **(card | values)))
