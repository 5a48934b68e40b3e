"""Internal coordinates of any bonded molecule as classes that molecules share: what is fitted to the classes
of some molecules serves another one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.networks.examples import Examples
from openmm_scoredyn.networks.known import environment, surroundings
from openmm_scoredyn.networks.molecule_frame.internal_coordinates import InternalCoordinates, wrap
from openmm_scoredyn.networks.molecule_frame.lags import KNOTS, growth_of
from openmm_scoredyn.networks.molecule_frame.zmatrix import ZMatrix, build_zmatrix, inner_atoms

LENGTH, ANGLE, DIHEDRAL = 0, 1, 2
MOVES = 1e-5  # nm or rad; what spreads less is held by a constraint and is not diffused


@dataclass(frozen=True)
class CoordinateTable:
    """The 3 N - 6 internal coordinates of one molecule, in the order of `InternalCoordinates`.

    Attributes
    ----------
    classes : tuple of str, (C,), such as "length C4-H1"
    finer : tuple of str, (C,)
        The same with the neighbours of each particle, such as "length C4(C4 H1 H1 H1)-H1(C4)".
    row, part : (C,) int, the row of the Z-matrix and which of its three numbers
    soft : (C,) bool
        Dihedrals that turn: the first child of an atom, against atoms beyond the bond. Their change is
        described as displacement, all others as deviation from the mean of their class.
    signed : (C,) bool
        Dihedrals between atoms at one centre, whose sign says which way round the names run. It stays what
        it is, so deviations are counted towards larger size.
    """

    classes: tuple[str, ...]
    finer: tuple[str, ...]
    row: np.ndarray
    part: np.ndarray
    soft: np.ndarray
    signed: np.ndarray


def coordinate_table(particles: Particles, zmatrix: ZMatrix) -> CoordinateTable:
    """The classes of the internal coordinates of a molecule."""
    near = particles.neighbours
    entries: list[tuple] = []
    for row, (atom, parent, _, _) in enumerate(zmatrix.rows):
        entries.append(("length", (atom, parent), row, LENGTH, False, False))
    for row, (atom, parent, grandparent, _) in enumerate(zmatrix.rows[1:], start=1):
        entries.append(("angle", (atom, parent, grandparent), row, ANGLE, False, False))
    for row, (atom, parent, grandparent, reference) in enumerate(zmatrix.rows[2:], start=2):
        first = zmatrix.sibling[row]
        other = zmatrix.rows[first][0] if first >= 0 else reference
        at_one_centre = first >= 0 or reference in near[parent]
        atoms = (atom, parent, other) if at_one_centre else (parent, grandparent)
        kind = "improper" if at_one_centre else "torsion"
        entries.append((kind, atoms, row, DIHEDRAL, not at_one_centre, at_one_centre))
    kinds, members, *columns = zip(*entries)
    classes, finer = (
        tuple(_class(kind, atoms, names) for kind, atoms in zip(kinds, members))
        for names in (environment(particles), surroundings(particles, 1))
    )
    return CoordinateTable(classes, finer, *(np.array(column) for column in columns))


def _class(kind: str, atoms: tuple[int, ...], names: tuple[str, ...]) -> str:
    words = tuple(names[atom] for atom in atoms)
    return f"{kind} {'-'.join(min(words, words[::-1]))}"


@dataclass(frozen=True)
class ClassScales:
    """Fitted numbers of each class, by name, of the coarse classes and of the finer ones.

    Attributes
    ----------
    mean, spread : mean and standard deviation; nm or rad
    growth : (KNOTS,), as `LagRange.growth`; empty for a model of one lag time
    """

    mean: dict[str, float]
    spread: dict[str, float]
    growth: dict[str, list[float]]

    def of(self, table: CoordinateTable) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and spread (C,) of the coordinates of a molecule, and growth (KNOTS, C): of the finer class
        where it is known.
        """
        names = [fine if fine in self.mean else own for own, fine in zip(table.classes, table.finer)]
        growth = [self.growth.get(name, [1.0] * KNOTS) for name in names]
        return (
            torch.tensor([self.mean[name] for name in names]),
            torch.tensor([self.spread[name] for name in names]),
            torch.tensor(growth).T.contiguous(),
        )


