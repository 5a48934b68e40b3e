"""What makes a card a valid one: types, ranges, lengths, indices, golden triple, version."""

import math
from dataclasses import fields

from openmm_scoredyn.errors import CardError

KINDS = ("denoiser", "transition")
SOLVERS = ("trig_2m", "dpmpp_2m", "heun", "euler_ancestral", "dpmpp_sde")
LATENT_TYPES = ("invariant", "vector")
MATMUL_PRECISIONS = ("highest", "high", "medium")
CHOICES = {
    "kind": KINDS,
    "solver": SOLVERS,
    "latent_type": LATENT_TYPES,
    "matmul_precision": MATMUL_PRECISIONS,
}
POSITIVE = (
    "lag_time_ps",
    "temperature_K",
    "latent_size",
    "history_length",
    "noise_count",
    "sigma_min",
    "sigma_max",
    "sigma_data",
    "denoising_steps",
    "bond_tolerance",
    "max_displacement_nm",
)
PER_ATOM = ("masses_amu", "atom_names", "residue_names", "residue_indices")

# number of values of each part of the golden triple, from (N atoms, H frames, M latent rows, K noises)
GOLDEN_SIZES = {
    "denoiser": {
        "history": lambda n, h, m, k: h * n * 3,
        "box": lambda n, h, m, k: 9,
        "latent": lambda n, h, m, k: m * 3,
        "sigma": lambda n, h, m, k: 1,
        "denoised": lambda n, h, m, k: m * 3,
        "positions": lambda n, h, m, k: n * 3,
    },
    "transition": {
        "history": lambda n, h, m, k: h * n * 3,
        "box": lambda n, h, m, k: 9,
        "noise": lambda n, h, m, k: k * m * 3,
        "positions": lambda n, h, m, k: n * 3,
    },
}


def check_version(version) -> None:
    """Refuse every major version but 1.

    Raises
    ------
    CardError
    """
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise CardError(
            f"Card: the program has another format version; expected 1.x, found {version}; "
            "install the version of openmm-scoredyn that wrote it, or export the model again."
        )


def check_types(card) -> dict:
    """Values of all fields in the types the class declares: ints where ints fit floats, lists made tuples.

    Raises
    ------
    CardError
        If a value has another type.
    """
    return {
        entry.name: _typed(entry.name, str(entry.type), getattr(card, entry.name)) for entry in fields(card)
    }


def _typed(name: str, declared: str, value):
    kinds = {"str": str, "bool": bool, "dict": dict, "int": int, "float": float}
    for word, kind in kinds.items():
        if declared in (word, str(kind)):
            return _scalar(name, kind, value)
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(name, "a list", value)
    depth = declared.count("tuple")
    item = next(kind for word, kind in kinds.items() if word in declared)
    if depth == 1:
        return tuple(_scalar(name, item, entry) for entry in value)
    if not all(isinstance(row, (list, tuple)) for row in value):
        raise _wrong_type(name, "a list of lists", value)
    return tuple(tuple(_scalar(name, item, entry) for entry in row) for row in value)


def _scalar(name: str, kind: type, value):
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong_type(
            name, {str: "text", int: "an integer", float: "a number"}.get(kind, kind.__name__), value
        )
    if kind is float and not math.isfinite(value):
        raise CardError(f"Card: {name} is not finite; expected a finite number, found {value}; correct it.")
    return value


def _wrong_type(name: str, expected: str, value) -> CardError:
    return CardError(
        f"Card: {name} has the wrong type; expected {expected}, found {value!r:.60} ({type(value).__name__});"
        " correct it."
    )


def check_card(card) -> None:
    """Ranges, choices and the agreement of the fields with each other.

    Raises
    ------
    CardError
        With the field, what was expected and what was found.
    """
    check_version(card.format_version)
    for name, known in CHOICES.items():
        _require(getattr(card, name) in known, name, f"one of {', '.join(known)}", repr(getattr(card, name)))
    for solver in card.solvers:
        _require(solver in SOLVERS, "solvers", f"some of {', '.join(SOLVERS)}", repr(solver))
    _require(
        not card.solvers or card.solver in card.solvers,
        "solver",
        f"one of {', '.join(card.solvers)}",
        card.solver,
    )
    for name in POSITIVE:
        _require(getattr(card, name) > 0, name, "a positive number", getattr(card, name))
    _require(card.name.strip() != "", "name", "some text", "none")
    _require(
        card.sigma_max > card.sigma_min, "sigma_max", f"more than sigma_min={card.sigma_min}", card.sigma_max
    )
    _check_atoms(card)
    _check_golden(card)


def _check_atoms(card) -> None:
    atoms = len(card.elements)
    _require(atoms > 0, "elements", "at least one atom", "none")
    for name in PER_ATOM:
        _require(
            len(getattr(card, name)) == atoms,
            name,
            f"{atoms} entries, one per atom",
            len(getattr(card, name)),
        )
    _require(min(card.masses_amu) >= 0, "masses_amu", "masses of at least 0", min(card.masses_amu))
    bonds = len(card.bonds)
    _require(
        len(card.bond_lengths_nm) == bonds,
        "bond_lengths_nm",
        f"{bonds}, one per bond",
        len(card.bond_lengths_nm),
    )
    _require(
        all(r > 0 for r in card.bond_lengths_nm),
        "bond_lengths_nm",
        "positive lengths",
        min(card.bond_lengths_nm, default=0),
    )
    for name, size in (("bonds", 2), ("chiral_centres", 4)):
        for row in getattr(card, name):
            distinct = len(row) == size == len(set(row)) and all(0 <= i < atoms for i in row)
            _require(distinct, name, f"{size} different atom indices below {atoms} in each entry", list(row))


def _check_golden(card) -> None:
    sizes = GOLDEN_SIZES[card.kind]
    for name, values in card.golden.items():
        _require(name in sizes, "golden", f"only {', '.join(sizes)}", name)
        expected = sizes[name](len(card.elements), card.history_length, card.latent_size, card.noise_count)
        numbers = [values] if name == "sigma" else values
        flat = isinstance(numbers, (list, tuple)) and all(isinstance(x, (int, float)) for x in numbers)
        found = len(numbers) if flat else type(values).__name__
        _require(flat and len(numbers) == expected, f"golden {name}", f"{expected} numbers, flat", found)
        _require(
            all(math.isfinite(x) for x in numbers), f"golden {name}", "finite numbers", "NaN or infinity"
        )


def _require(condition: bool, name: str, expected: str, found) -> None:
    if not condition:
        raise CardError(f"Card: {name} is not valid; expected {expected}, found {found}; correct it.")
