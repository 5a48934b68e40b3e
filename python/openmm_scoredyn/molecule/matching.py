"""Find the atoms of a model in a structure, by residue, name and element."""

import numpy as np

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles, is_element
from openmm_scoredyn.molecule.structure import group_residues


def match_atoms(topology, molecule: Particles) -> np.ndarray:
    """Where each atom of a model is in a topology.

    Residues are matched in the order of their numbers, atoms within a residue by name, in any order. Beads
    are known by their names alone: PDB readers guess elements for some of them, boron for B1.

    Parameters
    ----------
    topology : openmm.app.Topology of the molecule alone
    molecule : Particles of N atoms, the model's

    Returns
    -------
    (N,) int64 array; `positions[result]` is in the order of the model

    Raises
    ------
    MoleculeError
        If a residue or an atom is missing, too many, or of another element; the message names it.
    """
    atoms = list(topology.atoms())
    residues = group_residues(topology)
    expected = _model_residues(molecule)
    _check_residues([name for name, _ in expected], [name for name, _ in residues])
    matched = np.empty(len(molecule), dtype=np.int64)
    for number, ((name, ours), (_, theirs)) in enumerate(zip(expected, residues), start=1):
        found = {atoms[index].name: index for index in theirs}
        wanted = [molecule.atom_names[index] for index in ours]
        missing = [atom for atom in wanted if atom not in found]
        surplus = [atoms[index].name for index in theirs if atoms[index].name not in wanted]
        if missing or surplus or len(found) != len(theirs):
            raise MoleculeError(
                f"prepare: residue {number} ({name}) is not the model's; expected atoms"
                f" {' '.join(sorted(wanted))}, found"
                f" {' '.join(sorted(atoms[index].name for index in theirs))}; "
                + (
                    f"add {' '.join(missing)}, or let it be repaired."
                    if missing
                    else "rename or remove the others."
                )
            )
        for index in ours:
            matched[index] = found[molecule.atom_names[index]]
    _check_elements(atoms, molecule, matched)
    return matched


def match_particles(found: Particles, expected: Particles) -> np.ndarray:
    """Where each particle of `expected` is in `found`: (N,) int64, matched as by `match_atoms`.

    Raises
    ------
    MoleculeError
        If a residue or an atom is missing, too many, or of another element; the message names it.
    """
    ours, theirs = _model_residues(expected), _model_residues(found)
    if [name for name, _ in ours] != [name for name, _ in theirs]:
        raise MoleculeError(
            f"Trajectory: the molecules differ; expected residues {_shorten([n for n, _ in ours])}, found"
            f" {_shorten([n for n, _ in theirs])}; give trajectories of one molecule."
        )
    order = np.empty(len(expected), dtype=np.int64)
    for number, ((name, wanted), (_, there)) in enumerate(zip(ours, theirs, strict=True), start=1):
        places = {found.atom_names[index]: index for index in there}
        names = [expected.atom_names[index] for index in wanted]
        if sorted(places) != sorted(names) or len(there) != len(wanted):
            raise MoleculeError(
                f"Trajectory: residue {number} ({name}) differs; expected atoms {' '.join(sorted(names))},"
                f" found {' '.join(sorted(places))}; give trajectories of one molecule."
            )
        order[wanted] = [places[atom] for atom in names]
    for atom, place in enumerate(order):
        if found.types[place] != expected.types[atom]:
            raise MoleculeError(
                f"Trajectory: atom {expected.atom_names[atom]} differs; expected {expected.types[atom]},"
                f" found {found.types[place]}; give trajectories of one molecule."
            )
    return order


def same_names(found: Particles, expected: Particles) -> bool:
    """Whether two molecules have the same residues, in order, of the same atoms, in any order."""
    ours, theirs = (
        [
            (name, sorted((one.atom_names[atom], one.types[atom]) for atom in atoms))
            for name, atoms in _model_residues(one)
        ]
        for one in (expected, found)
    )
    return ours == theirs


def lacks_atoms(topology, molecule: Particles) -> bool:
    """Whether a structure has the residues of the model but not all their atoms, so that repairing it makes
    sense.
    """
    atoms = list(topology.atoms())
    residues, expected = group_residues(topology), _model_residues(molecule)
    if [name for name, _ in residues] != [name for name, _ in expected]:
        return False
    return any(
        {molecule.atom_names[index] for index in ours} - {atoms[index].name for index in theirs}
        for (_, ours), (_, theirs) in zip(expected, residues)
    )


def check_handedness(positions: np.ndarray, molecule: Particles, chiral_centres) -> None:
    """Refuse a structure that is the mirror image of what the model learnt.

    Parameters
    ----------
    positions : (N, 3), in the model's order
    chiral_centres : list of (centre, a, b, d) with a positive triple product in the model's data
    """
    for centre, a, b, d in chiral_centres:
        first, second, third = (positions[index] - positions[centre] for index in (a, b, d))
        if np.dot(first, np.cross(second, third)) <= 0:
            raise MoleculeError(
                f"prepare: atom {molecule.residue_names[centre]}:{molecule.atom_names[centre]} is the mirror"
                " image of the model's; expected the other handedness; give the right enantiomer."
            )


def _model_residues(molecule: Particles) -> list[tuple[str, list[int]]]:
    groups: dict[int, list[int]] = {}
    for atom, residue in enumerate(molecule.residue_indices):
        groups.setdefault(residue, []).append(atom)
    return [(molecule.residue_names[groups[residue][0]], groups[residue]) for residue in sorted(groups)]


def _check_residues(expected: list[str], found: list[str]) -> None:
    if expected == found:
        return
    raise MoleculeError(
        f"prepare: the structure is not the model's molecule; expected residues {_shorten(expected)}, found "
        f"{_shorten(found)}; give another structure, or strip solvent and ions."
    )


def _shorten(names: list[str]) -> str:
    return "-".join(names[:12]) + (f"-... ({len(names)} in all)" if len(names) > 12 else "")


def _check_elements(atoms, molecule: Particles, matched: np.ndarray) -> None:
    for index, element in enumerate(molecule.types):
        if not is_element(element):
            continue
        found = atoms[matched[index]].element
        symbol = "none" if found is None else found.symbol
        if symbol != element:
            raise MoleculeError(
                f"prepare: atom {molecule.residue_names[index]}:{molecule.atom_names[index]} has another"
                f" element; expected {element}, found {symbol}; correct the structure."
            )
