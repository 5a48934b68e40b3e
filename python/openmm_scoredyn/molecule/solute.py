"""The part of an OpenMM System that acts on some of its particles: a solute without its solvent."""

import logging
from collections.abc import Callable, Sequence

from openmm_scoredyn.errors import MoleculeError

_LOGGER = logging.getLogger(__name__)

# What acts on a box or on the motion of everything; without the box it means nothing.
_OF_THE_BOX = ("CMMotionRemover", "MonteCarloBarostat", "MonteCarloAnisotropicBarostat", "AndersenThermostat")


def reduce_system(system, particles: Sequence[int], masses_amu: Sequence[float]):
    """A System of some particles of another, in the given order.

    Parameters
    ----------
    system : openmm.System
    particles : indices into `system`, in the order of the new System
    masses_amu : one per particle of the new System

    Returns
    -------
    openmm.System
        With the terms of bonded forces, the constraints and the nonbonded interactions among the particles,
        without a cutoff and without a box.

    Raises
    ------
    MoleculeError
        If a particle is a virtual site, or a force is of a kind whose part is not known.
    """
    import openmm

    new = {int(particle): index for index, particle in enumerate(particles)}
    reduced = openmm.System()
    for particle, mass in zip(particles, masses_amu, strict=True):
        if system.isVirtualSite(int(particle)):
            raise MoleculeError(
                f"prepare: particle {particle} of the System is a virtual site; expected atoms of the"
                " molecule alone; give a System without it."
            )
        reduced.addParticle(mass)
    for index in range(system.getNumConstraints()):
        first, second, length = system.getConstraintParameters(index)
        if first in new and second in new:
            reduced.addConstraint(new[first], new[second], length)
    for force in system.getForces():
        kind = type(force).__name__
        if kind in _OF_THE_BOX:
            _LOGGER.info("prepare: the %s of the System is left out: it acts on the whole box.", kind)
        elif kind in _PARTS:
            part = _PARTS[kind](force, new)
            part.setForceGroup(force.getForceGroup())
            reduced.addForce(part)
        else:
            raise MoleculeError(
                f"prepare: the part of a {kind} that acts on the molecule is not known; expected forces among"
                f" {', '.join(_PARTS)}; give a System without it, or one of the molecule alone."
            )
    return reduced


def _nonbonded(force, new: dict[int, int]):
    import openmm

    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise MoleculeError(
            "prepare: the NonbondedForce has parameter offsets, whose part is not known; expected none; give"
            " a System of the molecule alone."
        )
    part = openmm.NonbondedForce()
    part.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for particle in new:
        part.addParticle(*force.getParticleParameters(particle))
    for index in range(force.getNumExceptions()):
        first, second, *values = force.getExceptionParameters(index)
        if first in new and second in new:
            part.addException(new[first], new[second], *values)
    return part


def _born(force, new: dict[int, int]):
    import openmm

    part = openmm.GBSAOBCForce()
    part.setNonbondedMethod(openmm.GBSAOBCForce.NoCutoff)
    for name in ("SoluteDielectric", "SolventDielectric", "SurfaceAreaEnergy"):
        getattr(part, f"set{name}")(getattr(force, f"get{name}")())
    for particle in new:
        part.addParticle(*force.getParticleParameters(particle))
    return part


def _bonded(kind: str, ends: int) -> Callable:
    """Terms among the particles of a force whose terms are `ends` particles and values: Bond, Angle or
    Torsion.
    """

    def part_of(force, new: dict[int, int]):
        import openmm

        what = {2: "Bond", 3: "Angle", 4: "Torsion"}[ends]
        custom = kind.startswith("Custom")
        part = getattr(openmm, kind)(*([force.getEnergyFunction()] if custom else []))
        if custom:
            for index in range(force.getNumGlobalParameters()):
                part.addGlobalParameter(
                    force.getGlobalParameterName(index), force.getGlobalParameterDefaultValue(index)
                )
            for index in range(getattr(force, f"getNumPer{what}Parameters")()):
                getattr(part, f"addPer{what}Parameter")(getattr(force, f"getPer{what}ParameterName")(index))
        for index in range(getattr(force, f"getNum{what}s")()):
            term = getattr(force, f"get{what}Parameters")(index)
            if all(end in new for end in term[:ends]):
                getattr(part, f"add{what}")(*(new[end] for end in term[:ends]), *term[ends:])
        return part

    return part_of


def _cmap(force, new: dict[int, int]):
    import openmm

    part = openmm.CMAPTorsionForce()
    for index in range(force.getNumMaps()):
        part.addMap(*force.getMapParameters(index))
    for index in range(force.getNumTorsions()):
        which, *ends = force.getTorsionParameters(index)
        if all(end in new for end in ends):
            part.addTorsion(which, *(new[end] for end in ends))
    return part


_PARTS: dict[str, Callable] = {
    "NonbondedForce": _nonbonded,
    "GBSAOBCForce": _born,
    "CMAPTorsionForce": _cmap,
    **{
        kind: _bonded(kind, ends)
        for kind, ends in {
            "HarmonicBondForce": 2,
            "CustomBondForce": 2,
            "HarmonicAngleForce": 3,
            "CustomAngleForce": 3,
            "PeriodicTorsionForce": 4,
            "RBTorsionForce": 4,
            "CustomTorsionForce": 4,
        }.items()
    },
}
