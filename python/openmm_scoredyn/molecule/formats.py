"""Formats of structures: a registry of readers by the ending of a file. A new format is one entry.

A reader gives what the file itself holds. Positions that stand in a second file (Amber, GROMACS, CHARMM) are
read by `read_coordinates`, which knows the endings of all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmm_scoredyn.errors import MissingDependencyError


@dataclass(frozen=True)
class Content:
    """What a file of a structure holds.

    Attributes
    ----------
    topology : openmm.app.Topology
    positions : with unit, or None where the file holds none
    create_system : function of keyword arguments as `ForceField.createSystem` takes them, and of
        `implicitSolvent`; None where the file holds no parameters of a force field
    molecule : RDKit's, with orders of bonds and formal charges; None where the file does not hold them
    """

    topology: Any
    positions: Any = None
    create_system: Callable[..., Any] | None = None
    molecule: Any = None


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name : for messages
    endings : of its files, lower case
    read : (path, coordinates or None, parameters) -> Content; raises whatever its parser stumbles on
    coordinates : endings of the files of positions, in the order in which they are looked for beside the
        file; empty where the file itself holds them
    """

    name: str
    endings: tuple[str, ...]
    read: Callable[[Path, "Coordinates | None", tuple[Path, ...]], Content]
    coordinates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coordinates:
    """Positions, with unit, and the box vectors of a file, None where it holds none."""

    positions: Any
    box: Any = None


def _read_pdb(path, coordinates, parameters) -> Content:
    from openmm import app

    file = app.PDBFile(str(path))
    return Content(file.topology, file.positions)


def _read_mmcif(path, coordinates, parameters) -> Content:
    from openmm import app

    file = app.PDBxFile(str(path))
    return Content(file.topology, file.positions)


def _read_amber(path, coordinates, parameters) -> Content:
    from openmm import app

    box = None if coordinates is None else coordinates.box
    file = app.AmberPrmtopFile(str(path), **({} if box is None else {"periodicBoxVectors": box}))
    return Content(file.topology, create_system=file.createSystem)


def _read_gromacs(path, coordinates, parameters) -> Content:
    from openmm import app

    box = None if coordinates is None else coordinates.box
    file = app.GromacsTopFile(
        str(path),
        **({} if box is None else {"periodicBoxVectors": box}),
        **({"includeDir": str(parameters[0])} if parameters else {}),
    )

    def create_system(implicitSolvent=None, **options):
        if implicitSolvent is not None:
            raise ValueError("GROMACS topologies hold no implicit solvent; simulate in vacuum or in water")
        return file.createSystem(**options)

    return Content(file.topology, create_system=create_system)


def _read_charmm(path, coordinates, parameters) -> Content:
    from openmm import app

    box = None if coordinates is None else coordinates.box
    file = app.CharmmPsfFile(str(path), **({} if box is None else {"periodicBoxVectors": box}))

    if not parameters:
        return Content(file.topology)

    def create_system(**options):
        return file.createSystem(app.CharmmParameterSet(*map(str, parameters)), **options)

    return Content(file.topology, create_system=create_system)


def _read_sdf(path, coordinates, parameters) -> Content:
    chem = rdkit()
    molecules = [molecule for molecule in chem.SDMolSupplier(str(path), removeHs=False) if molecule]
    if len(molecules) != 1:
        raise ValueError(f"expected one molecule, found {len(molecules)} that RDKit reads")
    return from_rdkit(molecules[0])


def _read_mol2(path, coordinates, parameters) -> Content:
    molecule = rdkit().MolFromMol2File(str(path), removeHs=False)
    if molecule is None:
        raise ValueError("RDKit finds no molecule in it")
    return from_rdkit(molecule)


