"""What every trajectory of a folder starts from: the molecule, and the System that came with it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.molecule.structure import Structure, is_solvent
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.solvents import VACUUM, forces_of, spelled

# Time steps, fs, that a System bears: by whether its bonds to hydrogen are constrained, and its hydrogens
# heavy.
_LONGEST_STEP_FS = {(True, True): 4.0, (True, False): 2.0, (False, True): 2.0, (False, False): 1.0}
_HEAVY_AMU = 2.5


@dataclass(frozen=True, eq=False)
class Start:
    """A molecule to simulate; it goes to other processes as it is.

    Attributes
    ----------
    topology : openmm.app.Topology, of the solute, followed by its solvent where a System came with both
    positions : (M, 3) float64, nm
    sha256 : of the files it was read from, hexadecimal
    system_xml : str, the System that came with it, or None: a force field makes it
    """

    topology: Any
    positions: np.ndarray
    sha256: str
    system_xml: str | None = None

    @property
    def system(self):
        """The System that came with it, a new object each time; None where a force field makes it."""
        import openmm

        return None if self.system_xml is None else openmm.XmlSerializer.deserialize(self.system_xml)


def physics_of(structure: Structure, solvent: str | None, **changes) -> Physics:
    """The physics of a structure whose files hold its parameters.

    Parameters
    ----------
    solvent : as of `Physics`; None for what the System holds, for a solute of Amber or CHARMM alone
        "implicit (OBC)", for one of OpenFF "vacuum"

    Raises
    ------
    SamplingError
        If a solvent is asked for that OpenFF's force field does not have.
    """
    if structure.force_field:
        solvent = _vacuum_only(structure, solvent)
    elif solvent is None:
        if any(is_solvent(residue) for residue in structure.topology.residues()):
            solvent = "water"
        elif structure.system is not None:
            solvent = (
                ", ".join(["implicit", *forces_of(structure.system)])
                if forces_of(structure.system)
                else "vacuum"
            )
        else:
            solvent = "implicit (OBC)"
    changes["force_field"] = structure.force_field or tuple(file.name for file in structure.files)
    return Physics.in_solvent(solvent, own_system=True, **changes)


def _vacuum_only(structure: Structure, solvent: str | None) -> str:
    if solvent is None or spelled(solvent).startswith(VACUUM):
        return solvent or VACUUM
    raise SamplingError(
        f"simulate: {structure.force_field[0]} has no parameters of a solvent; expected --solvent {VACUUM},"
        f" found {solvent!r}; give that, or a System of the molecule in its solvent (--system)."
    )


def make_start(structure: Structure, physics: Physics) -> Start:
    """The start of a structure, its System made where its files hold the parameters.

    Raises
    ------
    MoleculeError
        If no System can be made, or solvent stands before the solute.
    SamplingError
        If the System is of another solvent, or bears no time step as long as that of `physics`.
    """
    import openmm

    if not physics.own_system:
        return Start(structure.topology, structure.positions, structure.sha256)
    _require_solute_first(structure.topology)
    system = structure.system or _from_parameters(structure, physics)
    _require_time_step(system, structure.topology, physics)
    return Start(
        structure.topology, structure.positions, structure.sha256, openmm.XmlSerializer.serialize(system)
    )


def solute_size(topology) -> int:
    """Number of leading atoms that are no solvent."""
    return sum(1 for atom in topology.atoms() if not is_solvent(atom.residue))


def _require_solute_first(topology) -> None:
    seen = [is_solvent(atom.residue) for atom in topology.atoms()]
    if seen != sorted(seen):
        raise MoleculeError(
            "simulate: solvent stands between atoms of the molecule; expected the molecule first, found"
            f" solvent at atom {seen.index(True)} and the molecule after it; reorder the files."
        )
    if all(seen):
        raise MoleculeError(
            "simulate: expected a molecule to simulate, found water and ions alone; give a molecule."
        )


def _from_parameters(structure: Structure, physics: Physics):
    from openmm import app, unit

    periodic = structure.topology.getPeriodicBoxVectors() is not None
    options = {
        "nonbondedMethod": app.PME if periodic else app.NoCutoff,
        "nonbondedCutoff": physics.cutoff_nm * unit.nanometer,
        "constraints": app.HBonds,
        "hydrogenMass": physics.hydrogen_mass_amu * unit.dalton,
        "removeCMMotion": False,
    }
    name = physics.solvent.removeprefix("implicit (").rstrip(")")
    if physics.solvent.startswith("implicit"):
        options["implicitSolvent"] = getattr(app, {"OBC": "OBC2"}.get(name, name), None)
    assert structure.create_system is not None, "the files hold the parameters, or a System was given"
    try:
        return structure.create_system(**options)
    except Exception as error:  # noqa: BLE001 - OpenMM raises bare exceptions, too
        files = ", ".join(file.name for file in structure.files)
        raise MoleculeError(
            f"simulate: no System with {files}; {' '.join(str(error).split()).rstrip('.')}; give another"
            " file or --solvent."
        ) from None


def _require_time_step(system, topology, physics: Physics) -> None:
    constrained = {
        frozenset(system.getConstraintParameters(k)[:2]) for k in range(system.getNumConstraints())
    }
    hydrogens = [
        (frozenset((first.index, second.index)), first.index if _is_hydrogen(first) else second.index)
        for first, second in topology.bonds()
        if _is_hydrogen(first) != _is_hydrogen(second) and not is_solvent(first.residue)
    ]
    if not hydrogens:
        return
    rigid = all(bond in constrained for bond, _ in hydrogens)
    heavy = all(system.getParticleMass(atom)._value >= _HEAVY_AMU for _, atom in hydrogens)
    longest = _LONGEST_STEP_FS[rigid, heavy]
    if physics.timestep_fs > longest:
        raise SamplingError(
            f"simulate: the System has {'rigid' if rigid else 'free'} bonds to"
            f" {'heavy' if heavy else 'light'} hydrogens; expected a time step of at most {longest:g} fs,"
            f" found {physics.timestep_fs:g} fs;"
            f" give --timestep {longest:g}fs, or a System with constraints=HBonds and heavier hydrogens."
        )


def _is_hydrogen(atom) -> bool:
    return atom.element is not None and atom.element.symbol == "H"
