"""Structures: reading them from files, taking solvent away, selecting atoms."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from openmm_scoredyn.errors import MissingDependencyError, MoleculeError
from openmm_scoredyn.molecule.formats import FORMATS, Format, find_format, rdkit, read_coordinates

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


@dataclass(frozen=True, eq=False)
class Structure:
    """A molecule as a file, or several that belong together, give it.

    Attributes
    ----------
    topology : openmm.app.Topology
    positions : (N, 3) float64, nm; None where they were not asked for and no file holds them
    system : openmm.System that was given for it, or None
    create_system : function that makes Systems from the parameters in the files, as `ForceField.createSystem`
        of OpenMM; None where they hold none
    files : tuple of Path, all that were read
    sha256 : of their content, hexadecimal
    molecule : RDKit's, with orders of bonds and formal charges; None where the files do not hold them
    force_field : names of the force field and the charges that `create_system` stands for, where they are not
        in the files
    """

    topology: Any
    positions: Any
    system: Any = None
    create_system: Callable[..., Any] | None = None
    files: tuple[Path, ...] = ()
    sha256: str = ""
    molecule: Any = None
    force_field: tuple[str, ...] = ()

    @property
    def holds_parameters(self) -> bool:
        """Whether a System can be made without a force field."""
        return self.system is not None or self.create_system is not None

    def own_system(self):
        """The System that was given, else one of the files' parameters without constraints, else None."""
        from openmm import app

        if self.system is not None or self.create_system is None:
            return self.system
        periodic = self.topology.getPeriodicBoxVectors() is not None
        try:
            return self.create_system(
                nonbondedMethod=app.PME if periodic else app.NoCutoff, rigidWater=False, removeCMMotion=False
            )
        except Exception as error:  # noqa: BLE001 - OpenMM raises bare exceptions, too
            files = ", ".join(str(file) for file in self.files)
            raise MoleculeError(
                f"Structure: no System with {files}; {' '.join(str(error).split()).rstrip('.')}; give another"
                " file."
            ) from None


def read_structure(
    path: str | Path,
    *,
    coordinates: str | Path | None = None,
    parameters: Sequence[str | Path] = (),
    system: str | Path | None = None,
    with_positions: bool = True,
) -> Structure:
    """Read a molecule from a file of any format of `formats.FORMATS`.

    Parameters
    ----------
    path : PDB, mmCIF, Amber prmtop, GROMACS top, CHARMM psf, SDF or MOL2 file
    coordinates : file of the positions, for formats whose own file holds none; default: the one of the same
        name beside it
    parameters : CHARMM's parameter files; for GROMACS the folder of the files that the topology includes
    system : XML file of an OpenMM System of these atoms, in this order
    with_positions : False where the topology alone is wanted

    Returns
    -------
    Structure

    Raises
    ------
    MoleculeError
        If a file cannot be read, is of an unknown format, holds no atoms or another number of them than
        the others.
    MissingDependencyError
        If the format needs a package that is not installed.
    """
    path = Path(path)
    form = find_format(path)
    if form is None:
        known = ", ".join(ending for one in FORMATS for ending in one.endings)
        raise MoleculeError(
            f"Structure: the format of {path} is not known; expected one of the endings {known}, found"
            f" {path.suffix or 'none'}; convert or rename it."
        )
    listed = tuple(map(Path, parameters))
    place = _coordinates_of(path, form, coordinates, with_positions)
    files = (path, *([] if place is None else [place]), *listed, *([] if system is None else [Path(system)]))
    for file in files:
        _require_file(file)
    found = None if place is None else _parsed(place, "file of positions", read_coordinates)
    content = _parsed(path, f"{form.name} structure", lambda file: form.read(file, found, listed))
    if content.topology.getNumAtoms() == 0:
        raise MoleculeError(f"Structure: {path} holds no atoms; expected a molecule; check the file.")
    positions = content.positions if found is None else found.positions
    if with_positions or positions is not None:
        positions = plain_positions(positions)
        _require_count(place or path, len(positions), content.topology.getNumAtoms(), "positions")
    if found is not None and found.box is not None:
        content.topology.setPeriodicBoxVectors(found.box)
    given = None if system is None else read_system(Path(system))
    if given is not None:
        _require_count(
            Path(system or ""), given.getNumParticles(), content.topology.getNumAtoms(), "particles"
        )
    return Structure(
        content.topology,
        positions,
        given,
        content.create_system,
        files,
        _digest(files),
        content.molecule,
    )


