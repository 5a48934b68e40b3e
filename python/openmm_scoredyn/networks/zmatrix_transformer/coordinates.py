"""Internal coordinates of any bonded molecule as classes that molecules share: what is fitted to the classes
of some molecules serves another one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.known import environment
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates
from openmm_scoredyn.networks.molecule_frame.zmatrix import build_zmatrix

LENGTH, ANGLE, DIHEDRAL = 0, 1, 2
MOVES = 1e-5  # nm or rad; what spreads less is held by a constraint and is not diffused


@dataclass(frozen=True)
class CoordinateTable:
    """The 3 N - 6 internal coordinates of one molecule, in the order of `InternalCoordinates`.

    Attributes
    ----------
    classes : tuple of str, (C,), such as "length C4-H1"
    row, part : (C,) int, the row of the Z-matrix and which of its three numbers
    soft : (C,) bool
        Dihedrals that turn: the first child of an atom, against atoms beyond the bond. Their change is
        described as displacement, all others as deviation from the mean of their class.
    signed : (C,) bool
        Dihedrals between atoms at one centre, whose sign says which way round the names run. It stays what
        it is, so deviations are counted towards larger size.
    """

    classes: tuple[str, ...]
    row: np.ndarray
    part: np.ndarray
    soft: np.ndarray
    signed: np.ndarray


def coordinate_table(particles: Particles) -> CoordinateTable:
    """The classes of the internal coordinates of a molecule.

    Raises
    ------
    MoleculeError
        If it has fewer than four particles, or bonds do not connect them all.
    """
    zmatrix, names, near = build_zmatrix(particles), environment(particles), particles.neighbours
    entries = []
    for row, (atom, parent, _, _) in enumerate(zmatrix.rows):
        entries.append((_class("length", (atom, parent), names), row, LENGTH, False, False))
    for row, (atom, parent, grandparent, _) in enumerate(zmatrix.rows[1:], start=1):
        entries.append((_class("angle", (atom, parent, grandparent), names), row, ANGLE, False, False))
    for row, (atom, parent, grandparent, reference) in enumerate(zmatrix.rows[2:], start=2):
        first = zmatrix.sibling[row]
        other = zmatrix.rows[first][0] if first >= 0 else reference
        at_one_centre = first >= 0 or reference in near[parent]
        atoms = (atom, parent, other) if at_one_centre else (parent, grandparent)
        kind = "improper" if at_one_centre else "torsion"
        entries.append((_class(kind, atoms, names), row, DIHEDRAL, not at_one_centre, at_one_centre))
    classes, *columns = zip(*entries)
    return CoordinateTable(tuple(classes), *(np.array(column) for column in columns))


def _class(kind: str, atoms: tuple[int, ...], names: tuple[str, ...]) -> str:
    words = tuple(names[atom] for atom in atoms)
    return f"{kind} {'-'.join(min(words, words[::-1]))}"


@dataclass(frozen=True)
class ClassScales:
    """Fitted numbers of each class, by name: mean and standard deviation; nm or rad."""

    mean: dict[str, float]
    spread: dict[str, float]


def fit_classes(parts: list[tuple[Particles, Tensor, Tensor]]) -> ClassScales:
    """Fit on pairs one lag time apart of several molecules: particles, before and after (P, N, 3), nm.

    Raises
    ------
    MoleculeError
        As `coordinate_table`.
    """
    found: dict[str, list[Tensor]] = {}
    for particles, before, after in parts:
        table = coordinate_table(particles)
        measure = InternalCoordinates(particles)
        held = _constrained_lengths_nm(particles)
        old, new = measure(before).double(), measure(after).double()
        for k, name in enumerate(table.classes):
            value = new[:, k]
            if table.soft[k]:
                turn = new[:, k] - old[:, k]
                value = torch.remainder(turn + torch.pi, 2 * torch.pi) - torch.pi
            elif table.signed[k]:
                value = torch.remainder(torch.sign(old[:, k]) * new[:, k], 2 * torch.pi)
            elif k in held:
                value = torch.full_like(value, held[k])
            found.setdefault(name, []).append(value)
    joined = {name: torch.cat(values) for name, values in sorted(found.items())}
    soft = {name for name in joined if name.startswith("torsion")}
    return ClassScales(
        {name: 0.0 if name in soft else float(value.mean()) for name, value in joined.items()},
        {name: float(value.std()) for name, value in joined.items()},
    )


def _constrained_lengths_nm(particles: Particles) -> dict[int, float]:
    """Of coordinates that are lengths of constrained bonds, by number: what data show of them is rounding."""
    if particles.force_field is None:
        return {}
    held = {frozenset(map(int, term[:2])): term[2] for term in particles.force_field.constraints}
    rows = build_zmatrix(particles).rows  # coordinate k is the length of row k
    return {k: held[ends] for k, row in enumerate(rows) if (ends := frozenset(row[:2])) in held}


def require_known(particles: Particles, known) -> CoordinateTable:
    """The coordinates of a molecule, each of a class in `known`.

    Raises
    ------
    MoleculeError
        If one is not.
    """
    table = coordinate_table(particles)
    for entry in table.classes:
        if entry not in known:
            kind, words = entry.split(" ")
            same = ", ".join(sorted(other.split(" ")[1] for other in known if other.startswith(kind)))
            raise MoleculeError(
                f"bind: the model never saw the {kind} {words}; expected one of {same or 'none'}; use a model"
                " that was trained on such molecules."
            )
    return table
