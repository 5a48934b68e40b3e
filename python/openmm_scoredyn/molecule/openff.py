"""Small molecules with a force field of the Open Force Field Initiative and its charges."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from openmm_scoredyn.errors import MissingDependencyError, MoleculeError
from openmm_scoredyn.molecule.structure import Structure

# For force fields whose file does not name a network of its own; AM1-BCC itself needs AmberTools.
_CHARGES = "openff-gnn-am1bcc-1.0.0.pt"
_CHARGES_IN_FILE = "NAGLCharges"


def is_openff(name: str) -> bool:
    """Whether a force field file is one of OpenFF, by its ending."""
    return name.lower().endswith(".offxml")


def with_openff(structure: Structure, force_field: Sequence[str]) -> Structure:
    """A molecule with parameters of OpenFF, in vacuum.

    Parameters
    ----------
    structure : of an SDF or MOL2 file, or of SMILES, which hold orders of bonds
    force_field : one file that OpenFF knows by name, as openff-2.3.0.offxml, or a path

    Returns
    -------
    Structure, whose `create_system` makes the System and whose `force_field` names the file and the charges

    Raises
    ------
    MissingDependencyError
        If OpenFF (extra `openff`) is not installed.
    MoleculeError
        If several files are given, the structure holds no orders of bonds, the file cannot be read or has no
        parameters for the molecule.

    Notes
    -----
    Sage: Boothroyd et al., J. Chem. Theory Comput. 2023, 19, 3251. Charges: a graph network trained on
    AM1-BCC (OpenFF NAGL), that of the file, or openff-gnn-am1bcc-1.0.0 where the file asks for AM1-BCC.
    """
    if len(force_field) != 1:
        raise MoleculeError(
            f"simulate: expected one force field of OpenFF alone, found {', '.join(force_field)}; give one of"
            " them."
        )
    if structure.molecule is None:
        raise MoleculeError(
            f"simulate: {force_field[0]} needs orders of bonds; expected an SDF or MOL2 file, found"
            f" {', '.join(file.name for file in structure.files) or 'a structure without them'}; give the"
            " molecule as SDF or MOL2, as with `scoredyn build --smiles` and a name that ends in .sdf."
        )
    _require_openff()
    try:
        with _quiet():
            interchange, charges = _parameters(structure.molecule, force_field[0])
    except Exception as error:  # noqa: BLE001 - OpenFF raises whatever it stumbles on
        why = " ".join(str(error).split())[:300].rstrip(".")
        raise MoleculeError(
            f"simulate: no parameters with {force_field[0]}; {why}; give another molecule or force field."
        ) from None
    return replace(
        structure,
        create_system=_SystemMaker(interchange),
        force_field=(force_field[0], f"charges of {charges}"),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what OpenFF's packages warn of each other."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _require_openff() -> None:
    try:
        with _quiet():
            import openff.interchange.components.interchange
            import openff.nagl
            import openff.toolkit.utils.nagl_wrapper  # noqa: F401
    except (ImportError, SyntaxError) as error:  # a release for later Pythons does not compile
        raise MissingDependencyError(
            "simulate: force fields of OpenFF need its packages and Python 3.11 or later; expected to import"
            f" them, found {type(error).__name__} ({error}); run `pip install 'openmm-scoredyn[openff]'`."
        ) from None


def _parameters(rdkit_molecule, name: str):
    """OpenFF's Interchange of a molecule, and the name of its charges."""
    from openff.toolkit import ForceField, Molecule
    from openff.toolkit.utils.nagl_wrapper import NAGLToolkitWrapper

    field = ForceField(name)
    molecule = Molecule.from_rdkit(rdkit_molecule, allow_undefined_stereo=True, hydrogens_are_explicit=True)
    if _CHARGES_IN_FILE in field.registered_parameter_handlers:
        charges = field.get_parameter_handler(_CHARGES_IN_FILE).model_file
        return field.create_interchange(molecule.to_topology()), charges
    molecule.assign_partial_charges(_CHARGES, toolkit_registry=NAGLToolkitWrapper())
    return field.create_interchange(molecule.to_topology(), charge_from_molecules=[molecule]), _CHARGES


class _SystemMaker:
    """`Structure.create_system` of OpenFF's parameters.

    The force field itself says which bonds are constrained: of Sage those to hydrogen.
    """

    def __init__(self, interchange):
        self._interchange = interchange

    def __call__(self, constraints=None, hydrogenMass=None, **_):
        import openmm
        from openmm import unit

        mass = {} if hydrogenMass is None else {"hydrogen_mass": hydrogenMass.value_in_unit(unit.dalton)}
        with _quiet():
            system = self._interchange.to_openmm_system(add_constrained_forces=constraints is None, **mass)
        if constraints is None:
            for index in reversed(range(system.getNumConstraints())):
                system.removeConstraint(index)
        for index in reversed(range(system.getNumForces())):
            if isinstance(system.getForce(index), openmm.CMMotionRemover):
                system.removeForce(index)
        return system