def structure_text(structure: Structure, name: str) -> str:
    """Topology and positions as PDB, mmCIF or SDF, as the ending of a file name says.

    Raises
    ------
    MoleculeError
        If the name has another ending, or that of SDF for a structure without orders of bonds.
    """
    from openmm import app, unit

    form = find_format(Path(name))
    if form is None or form.name not in ("PDB", "mmCIF", "SDF"):
        raise MoleculeError(
            f"Structure: expected a name that ends in .pdb, .cif or .sdf, found {name}; choose another."
        )
    if form.name == "SDF":
        return _sdf_text(structure, name)
    text = StringIO()
    writer = app.PDBFile if form.name == "PDB" else app.PDBxFile
    writer.writeFile(structure.topology, structure.positions * unit.nanometer, text, keepIds=True)
    return text.getvalue()


def _sdf_text(structure: Structure, name: str) -> str:
    if structure.molecule is None:
        raise MoleculeError(
            f"Structure: {name} would need orders of bonds; expected a molecule of SMILES, SDF or MOL2, found"
            " none in what it was made from; choose a name that ends in .pdb or .cif."
        )
    return rdkit().MolToMolBlock(structure.molecule) + "$$$$\n"


def read_system(path: Path):
    """An `openmm.System` from XML.

    Raises
    ------
    MoleculeError
        If the file cannot be read, or holds something else.
    """
    import openmm

    try:
        system = openmm.XmlSerializer.deserialize(path.read_text())
    except (OSError, UnicodeDecodeError, ValueError, openmm.OpenMMException) as error:
        raise MoleculeError(
            f"Structure: cannot read a System from {path} ({error}); expected what"
            " openmm.XmlSerializer.serialize(system) gives; write the file again."
        ) from None
    if not isinstance(system, openmm.System):
        raise MoleculeError(
            f"Structure: {path} holds a {type(system).__name__}; expected a System; give the file of one."
        )
    return system


def _coordinates_of(path: Path, form: Format, given, wanted: bool) -> Path | None:
    """The file of positions of a format whose own file holds none."""
    if not form.coordinates:
        if given is not None:
            raise MoleculeError(
                f"Structure: {path} holds positions of its own; expected no other file of them, found"
                f" {given}; leave it out."
            )
        return None
    if given is not None:
        return Path(given)
    for ending in form.coordinates:
        beside = path.with_suffix(ending)
        if beside.exists():
            return beside
    if not wanted:
        return None
    names = ", ".join(path.with_suffix(ending).name for ending in form.coordinates)
    raise MoleculeError(
        f"Structure: a file of {form.name} such as {path} holds no positions; expected {names} beside it,"
        " found none; give the file (--coordinates)."
    )


def _require_file(path: Path) -> None:
    try:
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        raise MoleculeError(f"Structure: cannot read {path}; {error.strerror}; check the path.") from None


def _parsed(path: Path, what: str, read: Callable[[Path], Any]) -> Any:
    """What a reader gives, or one sentence for whatever it stumbles on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parsers, about fields that are not used
            return read(path)
    except MissingDependencyError:
        raise
    except Exception as error:  # noqa: BLE001 - the parsers raise whatever they stumble on
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise MoleculeError(
            f"Structure: {path} is not a readable {what} ({reason}); check the file."
        ) from None


def _require_count(path: Path, found: int, expected: int, what: str) -> None:
    if found != expected:
        raise MoleculeError(
            f"Structure: {path} does not fit its topology; expected {expected} {what}, one per atom, found"
            f" {found}; give the files of one molecule."
        )


def _digest(files: Sequence[Path]) -> str:
    """SHA-256 of the content of files, folders left out; of one file the usual one."""
    digest = hashlib.sha256()
    for file in files:
        if not file.is_dir():
            digest.update(file.read_bytes())
    return digest.hexdigest()


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


def is_solvent(residue) -> bool:
    """Whether a residue is water, another solvent or an ion, by its name."""
    if residue.name == "CA":
        # In PDB files calcium is a residue CA with one atom; CA alone would also be a tempting name for
        # others.
        return len(list(residue.atoms())) == 1
    return residue.name.upper() in SOLVENT_RESIDUES | ION_RESIDUES


def solute_atoms(topology) -> list[int]:
    """Indices of the atoms that are neither solvent nor ions.

    Raises
    ------
    MoleculeError
        If there are none.
    """
    kept = [atom.index for atom in topology.atoms() if not is_solvent(atom.residue)]
    if not kept:
        raise MoleculeError(
            "prepare: nothing is left without solvent and ions; give a structure with a molecule."
        )
    return kept


def strip_solvent(topology, positions: np.ndarray):
    """Remove water, other solvent and ions, known by the names of their residues, and with them the periodic
    box.
    """
    stripped, positions = select_atoms(topology, positions, solute_atoms(topology))
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
