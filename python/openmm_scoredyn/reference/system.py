"""The OpenMM System of the reference dynamics, its platform and its integrator."""

from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.solvents import WATER, require_forces_of

# One thread: trajectories in processes of their own scale better. Forces summed in one order make a restart
# repeatable.
_MINIMISATION_STEPS = 100
_PROPERTIES = {"CPU": {"Threads": "1", "DeterministicForces": "true"}}


def build_reference_system(topology, physics: Physics, own=None):
    """The System of the reference dynamics: X-H bonds constrained, heavy hydrogens, free centre of mass.

    In water PME with the cutoff of `physics`, in the periodic box of the topology; without a cutoff
    otherwise.

    Parameters
    ----------
    own : the System that came with the structure, which is used as it is

    Raises
    ------
    MoleculeError
        If the force field has no parameters for the molecule.
    SamplingError
        If it makes an implicit solvent where `physics` says none, or none where it says one.
    """
    from openmm import app, unit

    if own is not None:
        require_forces_of(physics.solvent, own)
        return own
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
    except Exception as error:  # noqa: BLE001 - OpenMM raises bare exceptions, too
        raise _no_system(physics, error) from None
    require_forces_of(physics.solvent, system)
    return system


def add_solvent(modeller, physics: Physics, **box) -> None:
    """Fill a Modeller with the water of `physics`; `box` as `Modeller.addSolvent` takes it.

    Raises
    ------
    MoleculeError
        If the force field does not hold the water or does not know the molecule.
    """
    from openmm import app

    try:
        modeller.addSolvent(app.ForceField(*physics.force_field), model=physics.solvent, **box)
    except Exception as error:  # noqa: BLE001 - OpenMM raises bare exceptions, too
        raise _no_system(physics, error) from None


def _no_system(physics: Physics, error: Exception) -> MoleculeError:
    files = ", ".join(physics.force_field)
    reason = " ".join(str(error).split())
    if "HOH" in reason and physics.in_water:
        advice = (
            f"the force field holds no water: add {' and '.join(WATER[physics.solvent])} to --force-field"
        )
    elif "error reading file" in reason:
        advice = "give force field files of OpenMM, in XML"
    elif "No parameters defined" in reason:
        advice = f"the solvent {physics.solvent} does not know that atom: simulate in vacuum or in water"
    else:
        advice = "repair the structure (--repair) or give another force field"
    return MoleculeError(f"simulate: no System with {files}; {reason}; {advice}.")


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


INTEGRATORS = ("LangevinMiddleIntegrator", "LangevinIntegrator")


def langevin_integrator(physics: Physics, seed: int, name: str = INTEGRATORS[0]):
    """The thermostatted dynamics of `physics`, with one of `INTEGRATORS`."""
    import openmm
    from openmm import unit

    integrator = getattr(openmm, name)(
        physics.temperature_K, physics.friction_per_ps, physics.timestep_fs * unit.femtosecond
    )
    integrator.setRandomNumberSeed(seed)
    return integrator


def langevin_simulation(
    topology, positions, system, physics: Physics, seed: int, integrator: str = INTEGRATORS[0]
):
    """A Simulation ready to step: minimised, with velocities; the one set-up of ordinary molecular dynamics.

    Parameters
    ----------
    topology, positions, system : of everything, water and box included where there is water
    physics : temperature, friction, time step and platform
    seed : of velocities and noise
    integrator : one of `INTEGRATORS`
    """
    import openmm
    from openmm.app import Simulation

    simulation = Simulation(
        topology, system, langevin_integrator(physics, seed, integrator), *find_platform(physics)
    )
    simulation.context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(simulation.context, maxIterations=_MINIMISATION_STEPS)
    simulation.context.setVelocitiesToTemperature(physics.temperature_K, seed)
    return simulation
