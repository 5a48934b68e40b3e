"""Arguments of `denoise`, checked."""

import numpy as np

from openmm_scoredyn.crystals.card import DenoiserCard
from openmm_scoredyn.errors import DenoisingError

MAX_ITERATIONS = 100


def checked_iterations(value) -> int:
    """Number of iterations; raises DenoisingError if it is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= int(value) <= MAX_ITERATIONS:
        raise DenoisingError(
            f"denoise: the number of iterations is not valid; expected an integer from 1 to {MAX_ITERATIONS},"
            f" found {value!r}; leave it out to stop when atoms settle."
        )
    return int(value)


def checked_spacing(value) -> float | None:
    """Nearest-neighbour distance or None; raises DenoisingError if it is no length."""
    if value is not None and not (np.isscalar(value) and np.isfinite(value) and value > 0):
        raise DenoisingError(
            "denoise: the nearest-neighbour distance is not valid; expected a positive number of nm, found "
            f"{value!r}; leave it out to measure it."
        )
    return value


def as_mask(selection, n_atoms: int) -> np.ndarray:
    """Truth values (N,) of a selection, all true for None; raises DenoisingError if it does not fit, or holds
    no atom.
    """
    mask = np.ones(n_atoms, dtype=bool)
    if selection is None:
        return mask
    chosen = np.asarray(selection)
    truths = chosen.dtype == bool and chosen.shape == (n_atoms,)
    if chosen.size == 0 or (truths and not chosen.any()):
        raise DenoisingError(
            "denoise: the selection is empty; expected at least one atom, found none; leave it out to denoise"
            " all atoms."
        )
    if truths:
        return chosen
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= n_atoms:
        raise DenoisingError(
            f"denoise: the selection does not fit; expected {n_atoms} truth values or indices from 0 to"
            f" {n_atoms - 1}, found {chosen.dtype} of shape {chosen.shape}; correct it."
        )
    mask[:] = False
    mask[chosen] = True
    return mask


def as_kinds(elements, n_atoms: int, card: DenoiserCard) -> np.ndarray:
    """Species (N,) int64 of chemical symbols, in the numbers of the model; zeros where all atoms are alike to
    it.

    Raises
    ------
    DenoisingError
        If the model needs symbols and there is not one per atom, or it does not know one of them.
    """
    known = card.elements
    if not known:
        return np.zeros(n_atoms, dtype=np.int64)
    if elements is None or len(elements) != n_atoms:
        raise DenoisingError(
            f"denoise: the model {card.name} tells elements apart; expected {n_atoms} chemical symbols, found"
            f" {'none' if elements is None else len(elements)}; give elements=."
        )
    unknown = sorted(set(elements) - set(known))
    if unknown:
        raise DenoisingError(
            f"denoise: the model {card.name} does not know {', '.join(unknown)}; expected atoms of "
            f"{', '.join(known)} only; train a model for this crystal."
        )
    return np.array([known.index(element) for element in elements], dtype=np.int64)
