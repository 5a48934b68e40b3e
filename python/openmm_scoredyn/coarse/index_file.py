"""Index files of GROMACS (`.ndx`): named groups of particle numbers, counted from 1."""

import re
from pathlib import Path

from openmm_scoredyn.errors import MoleculeError

_HEAD = re.compile(r"\[\s*(\S.*?)\s*\]")


def read_index_file(path: Path) -> list[tuple[str, list[int]]]:
    """Name and numbers of each group, in the order of the file.

    Raises
    ------
    MoleculeError
        If it cannot be read, holds no group, an empty one or a word that is no number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MoleculeError(
            f"Mapping: cannot read {path} ({error}); expected an index file of GROMACS; check the path."
        ) from None
    groups: list[tuple[str, list[int]]] = []
    for number, line in enumerate(lines, start=1):
        content = line.partition(";")[0].strip()
        head = _HEAD.fullmatch(content)
        if head:
            groups.append((head[1], []))
        elif content:
            words = content.split()
            if not groups or not all(word.isascii() and word.isdecimal() for word in words):
                raise MoleculeError(
                    f"Mapping: line {number} of {path} is no part of an index file; expected [ name ] and"
                    f" below it numbers of particles, found {content[:60]!r}; correct it."
                )
            groups[-1][1].extend(map(int, words))
    empty = next((name for name, numbers in groups if not numbers), None)
    if not groups or empty is not None:
        raise MoleculeError(
            f"Mapping: {path} holds {'no group' if not groups else f'the empty group {empty!r}'}; expected"
            " groups of one particle or more, each below its [ name ]; correct it."
        )
    return groups