def rdkit():
    """RDKit's module `Chem`.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError:
        raise MissingDependencyError(
            "Structure: SDF, MOL2 and SMILES are read with RDKit, which is not installed; run `pip install"
            " 'openmm-scoredyn[chemistry]'`."
        ) from None
    rdBase.DisableLog("rdApp.*")  # what it has to say stands in our sentence
    return Chem


def from_rdkit(molecule) -> Content:
    """Topology and positions of an RDKit molecule with all hydrogens and one conformation in space.

    Atoms are named as in the file, where it names them, else by element and number; the residue is the
    molecule's name where that is a word of up to four letters, else MOL.
    """
    from openmm import app, unit

    lacking = sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms())
    if lacking:
        raise ValueError(f"it lacks {lacking} hydrogens; add them, as with RDKit's AddHs(addCoords=True)")
    if not molecule.GetNumConformers() or not molecule.GetConformer().Is3D():
        raise ValueError("it has no conformation in space; make one, as with `scoredyn build --smiles`")
    title = molecule.GetProp("_Name").strip() if molecule.HasProp("_Name") else ""
    topology = app.Topology()
    residue = topology.addResidue(
        title if title.isalnum() and len(title) <= 4 else "MOL", topology.addChain()
    )
    atoms = []
    for atom, name in zip(molecule.GetAtoms(), _atom_names(molecule), strict=True):
        atoms.append(topology.addAtom(name, app.Element.getByAtomicNumber(atom.GetAtomicNum()), residue))
    for bond in molecule.GetBonds():
        order = bond.GetBondTypeAsDouble()
        topology.addBond(
            atoms[bond.GetBeginAtomIdx()],
            atoms[bond.GetEndAtomIdx()],
            order=int(order) if order.is_integer() else None,
        )
    return Content(topology, molecule.GetConformer().GetPositions() * unit.angstrom, molecule=molecule)


def _atom_names(molecule) -> list[str]:
    """One name an atom, no two the same."""
    given = [
        atom.GetProp("_TriposAtomName") if atom.HasProp("_TriposAtomName") else ""
        for atom in molecule.GetAtoms()
    ]
    if all(given) and len(set(given)) == len(given):
        return given
    counts: dict[str, int] = {}
    names = []
    for atom in molecule.GetAtoms():
        counts[atom.GetSymbol()] = counts.get(atom.GetSymbol(), 0) + 1
        names.append(f"{atom.GetSymbol()}{counts[atom.GetSymbol()]}")
    return names


_INPCRD = (".inpcrd", ".rst7", ".rst", ".ncrst", ".crd")
FORMATS = (
    Format("PDB", (".pdb", ".ent"), _read_pdb),
    Format("mmCIF", (".cif", ".mmcif", ".pdbx"), _read_mmcif),
    Format("Amber", (".prmtop", ".parm7"), _read_amber, (*_INPCRD, ".pdb")),
    Format("GROMACS", (".top",), _read_gromacs, (".gro", ".pdb")),
    Format("CHARMM", (".psf",), _read_charmm, (".crd", ".pdb", ".cor")),
    Format("SDF", (".sdf", ".mol"), _read_sdf),
    Format("MOL2", (".mol2",), _read_mol2),
)


def find_format(path: Path) -> Format | None:
    """The format of a file by its ending; None for an unknown one."""
    ending = path.suffix.lower()
    return next((format_ for format_ in FORMATS if ending in format_.endings), None)


def read_coordinates(path: Path) -> Coordinates:
    """Positions and box of a file of any format that holds positions; raises whatever its parser stumbles
    on.
    """
    from openmm import app

    ending = path.suffix.lower()
    if ending == ".gro":
        file = app.GromacsGroFile(str(path))
        return Coordinates(file.positions, _volume(file.getPeriodicBoxVectors()))
    if ending in (".crd", ".cor") and _is_charmm_card(path):
        return Coordinates(app.CharmmCrdFile(str(path)).positions)
    if ending in _INPCRD:
        file = app.AmberInpcrdFile(str(path))
        return Coordinates(file.positions, file.boxVectors)
    holder = find_format(path)
    if holder is None or holder.coordinates:
        raise ValueError("it holds no positions that are known here")
    content = holder.read(path, None, ())
    return Coordinates(content.positions, content.topology.getPeriodicBoxVectors())


def _is_charmm_card(path: Path) -> bool:
    """CHARMM's card files begin with a title of lines with an asterisk, Amber's do not."""
    with open(path, errors="replace") as file:
        return file.readline().startswith("*")


def _volume(box):
    """A GRO file says zeros where there is no box."""
    if box is None:
        return None
    return box if all(box[axis][axis]._value > 0 for axis in range(3)) else None
