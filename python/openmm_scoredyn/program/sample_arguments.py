"""The arguments of `ScoreModel.sample`, checked; every function raises SamplingError and returns what the
core takes.
"""

import numpy as np

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.program.card import Card

MAX_SEED = 2**31 - 1


def as_integer(name: str, value, low: int, high: int = 2**31 - 1) -> int:
    """An integer argument within its range."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise SamplingError(
            f"ScoreModel.sample: {name} is not valid; expected an integer from {low} to {high}, found"
            f" {value!r}; correct it."
        )
    return int(value)


def as_solver(name) -> str:
    """A solver of the core by name."""
    from openmm_scoredyn.program.native import scoredyn

    known = scoredyn.solver_methods()
    if name not in known:
        raise SamplingError(
            f"ScoreModel.sample: unknown solver; expected one of {', '.join(known)}, found {name!r};"
            " correct it."
        )
    return name


def as_sampling_options(model, given: dict) -> dict[str, str | int]:
    """Solver and numbers by which steps are drawn: those given, and for None what the model recommends."""
    solver = given.get("solver")
    options: dict[str, str | int] = {}
    options["solver"] = as_solver(model.card.capabilities.solver if solver is None else solver)
    for name, (usual, least, most) in model.program.sampling_ranges.items():
        value = given.get(name)
        options[name] = as_integer(name, usual if value is None else value, least, most)
    return options


def as_history(positions, card: Card) -> np.ndarray:
    """Positions as contiguous (B, H, N, 3) float32."""
    dtype = str(getattr(positions, "dtype", type(positions).__name__)).removeprefix("torch.")
    if dtype not in ("float32", "float64"):
        raise SamplingError(
            "ScoreModel.sample: positions are of the wrong type; expected a NumPy array or torch tensor of"
            f" float32 or float64, nm, found {dtype}; convert them."
        )
    array = positions if isinstance(positions, np.ndarray) else positions.detach().cpu().numpy()
    if array.ndim == 3 and card.capabilities.history_length == 1:
        array = array[:, None]
    expected = (card.capabilities.history_length, card.num_particles, 3)
    if array.ndim != 4 or array.shape[1:] != expected or len(array) == 0:
        raise SamplingError(
            "ScoreModel.sample: positions have the wrong shape; expected (B,"
            f" {', '.join(map(str, expected))})"
            f" nm{' or (B, N, 3)' if card.capabilities.history_length == 1 else ', newest frame last'}, found"
            f" {tuple(positions.shape)}; give one history per replica in the order of model.card.particles."
        )
    if not np.isfinite(array).all():
        replica, _, atom, _ = np.argwhere(~np.isfinite(array))[0]
        raise SamplingError(
            "ScoreModel.sample: positions are not finite; expected finite numbers, found"
            f" {array[replica, :, atom].ravel().tolist()} at replica {replica}, atom {atom}; correct the"
            " input."
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def as_number(name: str, value, default: float) -> float:
    """A positive number, or the default."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value > 0:
        raise SamplingError(
            f"ScoreModel.sample: {name} is not valid; expected a positive number, found {value!r};"
            " correct it."
        )
    return float(value)


def as_box(box, card: Card, replicas: int) -> np.ndarray:
    """Box vectors (B, 3, 3) float32; zeros for a model that is not periodic."""
    periodic = card.capabilities.periodic
    if (box is not None) != periodic:
        raise SamplingError(
            f"ScoreModel.sample: the model is {'' if periodic else 'not '}periodic; expected "
            f"{'box=(3, 3) nm' if periodic else 'no box'}, found {'none' if box is None else 'one'}; "
            f"{'give' if periodic else 'leave out'} the box."
        )
    array = np.zeros((3, 3), np.float32) if box is None else np.array(box, dtype=np.float32)
    if array.shape not in ((3, 3), (replicas, 3, 3)) or not np.isfinite(array).all():
        raise SamplingError(
            f"ScoreModel.sample: the box is not valid; expected finite (3, 3) or ({replicas}, 3, 3) nm, found"
            f" {array.tolist()}; correct it."
        )
    return np.ascontiguousarray(np.broadcast_to(array, (replicas, 3, 3)))
