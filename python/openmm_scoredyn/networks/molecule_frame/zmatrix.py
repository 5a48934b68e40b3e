"""The tree of internal coordinates of one molecule: who is placed after whom, and against which atoms."""

from dataclasses import dataclass
from functools import partial

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import surroundings


@dataclass(frozen=True)
class ZMatrix:
    """One row per atom but the root, in order of placement.

    Attributes
    ----------
    root : int
        Central atom; its first two neighbours (the atoms of rows 0 and 1) span the molecule's own frame.
    rows : tuple of (atom, parent, grandparent, reference)
        Bond atom-parent, angle atom-parent-grandparent, dihedral atom-parent-grandparent-reference.
        For a row that follows a sibling, `reference` is that of the sibling.
    sibling : tuple of int
        Row of the first child of the same parent, or -1 when the row is that first child. A sibling's
        dihedral is stored relative to the first child's, which parts the stiff from the soft.
    levels : tuple of int
        Row offsets of the tree's levels: rows levels[i]..levels[i+1] only need rows before levels[i].
    """

    root: int
    rows: tuple[tuple[int, int, int, int], ...]
    sibling: tuple[int, ...]
    levels: tuple[int, ...]


@dataclass(frozen=True)
class FrameTree:
    """How the frames that atoms are placed in follow from one another.

    Attributes
    ----------
    inner : tuple of int
        Rows of the Z-matrix whose atoms others hang on. Frame 0 is the root's, frame k + 1 that of the atom
        of row inner[k].
    frame : tuple of int
        For every row, the frame of the parent.
    depths : list of int
        Offsets in `inner` of each distance from the root: rows of one distance only need frames of the one
        before.
    path : tuple of tuple of float, (N, N-1)
        1 where the bond of a row is on the way from the root to an atom.
    """

    inner: tuple[int, ...]
    frame: tuple[int, ...]
    depths: list[int]
    path: tuple[tuple[float, ...], ...]


def frame_tree(zmatrix: ZMatrix) -> FrameTree:
    """The frames of a Z-matrix."""
    parents = {row[1] for row in zmatrix.rows}
    inner = [i for i, row in enumerate(zmatrix.rows) if row[0] in parents]
    number = {zmatrix.root: 0} | {zmatrix.rows[i][0]: k + 1 for k, i in enumerate(inner)}
    way: dict[int, tuple[int, ...]] = {zmatrix.root: ()}  # rows from the root to an atom
    for i, row in enumerate(zmatrix.rows):
        way[row[0]] = (*way[row[1]], i)
    depth = [len(way[zmatrix.rows[i][0]]) for i in inner]
    depths = [k for k in range(len(inner)) if k == 0 or depth[k] != depth[k - 1]] + [len(inner)]
    path = tuple(tuple(float(i in way[atom]) for i in range(len(zmatrix.rows))) for atom in range(len(way)))
    return FrameTree(tuple(inner), tuple(number[row[1]] for row in zmatrix.rows), depths, path)


def build_zmatrix(molecule: Particles, root: int | None = None) -> ZMatrix:
    """Breadth-first tree over the bonds, from an atom of several bonds; without one, from the most central.

    Of the children of an atom, the first leads the others. From the centre it is that with the largest
    branch, so that the main chain leads. From a given root it is told by its own neighbours, so that a
    residue is described alike in chains of any length; those with further bonds come first, and among equals
    the largest branch.

    Raises
    ------
    MoleculeError
        If the molecule has fewer than four atoms or falls into several parts.
    """
    neighbours = _neighbours(molecule, by_size=root is None)
    if root is None:
        root = min(inner_atoms(molecule), key=lambda i: (_depth(neighbours, i), i))
    first, second = neighbours[root][:2]
    rows = [(first, root, second, second), (second, root, first, first)]
    sibling = [-1, -1]
    rows += [(atom, root, first, second) for atom in neighbours[root][2:]]
    sibling += [-1] * len(neighbours[root][2:])
    levels = [0, 2, len(rows)] if len(rows) > 2 else [0, 2]
    parent = {root: -1} | {row[0]: root for row in rows}
    frontier = [row[0] for row in rows]
    while frontier:
        for atom in frontier:
            children = [n for n in neighbours[atom] if n not in parent]
            for k, child in enumerate(children):
                sibling.append(-1 if k == 0 else len(rows) - k)
                rows.append((child, atom, parent[atom], _reference(atom, parent, root, first, second)))
                parent[child] = atom
        frontier = [row[0] for row in rows[levels[-1] :]]
        levels.append(len(rows))
    return ZMatrix(root, tuple(rows), tuple(sibling), tuple(levels[:-1]))


def inner_atoms(molecule: Particles) -> list[int]:
    """Atoms with several bonds, ascending: each may be the root of a tree."""
    return [atom for atom, bonded in enumerate(molecule.neighbours) if len(bonded) > 1]


def _reference(atom: int, parent: dict[int, int], root: int, first: int, second: int) -> int:
    """Fourth atom of the dihedral of `atom`'s children: beyond the grandparent, on the path to the root."""
    grandparent = parent[atom]
    if grandparent != root:
        return parent[grandparent]
    return second if atom == first else first


def _neighbours(molecule: Particles, by_size: bool) -> list[list[int]]:
    """Bonded atoms of each atom in the order of their rows: the largest branch first, or by what they are."""
    found, names = molecule.neighbours, surroundings(molecule, 1)

    def rank(atom: int, parent: int) -> tuple:
        what = () if by_size else (len(found[atom]) == 1, names[atom])
        return *what, -_branch_size(found, atom, parent), atom

    ordered = [sorted(atoms, key=partial(rank, parent=i)) for i, atoms in enumerate(found)]
    if len(molecule) < 4:
        raise MoleculeError(
            f"ZMatrix: internal coordinates need at least 4 atoms, found {len(molecule)}; use the"
            " message-passing network."
        )
    if _depth(ordered, 0) < 0:
        raise MoleculeError(
            "ZMatrix: expected one molecule whose bonds connect all atoms, found several parts; "
            "complete the bond list, or use the message-passing network."
        )
    return ordered


def _branch_size(neighbours: list[list[int]], start: int, cut: int) -> int:
    """Number of atoms that `start` reaches without passing through `cut`."""
    seen, frontier = {cut, start}, {start}
    while frontier:
        frontier = {n for atom in frontier for n in neighbours[atom]} - seen
        seen |= frontier
    return len(seen) - 1


def _depth(neighbours: list[list[int]], start: int) -> int:
    """Greatest number of bonds from `start` to any atom; -1 if some atom is out of reach."""
    seen, frontier, depth = {start}, [start], -1
    while frontier:
        depth += 1
        frontier = list({n for atom in frontier for n in neighbours[atom]} - seen)
        seen.update(frontier)
    return depth if len(seen) == len(neighbours) else -1
