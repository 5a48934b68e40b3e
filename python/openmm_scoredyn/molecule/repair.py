"""Add the atoms that a structure file lacks."""

import random
from io import StringIO

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError
from openmm_scoredyn.molecule.structure import group_residues, plain_positions, select_atoms

_PH = 7.0


def repair_structure(topology, positions: np.ndarray):
    """Add missing heavy atoms and hydrogens with PDBFixer; the atoms that are there stay where they are.

    Hydrogens of a residue that misses a heavy atom are the exception: where they were can contradict where
    PDBFixer puts that atom, so they are built again. Missing residues are not built: a loop that is not in
    the file cannot be guessed.

    Raises
    ------
    MissingDependencyError
        If pdbfixer is not installed.
    """
    # Residues that are scattered over the file must be whole for PDBFixer's templates.
    ordered = [index for _, indices in group_residues(topology) for index in indices]
    topology, positions = select_atoms(topology, positions, ordered)
    fixer = _open_fixer(topology, positions)
    incomplete = {residue.index for residue in fixer.missingAtoms}
    if incomplete:
        kept = [
            atom.index
            for atom in topology.atoms()
            if atom.residue.index not in incomplete or atom.element is None or atom.element.symbol != "H"
        ]
        fixer = _open_fixer(*select_atoms(topology, positions, kept))
    # OpenMM places hydrogens with Python's global generator; a repair must give the same each time, and leave
    # it alone.
    state = random.getstate()
    try:
        random.seed(1)
        fixer.addMissingAtoms(seed=1)
        fixer.addMissingHydrogens(_PH)
    finally:
        random.setstate(state)
    return fixer.topology, plain_positions(fixer.positions)


def _open_fixer(topology, positions: np.ndarray):
    """A PDBFixer that has looked for missing atoms."""
    from openmm import Platform, app

    try:
        from pdbfixer import PDBFixer
    except ImportError:
        raise MissingDependencyError(
            "prepare: the structure needs repairs, and pdbfixer is not installed; run `pip install "
            "'openmm-scoredyn[setup]'` or give a complete structure."
        ) from None
    text = StringIO()
    app.PDBFile.writeFile(topology, positions * 10, text, keepIds=True)
    text.seek(0)
    # The Reference platform minimises the same way every time.
    fixer = PDBFixer(pdbfile=text, platform=Platform.getPlatformByName("Reference"))
    fixer.missingResidues = {}
    fixer.findNonstandardResidues()
    fixer.findMissingAtoms()
    return fixer
