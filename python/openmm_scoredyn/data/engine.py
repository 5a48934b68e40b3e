"""The reference molecular dynamics: one trajectory in one OpenMM context, steered where asked."""

import numpy as np

from openmm_scoredyn.data.bias import TorsionBias
from openmm_scoredyn.data.plan import Physics
from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.molecule import Molecule

# Steering and bias sit in the last groups, which the dynamics leave out except while they are meant: a force constant
# of zero alone would still cost its evaluation at every step.
_STEERING_GROUP = 31
_BIAS_GROUP = 30
_ORDINARY_GROUPS = set(range(_BIAS_GROUP))
# Force constants in kJ/mol and durations in ps: soft first, so that the molecule is turned rather than torn.
_STEERING_RAMP = ((5.0, 1.0), (20.0, 1.0), (50.0, 2.8))
_MINIMISATION_STEPS = 100


class ReferenceEngine:
    """Dynamics of one trajectory.

    Parameters
    ----------
    topology, positions : openmm.app.Topology and positions with unit, complete with hydrogens
    physics : Physics
    seed : int, 1 .. 2^31 - 1
    bias : TorsionBias or None, on the first phi, at work in `step_biased` alone

    Raises
    ------
    MoleculeError
        If the force field has no parameters for the molecule.
    SamplingError
        If the platform does not exist.
    """

    def __init__(self, topology, positions, physics: Physics, seed: int, bias: TorsionBias | None = None):
        import openmm
        from openmm import unit

        self._physics, self._seed = physics, seed
        self.torsions = backbone_torsions(topology)
        system = build_reference_system(topology, physics)
        self.molecule = Molecule.from_topology(topology, system)
        self._steering = openmm.CustomTorsionForce("steering_k*(1-cos(theta-target))")
        self._steering.addGlobalParameter("steering_k", 0.0)
        self._steering.addPerTorsionParameter("target")
        for atoms in (atoms for pair in self.torsions for atoms in pair):
            self._steering.addTorsion(*atoms, [0.0])
        system.addForce(self._steering)
        self._steering.setForceGroup(_STEERING_GROUP)
        if bias is not None:
            force = bias.force(self.torsions[0][0])
            force.setForceGroup(_BIAS_GROUP)
            system.addForce(force)
        self._integrator = openmm.LangevinMiddleIntegrator(
            physics.temperature_K, physics.friction_per_ps, physics.timestep_fs * unit.femtosecond
        )
        self._integrator.setRandomNumberSeed(seed)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS)
        try:
            platform = openmm.Platform.getPlatformByName(physics.platform)
        except openmm.OpenMMException as error:
            raise SamplingError(f"simulate: {error}; give a platform that this OpenMM has.") from None
        self._context = openmm.Context(system, self._integrator, platform)
        self._context.setPositions(positions)

    def start(self, equilibration_ps: float) -> None:
        """Minimise, draw velocities and run `equilibration_ps`."""
        import openmm

        openmm.LocalEnergyMinimizer.minimize(self._context, maxIterations=_MINIMISATION_STEPS)
        self._context.setVelocitiesToTemperature(self._physics.temperature_K, self._seed)
        self._advance(equilibration_ps)

    def steer(self, targets: np.ndarray) -> None:
        """Pull phi and psi of every residue to targets (residues, 2), radians, and release them."""
        flat = np.ravel(targets)
        for index, atoms in enumerate(atoms for pair in self.torsions for atoms in pair):
            self._steering.setTorsionParameters(index, *atoms, [float(flat[index])])
        self._steering.updateParametersInContext(self._context)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS | {_STEERING_GROUP})
        for constant, duration_ps in _STEERING_RAMP:
            self._context.setParameter("steering_k", constant)
            self._advance(duration_ps)
        self._context.setParameter("steering_k", 0.0)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS)

    def step(self, n_steps: int) -> None:
        """Run the dynamics."""
        self._integrator.step(n_steps)

    def advance_biased(self, duration_ps: float) -> None:
        """Run the dynamics under the bias."""
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS | {_BIAS_GROUP})
        self._advance(duration_ps)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS)

    def draw_velocities(self, seed: int) -> np.ndarray:
        """Maxwell-Boltzmann velocities (N, 3), nm/ps, that obey the constraints at the present positions."""
        self._context.setVelocitiesToTemperature(self._physics.temperature_K, seed)
        return self.phase_point()[1]

    def phase_point(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions, nm, and velocities, nm/ps, (N, 3) float64 each."""
        state = self._context.getState(getPositions=True, getVelocities=True)
        # Without units, for speed: they are OpenMM's own.
        return state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value

    def set_phase_point(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Inverse of `phase_point`."""
        self._context.setPositions(positions)
        self._context.setVelocities(velocities)

    def positions(self) -> np.ndarray:
        """(N, 3) float32, nm.

        Raises
        ------
        SamplingError
            If the dynamics have blown up.
        """
        from openmm import unit

        state = self._context.getState(getPositions=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32)
        if not np.isfinite(positions).all():
            raise SamplingError(
                "simulate: a position is not finite, so the dynamics have blown up; check the structure, or use a shorter "
                "time step."
            )
        return positions

    def checkpoint(self) -> bytes:
        """Everything needed to go on bit for bit, random numbers included."""
        return self._context.createCheckpoint()

    def restore(self, checkpoint: bytes) -> None:
        """Inverse of `checkpoint`, in a new engine of the same molecule."""
        import openmm

        try:
            self._context.loadCheckpoint(checkpoint)
        except openmm.OpenMMException as error:
            raise SamplingError(
                f"simulate: the stored checkpoint cannot be loaded ({error}); go on with the OpenMM it was made with, or "
                f"delete the output folder."
            ) from None

    def _advance(self, duration_ps: float) -> None:
        self._integrator.step(round(duration_ps * 1000 / self._physics.timestep_fs))


def build_reference_system(topology, physics: Physics):
    """The System of the reference dynamics: no cutoff, X-H bonds constrained, heavy hydrogens, free centre of mass."""
    from openmm import app, unit

    try:
        return app.ForceField(*physics.force_field).createSystem(
            topology,
            nonbondedMethod=app.NoCutoff,
            constraints=app.HBonds,
            hydrogenMass=physics.hydrogen_mass_amu * unit.dalton,
            removeCMMotion=False,
        )
    except (ValueError, OSError) as error:
        raise MoleculeError(
            f"simulate: no System with {', '.join(physics.force_field)}; {error}; repair the structure or give another "
            f"force field."
        ) from None


def backbone_torsions(topology) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Atoms (four indices each) of phi and psi of every residue that has both, found by the names of the backbone atoms."""
    pairs = []
    for chain in topology.chains():
        residues = [{atom.name: atom.index for atom in residue.atoms()} for residue in chain.residues()]
        for before, here, after in zip(residues, residues[1:], residues[2:]):
            if "C" in before and {"N", "CA", "C"} <= here.keys() and "N" in after:
                backbone = (here["N"], here["CA"], here["C"])
                pairs.append(((before["C"], *backbone), (*backbone, after["N"])))
    return pairs
