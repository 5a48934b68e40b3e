"""What a command simulates: the structure, and the physics that it asks for or that its files hold."""

from dataclasses import replace
from pathlib import Path

from openmm_scoredyn.cli.options import refuse_without_effect


def read_molecule(
    command: str, path: Path, coordinates, parameters, system, strip: bool, repair: bool, force_field
):
    """The Structure to simulate, with parameters of OpenFF where `force_field`, a list or None, names a file
    of it.

    Raises
    ------
    MoleculeError
        As `read_structure` and `with_openff`.
    SamplingError
        If atoms are to be removed or added although the files hold the parameters of all of them.
    """
    from openmm_scoredyn.molecule.openff import is_openff, with_openff
    from openmm_scoredyn.molecule.repair import repair_structure
    from openmm_scoredyn.molecule.structure import read_structure, strip_solvent

    found = read_structure(path, coordinates=coordinates, parameters=parameters or (), system=system)
    if not found.holds_parameters and any(map(is_openff, force_field or ())):
        found = with_openff(found, force_field)
    if found.holds_parameters:
        refuse_without_effect(
            command,
            {"strip": strip or None, "repair": repair or None},
            "the files of the structure hold the parameters of all its atoms",
            "leave them out, or give the structure as PDB",
        )
    for change, wanted in ((strip_solvent, strip), (repair_structure, repair)):
        if wanted:
            topology, positions = change(found.topology, found.positions)
            found = replace(found, topology=topology, positions=positions)
    return found


def choose_physics(command: str, structure, solvent: str | None, force_field: list[str] | None, **given):
    """The Physics of a structure: that of its own parameters where its files hold them.

    Parameters
    ----------
    given : attributes of `Physics`; one that is None has its default

    Raises
    ------
    SamplingError
        If a force field is given although the files hold one, or does not make the solvent.
    """
    from openmm_scoredyn.reference.physics import Physics
    from openmm_scoredyn.reference.start import physics_of

    given = {name: value for name, value in given.items() if value is not None}
    if not structure.holds_parameters:
        files = {"force_field": tuple(force_field)} if force_field else {}
        return Physics.in_solvent("implicit (OBC)" if solvent is None else solvent, **files, **given)
    refuse_without_effect(
        command,
        {"force-field": [] if structure.force_field else force_field or []},
        "the files of the structure hold a force field",
        "leave it out, or give the structure as PDB",
    )
    return physics_of(structure, solvent, **given)
