"""The OpenMM System of the reference dynamics, its platform and its integrator."""

from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.solvents import require_forces_of

# One thread: trajectories in processes of their own scale better. Forces summed in one order make a restart
# repeatable.
_PROPERTIES = {"CPU": {"Threads": "1", "DeterministicForces": "true"}}


def build_reference_system(topology, physics: Physics):
    """The System of the reference dynamics: X-H bonds constrained, heavy hydrogens, free centre of mass.

    In water PME with the cutoff of `physics`, in the periodic box of the topology; without a cutoff
    otherwise.

    Raises
    ------
    MoleculeError
        If the force field has no parameters for the molecule.
    SamplingError
        If it makes an implicit solvent where `physics` says none, or none where it says one.
    """
    from openmm import app, unit

    if physics.in_water:
        method = {"nonbondedMethod": app.PME, "nonbondedCutoff": physics.cutoff_nm * unit.nanometer}
    else:
        method = {"nonbondedMethod": app.NoCutoff}
    try:
        system = app.ForceField(*physics.force_field).createSystem(
            topology,
            constraints=app.HBonds,
            hydrogenMass=physics.hydrogen_mass_amu * unit.dalton,
            removeCMMotion=False,
            **method,
        )
    except (ValueError, OSError) as error:
        raise MoleculeError(
            f"simulate: no System with {', '.join(physics.force_field)}; {error}; repair the structure or"
            " give another force field."
        ) from None
    require_forces_of(physics.solvent, system)
    return system


def find_platform(physics: Physics):
    """The platform of `physics` and its properties, by name.

    Raises
    ------
    SamplingError
        If this OpenMM does not have it.
    """
    import openmm

    try:
        return openmm.Platform.getPlatformByName(physics.platform), _PROPERTIES.get(physics.platform, {})
    except openmm.OpenMMException as error:
        raise SamplingError(f"simulate: {error}; give a platform that this OpenMM has.") from None


def langevin_integrator(physics: Physics, seed: int):
    """The thermostatted dynamics of `physics`."""
    import openmm
    from openmm import unit

    integrator = openmm.LangevinMiddleIntegrator(
        physics.temperature_K, physics.friction_per_ps, physics.timestep_fs * unit.femtosecond
    )
    integrator.setRandomNumberSeed(seed)
    return integrator
