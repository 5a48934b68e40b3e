"""Structures from files: reading, taking solvent away, selecting atoms; each gives a topology and positions
again.
"""

from pathlib import Path

import numpy as np

from openmm_scoredyn.errors import MoleculeError

SOLVENT_RESIDUES = frozenset({"HOH", "WAT", "H2O", "SOL", "TIP", "TIP3", "TIP4", "TP3", "TP4", "SPC", "DOD"})
ION_RESIDUES = frozenset(
    {
        "NA",
        "NA+",
        "CL",
        "CL-",
        "K",
        "K+",
        "LI",
        "RB",
        "CS",
        "BR",
        "F",
        "I",
        "IOD",
        "MG",
        "MG2",
        "CA2",
        "CAL",
        "ZN",
        "ZN2",
    }
    | {"SOD", "CLA", "POT", "CES", "NIO", "CIO", "SO4", "PO4"}
)


def read_structure(path: str | Path):
    """Topology and positions (N, 3) float64, nm, of a PDB or PDBx/mmCIF file.

    Raises
    ------
    MoleculeError
        If the file cannot be read or is not a structure.
    """
    from openmm import app

    path = Path(path)
    reader = app.PDBxFile if path.suffix.lower() in (".cif", ".mmcif", ".pdbx") else app.PDBFile
    try:
        path.open("rb").close()
        loaded = reader(str(path))
        if loaded.topology.getNumAtoms() == 0:
            raise ValueError("it holds no atoms")
    except OSError as error:
        raise MoleculeError(f"prepare: cannot read {path}; {error.strerror}; check the path.") from None
    except Exception as error:  # noqa: BLE001 - the parsers raise whatever they stumble on
        raise MoleculeError(
            f"prepare: {path} is not a readable structure ({error}); give a PDB or mmCIF file."
        ) from None
    return loaded.topology, plain_positions(loaded.positions)


def plain_positions(positions) -> np.ndarray:
    """(N, 3) float64, nm, from positions with or without unit.

    Raises
    ------
    MoleculeError
        If a position is not finite, or the shape is wrong.
    """
    from openmm import unit

    if unit.is_quantity(positions):
        positions = positions.value_in_unit(unit.nanometer)
    positions = np.array(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise MoleculeError(
            f"prepare: expected positions of shape (atoms, 3), found {positions.shape}; give one frame."
        )
    if not np.isfinite(positions).all():
        atom = int(np.argwhere(~np.isfinite(positions))[0, 0])
        raise MoleculeError(
            f"prepare: the position of atom {atom} is not finite; expected numbers in nm; correct it."
        )
    return positions


def strip_solvent(topology, positions: np.ndarray):
    """Remove water, other solvent and ions, known by the names of their residues, and with them the periodic
    box.
    """
    kept = [
        atom.index
        for atom in topology.atoms()
        if atom.residue.name.upper() not in SOLVENT_RESIDUES | ION_RESIDUES
        # In PDB files calcium is a residue CA with one atom; CA alone would also be a tempting name for
        # others.
        and not (atom.residue.name == "CA" and len(list(atom.residue.atoms())) == 1)
    ]
    if not kept:
        raise MoleculeError(
            "prepare: nothing is left without solvent and ions; give a structure with a molecule."
        )
    stripped, positions = select_atoms(topology, positions, kept)
    stripped.setPeriodicBoxVectors(None)
    return stripped, positions


def group_residues(topology):
    """Atom indices of each residue, residues in the order of their numbers within each chain.

    A file with its lines in any order shows the atoms of one residue in several places; chain, number,
    insertion code and name say what belongs together.

    Returns
    -------
    list of (name, list of int)
    """
    groups: dict[tuple, list[int]] = {}
    for atom in topology.atoms():
        residue = atom.residue
        groups.setdefault((residue.chain.index, residue.id, residue.insertionCode, residue.name), []).append(
            atom.index
        )
    keys = list(groups)
    try:
        keys.sort(key=lambda key: (key[0], int(key[1]), key[2]))
    except ValueError:
        pass  # numbers that are no numbers: the order of the file is the best there is
    return [(key[3], groups[key]) for key in keys]


def select_atoms(topology, positions: np.ndarray, indices):
    """The atoms of `indices`, in that order, as a topology and positions; bonds between them are kept.

    Neighbouring atoms of one residue stay in one residue.
    """
    from openmm.app import Topology

    atoms = list(topology.atoms())
    selected = Topology()
    selected.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    new, chain, residue, last, last_chain = {}, None, None, None, None
    for index in indices:
        atom = atoms[index]
        if atom.residue.chain.index != last_chain:
            chain, last_chain, last = selected.addChain(atom.residue.chain.id), atom.residue.chain.index, None
        key = (atom.residue.id, atom.residue.insertionCode, atom.residue.name)
        if key != last:
            residue, last = selected.addResidue(atom.residue.name, chain, key[0], key[1]), key
        new[index] = selected.addAtom(atom.name, atom.element, residue, atom.id)
    for bond in topology.bonds():
        if bond[0].index in new and bond[1].index in new:
            selected.addBond(new[bond[0].index], new[bond[1].index], bond.type, bond.order)
    return selected, positions[list(indices)]
