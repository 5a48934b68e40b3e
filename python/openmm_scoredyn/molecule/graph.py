"""The same molecule under other names: atoms found by elements, bonds and handedness alone."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.geometry import four_bonded, triple_products
from openmm_scoredyn.molecule.particles import Particles, is_element

# Atoms that are tried in all; ten thousand times more than molecules of some hundred atoms need.
MOST_TRIES = 1_000_000


def match_graph(
    found: Particles, expected: Particles, found_nm: np.ndarray, expected_nm: np.ndarray
) -> np.ndarray:
    """Where each particle of `expected` is in `found`, whatever their names are: (N,) int64.

    Types and bonds are the same after it, and so is the handedness of every atom with four neighbours: which
    hydrogen of a CH2, or methyl of an isopropyl group, is which. Of several such ways, as the turns of a
    methyl group are, the one with the names that agree first.

    Parameters
    ----------
    found_nm, expected_nm : (N, 3), a frame of each

    Raises
    ------
    MoleculeError
        If types or bonds differ, or the handedness of an atom.

    Notes
    -----
    Colours of neighbourhoods are refined until they part no more atoms (Morgan 1965; Weisfeiler and Leman
    1968); a search with backtracking then places one atom after the other, hydrogens last.
    """
    colours = _colours(found, expected)
    if Counter(colours[0]) != Counter(colours[1]):
        raise _different(found, expected)
    signs = _Signs(expected, found_nm, expected_nm)
    order = _search(found, expected, colours, signs)
    if order is not None:
        return order
    if _search(found, expected, colours, None) is None:
        raise _different(found, expected)
    raise MoleculeError(
        "Trajectory: the molecules are the same in elements and bonds and differ in handedness; expected one"
        " stereoisomer, found its mirror image or another; give trajectories of one molecule."
    )


def _different(found: Particles, expected: Particles) -> MoleculeError:
    ours, theirs = (
        f"{' '.join(f'{kind}{count}' for kind, count in sorted(Counter(one.types).items()))} with"
        f" {len(one.bonds)} bonds"
        for one in (expected, found)
    )
    found_text = "the same, bonded otherwise" if ours == theirs else theirs
    return MoleculeError(
        f"Trajectory: the molecules differ; expected {ours}, found {found_text}; give trajectories of one"
        " molecule, with a topology that holds all bonds."
    )


def _colours(*molecules: Particles) -> list[list[int]]:
    """A number for each particle, equal where neighbourhoods are, of any size, in all molecules alike."""
    around = [one.neighbours for one in molecules]
    kinds = sorted({kind for one in molecules for kind in one.types})
    colours = [[kinds.index(kind) for kind in one.types] for one in molecules]
    classes = 0
    while len({colour for one in colours for colour in one}) > classes:
        classes = len({colour for one in colours for colour in one})
        keys = [
            [(own[atom], tuple(sorted(own[other] for other in near))) for atom, near in enumerate(neighbours)]
            for own, neighbours in zip(colours, around, strict=True)
        ]
        numbers = {key: number for number, key in enumerate(sorted({key for one in keys for key in one}))}
        colours = [[numbers[key] for key in one] for one in keys]
    return colours


class _Signs:
    """Handedness of both molecules at the atoms with four neighbours."""

    def __init__(self, expected: Particles, found_nm: np.ndarray, expected_nm: np.ndarray):
        self._found = np.asarray(found_nm, dtype=np.float64)
        self._centres = [four for four in four_bonded(expected) if is_element(expected.types[four[0]])]
        centres = np.array(self._centres, dtype=int).reshape(-1, 4)
        self._signs = np.sign(triple_products(np.asarray(expected_nm)[None], centres)[0])

    def by_last(self, place: dict[int, int]) -> dict[int, list[int]]:
        """Numbers of the centres that are known once an atom is placed, for places in the order of work."""
        known: dict[int, list[int]] = {}
        for number, four in enumerate(self._centres):
            known.setdefault(max(four, key=place.__getitem__), []).append(number)
        return known

    def agree(self, number: int, image: np.ndarray) -> bool:
        """Whether a centre of `expected` has the same sign where its atoms are placed."""
        four = image[list(self._centres[number])]
        return np.sign(triple_products(self._found[None], four[None])[0, 0]) == self._signs[number]


class _Step(NamedTuple):
    """An atom to place, and the placed neighbour that leads to it, or None."""

    atom: int
    parent: int | None


def _steps(molecule: Particles, colours: list[int]) -> list[_Step]:
    """All atoms: along bonds, part by part from an atom of a rare colour on; those with one neighbour after
    all others, hydrogens last.
    """
    counts, around = Counter(colours), molecule.neighbours
    inner: list[_Step] = []
    outer: list[_Step] = []
    seen: set[int] = set()
    rank = [(len(near) < 2, counts[colours[atom]], atom) for atom, near in enumerate(around)]
    for start in sorted(range(len(molecule)), key=rank.__getitem__):
        if start in seen:
            continue
        seen.add(start)
        waiting = deque([_Step(start, None)])
        while waiting:
            step = waiting.popleft()
            (outer if step.parent is not None and len(around[step.atom]) == 1 else inner).append(step)
            for other in around[step.atom]:
                if other not in seen:
                    seen.add(other)
                    waiting.append(_Step(other, step.atom))
    return [*inner, *sorted(outer, key=lambda step: molecule.types[step.atom] == "H")]


def _search(found: Particles, expected: Particles, colours, signs: _Signs | None) -> np.ndarray | None:
    """The first way to place all atoms; None where there is none."""
    steps = _steps(expected, colours[1])
    place = {step.atom: number for number, step in enumerate(steps)}
    checks = {} if signs is None else signs.by_last(place)
    ours, theirs = expected.neighbours, [set(near) for near in found.neighbours]
    image, used = np.full(len(expected), -1), set()

    def fits(atom: int, candidate: int) -> bool:
        if candidate in used or colours[0][candidate] != colours[1][atom]:
            return False
        return all(image[other] < 0 or image[other] in theirs[candidate] for other in ours[atom])

    def candidates(step: _Step) -> Iterator[int]:
        pool = range(len(found)) if step.parent is None else sorted(theirs[image[step.parent]])
        alike = sorted(pool, key=lambda other: found.atom_names[other] != expected.atom_names[step.atom])
        return (other for other in alike if fits(step.atom, other))

    tries, stack = 0, [candidates(steps[0])]
    while stack:
        atom = steps[len(stack) - 1].atom
        if image[atom] >= 0:  # another place, for what followed could not be placed
            used.discard(image[atom])
            image[atom] = -1
        candidate = next(stack[-1], None)
        if candidate is None:
            stack.pop()
            continue
        tries += 1
        if tries > MOST_TRIES:
            return None
        image[atom] = candidate
        if signs is not None and not all(signs.agree(number, image) for number in checks.get(atom, ())):
            continue
        used.add(candidate)
        if len(stack) == len(steps):
            return image
        stack.append(candidates(steps[len(stack)]))
    return None
