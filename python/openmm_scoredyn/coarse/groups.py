"""Which particles make a bead: whole residues, parts of equal size, or the groups of an index file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from openmm_scoredyn.coarse.index_file import read_index_file
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles

RESIDUE = "residue"
INDEX_ENDING = ".ndx"
Groups = tuple[tuple[int, ...], ...]


def choose_groups(fine: Particles, by: str | int | Path | Mapping[str, str | int]) -> Groups:
    """The groups of particles that become beads, in the order of their first particles.

    Parameters
    ----------
    fine : Particles
    by : as of `Mapping.from_topology`

    Raises
    ------
    MoleculeError
        If a particle would be in no bead or in two, a name or number is not known, or a bead falls apart
        without the particles of others.
    """
    if isinstance(by, Mapping):
        groups = _by_residue_name(fine, by)
    elif isinstance(by, (str, Path)) and Path(by).suffix.lower() == INDEX_ENDING:
        groups = _of_index_file(fine, Path(by))
    elif by == RESIDUE:
        groups = _residues(fine)
    elif isinstance(by, int) and not isinstance(by, bool):
        groups = equal_parts(fine, fine.parts, by)
    else:
        raise MoleculeError(
            f"Mapping: expected {RESIDUE!r}, a number of particles, a dictionary of these by residue name or"
            f" the path of a {INDEX_ENDING} file, found {by!r}; choose one."
        )
    ordered = tuple(sorted(tuple(sorted(group)) for group in groups))
    _require_connected(fine, ordered)
    return ordered


def equal_parts(fine: Particles, parts: Iterable[Sequence[int]], size: int) -> Groups:
    """Every `size` consecutive particles of each part; a hydrogen goes with what it is bonded to, and is not
    counted.

    Raises
    ------
    MoleculeError
        If a part is no multiple of `size` long.
    """
    if size < 1:
        raise MoleculeError(f"Mapping: expected at least 1 particle a bead, found {size}; give more.")
    near, groups = fine.neighbours, []
    for part in parts:
        inside = set(part)
        owner = {
            atom: next((k for k in near[atom] if k in inside and fine.types[k] != "H"), atom)
            if fine.types[atom] == "H"
            else atom
            for atom in part
        }
        counted = [atom for atom in part if owner[atom] == atom]
        if len(counted) % size:
            kind = "particles" if len(counted) == len(part) else "particles other than hydrogens"
            raise MoleculeError(
                f"Mapping: a molecule or residue of {len(counted)} {kind}, from {_name(fine, part[0])} on,"
                f" cannot be cut into equal groups of {size}; expected a multiple of {size}; give the groups,"
                " or a chain of another length."
            )
        bead_of = {atom: place // size for place, atom in enumerate(counted)}
        cut: list[list[int]] = [[] for _ in range(len(counted) // size)]
        for atom in part:
            cut[bead_of[owner[atom]]].append(atom)
        groups += [tuple(group) for group in cut]
    return tuple(groups)


def _residues(fine: Particles) -> Groups:
    found: dict[int, list[int]] = {}
    for particle, residue in enumerate(fine.residue_indices):
        found.setdefault(residue, []).append(particle)
    return tuple(tuple(group) for group in found.values())


def _by_residue_name(fine: Particles, rules: Mapping[str, str | int]) -> Groups:
    """Residues cut as the rule of their name says."""
    names = sorted(set(fine.residue_names))
    unknown = sorted(set(rules) - set(names))
    if unknown:
        raise MoleculeError(
            f"Mapping: no residue is called {unknown[0]}; expected {', '.join(names)}; correct the name."
        )
    left_out = [name for name in names if name not in rules]
    if left_out:
        raise MoleculeError(
            f"Mapping: the particles of residues {', '.join(left_out)} are in no bead; expected a rule for"
            f" every residue name, found {', '.join(sorted(rules))}; add one, or leave them out of the"
            " topology."
        )
    groups: list[tuple[int, ...]] = []
    for residue in _residues(fine):
        rule = rules[fine.residue_names[residue[0]]]
        if rule == RESIDUE:
            groups.append(residue)
        elif isinstance(rule, int) and not isinstance(rule, bool):
            groups += equal_parts(fine, [residue], rule)
        else:
            raise MoleculeError(
                f"Mapping: the rule of residue {fine.residue_names[residue[0]]} is not known; expected"
                f" {RESIDUE!r} or a number of particles, found {rule!r}; correct it."
            )
    return tuple(groups)


def _of_index_file(fine: Particles, path: Path) -> Groups:
    """The groups of a file, one a bead; every particle in one of them."""
    bead_of: dict[int, str] = {}
    groups = []
    for name, numbers in read_index_file(path):
        for number in numbers:
            if not 1 <= number <= len(fine):
                raise MoleculeError(
                    f"Mapping: group {name!r} of {path} names particle {number}; expected 1 to {len(fine)};"
                    " give the file of these particles."
                )
            if number in bead_of:
                other = bead_of[number]
                raise MoleculeError(
                    f"Mapping: particle {number} ({_name(fine, number - 1)}) is in two beads, {other!r} and"
                    f" {name!r} of {path}; expected one; take it out of the other."
                )
            bead_of[number] = name
        groups.append(tuple(number - 1 for number in numbers))
    missing = [number for number in range(1, len(fine) + 1) if number not in bead_of]
    if missing:
        raise MoleculeError(
            f"Mapping: particle {missing[0]} ({_name(fine, missing[0] - 1)}) is in no bead of {path};"
            f" expected all {len(fine)} particles, found {len(bead_of)}; add it to a group, or leave it out"
            " of the topology."
        )
    return tuple(groups)


def _require_connected(fine: Particles, groups: Groups) -> None:
    """Refuse a bead that bonds among its own particles do not hold together."""
    near = fine.neighbours
    for number, group in enumerate(groups):
        inside, reached, waiting = set(group), {group[0]}, [group[0]]
        while waiting:
            more = (inside & set(near[waiting.pop()])) - reached
            reached |= more
            waiting += more
        if reached != inside:
            apart = min(inside - reached)
            raise MoleculeError(
                f"Mapping: no bonds within bead {number} connect its particles {_name(fine, group[0])} and"
                f" {_name(fine, apart)}; expected a bead that holds together by itself; complete the bonds"
                " (CONECT records of a PDB), order the particles along the chain, or choose other groups."
            )


def _name(fine: Particles, particle: int) -> str:
    return f"{fine.residue_names[particle]}{fine.residue_indices[particle] + 1}:{fine.atom_names[particle]}"
