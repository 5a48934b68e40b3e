"""What a bead is made of, as the type of a particle: "B1x2.S1x3" for two particles B1 and three S1."""

import re
from collections import Counter
from collections.abc import Iterable

from openmm_scoredyn.errors import MoleculeError

_PART = re.compile(r"([A-Za-z][A-Za-z0-9+-]*?)x([1-9][0-9]*)")


def composition_name(types: Iterable[str]) -> str:
    """The type of a bead made of particles of these types, whose order does not matter.

    Raises
    ------
    MoleculeError
        If a type cannot be part of such a name.
    """
    parts = [f"{kind}x{number}" for kind, number in sorted(Counter(types).items())]
    for part in parts:
        if not _PART.fullmatch(part):
            raise MoleculeError(
                f"coarse: a particle type cannot be part of the name of a bead; expected letters, digits, +"
                f" and -, a letter first, found {part.rpartition('x')[0]!r}; rename it."
            )
    return ".".join(parts)


def composition(bead_type: str) -> dict[str, int]:
    """Number of particles of each type in a bead; the inverse of `composition_name`.

    Raises
    ------
    MoleculeError
        If it is no such name.
    """
    parts = [_PART.fullmatch(part) for part in bead_type.split(".")]
    found = {match[1]: int(match[2]) for match in parts if match}
    if len(found) != len(parts):
        raise MoleculeError(
            f"coarse: {bead_type!r} does not say what a bead is made of; expected particle types and numbers"
            " such as B1x2.S1x3, as openmm_scoredyn.coarse.Mapping names beads; make the topology with a"
            " Mapping."
        )
    return found


def is_group(particle_type: str) -> bool:
    """Whether a type is that of a bead that stands for several particles."""
    parts = [_PART.fullmatch(part) for part in particle_type.split(".")]
    return all(parts) and sum(int(match[2]) for match in parts if match) > 1