def fit_classes(parts: list[Examples], zmatrices: list[ZMatrix]) -> ClassScales:
    """Fit on the examples of several molecules."""
    found: dict[str, list[Tensor]] = {}
    lags: dict[str, list[Tensor]] = {}
    for part, zmatrix in zip(parts, zmatrices, strict=True):
        table = coordinate_table(part.particles, zmatrix)
        values = _measured(part, zmatrix, table)
        for names in (table.classes, table.finer):
            for k, name in enumerate(names):
                found.setdefault(name, []).append(values[:, k])
                lags.setdefault(name, []).append(part.lag_time_ps)
    joined = {name: torch.cat(values) for name, values in sorted(found.items())}
    soft = {name for name in joined if name.startswith("torsion")}
    every = torch.cat([part.lag_time_ps for part in parts])
    ends = torch.stack([every.min(), every.max()])
    growth = {
        name: growth_of(joined[name][:, None] ** 2, torch.cat(lags[name]), ends)[:, 0].tolist()
        for name in (sorted(soft) if ends[0] < ends[1] else ())
    }
    return ClassScales(
        {name: 0.0 if name in soft else float(value.mean()) for name, value in joined.items()},
        {name: float(value.std()) for name, value in joined.items()},
        growth,
    )


def _measured(part: Examples, zmatrix: ZMatrix, table: CoordinateTable) -> Tensor:
    """What the classes are fitted to (P, C): changes of what turns, all else as it is after the lag time."""
    measure = InternalCoordinates(part.particles, zmatrix)
    old, new = measure(part.before).double(), measure(part.after).double()
    signed = torch.remainder(torch.sign(old) * new, 2 * torch.pi)
    found = torch.where(torch.from_numpy(table.signed), signed, new)
    found = torch.where(torch.from_numpy(table.soft), wrap(new - old), found)
    for k, length_nm in _constrained_lengths_nm(part.particles, zmatrix).items():
        found[:, k] = length_nm
    return found


def _constrained_lengths_nm(particles: Particles, zmatrix: ZMatrix) -> dict[int, float]:
    """Of coordinates that are lengths of constrained bonds, by number: what data show of them is rounding."""
    if particles.force_field is None:
        return {}
    held = {frozenset(map(int, term[:2])): term[2] for term in particles.force_field.constraints}
    # Coordinate k is the length of row k.
    return {k: held[ends] for k, row in enumerate(zmatrix.rows) if (ends := frozenset(row[:2])) in held}


def first_zmatrix(particles: Particles, root: str) -> ZMatrix:
    """The Z-matrix of a molecule in training.

    Parameters
    ----------
    root : {"centre", "first"}, as in the network's configuration

    Raises
    ------
    MoleculeError
        As `build_zmatrix`.
    """
    return build_zmatrix(particles, _roots(particles, root)[0])


def _roots(particles: Particles, root: str) -> list:
    """What `build_zmatrix` may begin at, the one for training first; for too few particles, which it refuses,
    any.
    """
    return [None] if root == "centre" else inner_atoms(particles) or [0]


def known_zmatrix(particles: Particles, root: str, known) -> tuple[ZMatrix, CoordinateTable]:
    """The Z-matrix of a molecule to bind to, and its coordinates, each of a class in `known`.

    Where the root is the first atom, another one takes its place if coordinates that it leads to are unknown:
    files do not agree on which atom of the first residue comes first.

    Raises
    ------
    MoleculeError
        If a class is not known, whatever the root.
    """
    refused = []
    for atom in _roots(particles, root):
        zmatrix = build_zmatrix(particles, atom)
        table = coordinate_table(particles, zmatrix)
        unknown = [entry for entry in table.classes if entry not in known]
        if not unknown:
            return zmatrix, table
        refused.append(unknown[0])
    raise _unknown(refused[0], known)


def _unknown(entry: str, known) -> MoleculeError:
    """The refusal of a class."""
    kind, words = entry.split(" ")
    coarse = [other for other in known if other.startswith(kind) and "(" not in other]
    same = ", ".join(sorted(other.split(" ")[1] for other in coarse))
    return MoleculeError(
        f"bind: the model never saw the {kind} {words}; expected one of {same or 'none'}; use a model"
        " that was trained on such molecules."
    )
