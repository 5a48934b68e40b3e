"""The golden output of a denoiser: what the network gave where it was exported, and must give where it is
loaded.
"""

import numpy as np
import torch

from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.program.precision import full_precision

PARTS = ("separations", "neighbours", "present", "kinds")
# Of displacements in nearest-neighbour distances, so 1e-5 of a lattice spacing.
TOLERANCE = 1e-5


def make_example(species: int, n_atoms: int = 6, width: int = 5) -> tuple[torch.Tensor, ...]:
    """Arguments of the network: a few atoms with neighbours anywhere, one row not full."""
    generator = np.random.default_rng(11)
    vectors = generator.normal(size=(n_atoms, width, 3))
    vectors *= generator.uniform(0.8, 1.4, (n_atoms, width, 1)) / np.linalg.norm(
        vectors, axis=-1, keepdims=True
    )
    present = np.ones((n_atoms, width))
    present[-1, -2:] = 0
    vectors[present == 0] = 0
    return (
        torch.tensor(vectors, dtype=torch.float32),
        torch.tensor(generator.integers(0, n_atoms, (n_atoms, width))),
        torch.tensor(present, dtype=torch.float32),
        torch.tensor(generator.integers(0, species, n_atoms)),
    )


def as_golden(example: tuple[torch.Tensor, ...], displacements: torch.Tensor) -> dict[str, list]:
    """Arguments of the network, as `make_example` gives them, and its answer (N, 3), as the card keeps them:
    flat lists.
    """
    values = dict(zip((*PARTS, "displacements"), (*example, displacements)))
    return {key: value.flatten().tolist() for key, value in values.items()}


def check_golden(program, card: DenoiserCard) -> None:
    """Refuse a program that does not reproduce the golden output of its card.

    Raises
    ------
    CardError
        If the card holds no complete golden output.
    ProgramError
        If the program gives another one.
    """
    golden = card.golden
    needed = (*PARTS, "displacements")
    if not all(part in golden for part in needed):
        raise CardError(
            f"Card: golden is not complete; expected {', '.join(needed)}, found"
            f" {', '.join(golden) or 'nothing'}; export the model again."
        )
    try:
        n_atoms = len(golden["kinds"])
        shapes = {"separations": (n_atoms, -1, 3), "neighbours": (n_atoms, -1), "present": (n_atoms, -1)}
        arguments = [torch.tensor(golden[part]).reshape(shapes.get(part, (n_atoms,))) for part in PARTS]
        with torch.no_grad(), full_precision():
            found = program(*arguments)
        difference = float((found - torch.tensor(golden["displacements"]).reshape(n_atoms, 3)).abs().max())
    except Exception as error:  # torch raises many kinds for numbers that do not fit
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ProgramError(
            f"CrystalDenoiser: {card.name} cannot be run on the golden input of its card; expected the"
            f" displacements it holds, found {type(error).__name__}: {reason}; export the model again."
        ) from error
    if not difference < 10 * TOLERANCE:
        raise ProgramError(
            f"CrystalDenoiser: {card.name} does not compute here what it computed where it was exported;"
            f" expected differences below {10 * TOLERANCE:g}, found {difference:.2g}; install torch"
            f" {card.torch_version}."
        )
