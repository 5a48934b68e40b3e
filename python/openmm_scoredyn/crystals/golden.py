"""Golden examples of a denoiser: what the network gave at export, and must give where it is loaded."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.errors import CardError, ProgramError
from openmm_scoredyn.program.precision import full_precision

PARTS = ("separations", "neighbours", "present", "kinds")
# Of displacements in nearest-neighbour distances, so 1e-5 of a lattice spacing.
TOLERANCE = 1e-5
# Noise per coordinate of the examples, in nearest-neighbour distances: cold, hot, molten.
NOISE_LEVELS = (0.01, 0.08, 0.2)
_REACH = 1.5
# In nearest-neighbour distances; what is larger is no golden example, and NaN neither.
_LARGEST = 1e6


def make_examples(species: int) -> list[tuple[Tensor, ...]]:
    """Arguments of the network: pieces of two lattices, each at `NOISE_LEVELS`, kinds at random."""
    generator = np.random.default_rng(11)
    shapes = (_piece("fcc"), _piece("bcc"))
    return [_example(shape, level, species, generator) for shape, level in product(shapes, NOISE_LEVELS)]


def _piece(lattice: str) -> np.ndarray:
    """A cube of a lattice (N, 3) with all its corners, in nearest-neighbour distances."""
    grid = np.array(list(product(range(3), repeat=3)))
    if lattice == "fcc":
        return grid[grid.sum(axis=1) % 2 == 0] / 2**0.5
    return grid[np.ptp(grid % 2, axis=1) == 0] / 3**0.5


def _example(shape: np.ndarray, level: float, species: int, generator) -> tuple[Tensor, ...]:
    positions = shape + level * generator.normal(size=shape.shape)
    vectors = positions[None] - positions[:, None]
    near = np.linalg.norm(vectors, axis=-1) < _REACH
    np.fill_diagonal(near, False)
    order = np.argsort(~near, axis=1, kind="stable")[:, : near.sum(axis=1).max()]
    present = np.take_along_axis(near, order, axis=1)
    rows = np.take_along_axis(vectors, order[:, :, None], axis=1) * present[:, :, None]
    return (
        torch.tensor(rows, dtype=torch.float32),
        torch.tensor(order),
        torch.tensor(present, dtype=torch.float32),
        torch.tensor(generator.integers(0, species, len(positions))),
    )


def as_golden(example: tuple[Tensor, ...], displacements: Tensor) -> dict[str, list]:
    """Arguments of the network and its answer (N, 3), as the card keeps them: flat lists, K apart."""
    values = dict(zip((*PARTS, "displacements"), (*example, displacements)))
    return {key: value.flatten().tolist() for key, value in values.items()}


def check_golden(program, card: DenoiserCard) -> None:
    """Refuse a program that does not reproduce the golden examples of its card.

    Raises
    ------
    CardError
        If the card holds no complete golden example.
    ProgramError
        If the program fails or gives another answer.
    """
    if not card.golden:
        raise CardError("Card: golden is empty; expected an example, found none; export the model again.")
    for number, golden in enumerate(card.golden):
        arguments, expected = _read(golden, number, card)
        try:
            with torch.no_grad(), full_precision():
                found = program(*arguments)
            difference = float((found - expected).abs().max())
        except Exception as error:  # noqa: BLE001 - what TorchScript raises is of no special kind
            raise ProgramError(
                f"CrystalDenoiser: {card.name} fails on golden example {number}; expected displacements,"
                f" found {' '.join(str(error).split())[-120:]}; export the model again."
            ) from None
        if not difference < 10 * TOLERANCE:
            raise ProgramError(
                f"CrystalDenoiser: {card.name} does not compute here what it computed where it was exported;"
                f" expected differences below {10 * TOLERANCE:g}, found {difference:.2g} in golden example"
                f" {number}; install torch {card.torch_version}."
            )


def _read(golden: dict, number: int, card: DenoiserCard) -> tuple[list[Tensor], Tensor]:
    """Arguments and answer of a golden example of the card; raises CardError if it is not one."""
    needed = (*PARTS, "displacements")
    try:
        lists = {part: [float(value) for value in golden[part]] for part in needed}
        n = len(lists["kinds"])
        width = len(lists["neighbours"]) // n
        sizes = {"separations": 3 * n * width, "neighbours": n * width, "present": n * width}
        sizes |= {"displacements": 3 * n, "kinds": n}
        whole = all(len(lists[part]) == size for part, size in sizes.items())
        finite = all(abs(value) < _LARGEST for values in lists.values() for value in values)
        valid = whole and finite and all(0 <= index < n for index in lists["neighbours"])
        valid = valid and all(0 <= kind < max(1, len(card.elements)) for kind in lists["kinds"])
    except (KeyError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        valid = False
    if not valid:
        raise CardError(
            f"Card: golden example {number} is not complete; expected finite numbers for {', '.join(needed)},"
            f" found {', '.join(golden) or 'nothing'}; export the model again."
        )
    shapes = {"separations": (n, width, 3), "neighbours": (n, width), "present": (n, width)}
    types = {"neighbours": torch.int64, "kinds": torch.int64}
    arguments = [
        torch.tensor(lists[part], dtype=types.get(part, torch.float32)).reshape(shapes.get(part, (n,)))
        for part in PARTS
    ]
    return arguments, torch.tensor(lists["displacements"], dtype=torch.float32).reshape(n, 3)
