"""Particles by name: as users give them, and as rows of a report show them."""

from collections import Counter
from collections.abc import Sequence

from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.molecule.particles import Particles


def find_atoms(text: str, particles: Particles, count: int) -> tuple[int, ...]:
    """Indices of particles joined by hyphens, as `C1-C2-C3-C4` or `ALA2:CA-SER3:OG`.

    Each is NAME, RESIDUE:NAME with the residue by name, number from 1, or both, or an index from 0.

    Raises
    ------
    MoleculeError
        If there is another number of them, or one is unknown, ambiguous, or named twice.
    """
    words = text.split("-")
    atoms = tuple(_find(word, particles) for word in words)
    if len(atoms) != count or len(set(atoms)) != count:
        raise MoleculeError(
            f"observables: expected {count} different atoms joined by hyphens, found {text!r}; name them as"
            f" {'-'.join(particles.atom_names[:count])}."
        )
    return atoms


def _find(word: str, particles: Particles) -> int:
    residue, _, name = word.rpartition(":")
    found = [
        atom
        for atom in range(len(particles))
        if particles.atom_names[atom] == name and residue in ("", *_residue_names(atom, particles))
    ]
    if not found and word.isdigit() and int(word) < len(particles):
        return int(word)
    if len(found) != 1:
        example = f"{_residue_names(found[0], particles)[-1]}:{name}" if found else particles.atom_names[0]
        raise MoleculeError(
            f"observables: expected one particle called {word!r}, found {len(found)}; name it as"
            f" {example!r}, or by its index from 0 to {len(particles) - 1}."
        )
    return found[0]


def _residue_names(atom: int, particles: Particles) -> tuple[str, str, str]:
    name, number = particles.residue_names[atom], str(particles.residue_indices[atom] + 1)
    return name, number, name + number


def label(atoms: Sequence[int], particles: Particles) -> str:
    """Names of particles joined by hyphens, with indices where names alone are not unique; where there are
    several residues, with theirs, once if it is the same.
    """
    own = Counter(zip(particles.residue_indices, particles.atom_names, strict=True))
    names = [
        particles.atom_names[atom]
        + (str(atom) if own[particles.residue_indices[atom], particles.atom_names[atom]] > 1 else "")
        for atom in atoms
    ]
    residues = [_residue_names(atom, particles)[-1] for atom in atoms]
    if len(set(particles.residue_indices)) == 1:
        return "-".join(names)
    if len(set(residues)) == 1:
        return f"{residues[0]} {'-'.join(names)}"
    return "-".join(f"{residue}:{name}" for residue, name in zip(residues, names, strict=True))
