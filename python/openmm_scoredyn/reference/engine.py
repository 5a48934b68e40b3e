"""The reference molecular dynamics: one trajectory in one OpenMM context, steered where asked."""

from io import BytesIO

import numpy as np

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.geometry import find_backbone_torsions, rotatable_torsions
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.reference.bias import TorsionBias
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.pressure import build_box_system
from openmm_scoredyn.reference.solvation import SolvatedBox
from openmm_scoredyn.reference.start import solute_size
from openmm_scoredyn.reference.system import build_reference_system, find_platform, langevin_integrator

# Steering and bias sit in the last groups, which the dynamics leave out except while they are meant: a force
# constant of zero alone would still cost its evaluation at every step.
_STEERING_GROUP = 31
_BIAS_GROUP = 30
_ORDINARY_GROUPS = set(range(_BIAS_GROUP))
# Force constants in kJ/mol and durations in ps: soft first, so that the molecule is turned rather than torn.
STEERING_RAMP = ((5.0, 1.0), (20.0, 1.0), (50.0, 2.8))
MINIMISATION_STEPS = 100


class ReferenceEngine:
    """Dynamics of one trajectory.

    Parameters
    ----------
    topology, positions : openmm.app.Topology and positions with unit, of one molecule complete with hydrogens
    physics : Physics
    seed : int, 1 .. 2^31 - 1
    bias : (TorsionBias, atoms of the torsion it acts on) or None, at work in `advance_biased` alone
    box : SolvatedBox or None, copies of the molecule in water, which then stand for `positions`
    own : System that came with the topology, the molecule first in both, or None
    rotamers : steer every rotatable torsion instead of phi and psi

    Attributes
    ----------
    residues : number of residues of one copy with phi and psi
    steered : atoms of the torsions that `steer` pulls, copy by copy: phi and psi of every residue, or every
        rotatable torsion
    exact_restart : whether random numbers are part of a checkpoint
    record : what made the frames, for the header of a store

    Raises
    ------
    MoleculeError
        If the force field has no parameters for the molecule.
    SamplingError
        If the platform does not exist.
    """

    def __init__(
        self,
        topology,
        positions,
        physics: Physics,
        seed: int,
        bias: tuple[TorsionBias, tuple[int, ...]] | None = None,
        box: SolvatedBox | None = None,
        own=None,
        rotamers: bool = False,
    ):
        import openmm

        self._physics, self._seed = physics, seed
        self.exact_restart = physics.exact_restart
        self.record = {"platform": physics.platform}
        if box is None:
            system = build_reference_system(topology, physics, own)
        else:
            system, positions = build_box_system(topology, box, physics), box.positions
        self.molecule = Particles.from_topology(topology, system)
        if own is not None:
            self.molecule = self.molecule.subset(list(range(solute_size(topology))))
        copies, atoms = box.copies if box is not None else 1, len(self.molecule)
        self._kept = copies * atoms
        self.residues, torsions = steered_torsions(self.molecule, rotamers)
        self.steered = [
            tuple(copy * atoms + atom for atom in four) for copy in range(copies) for four in torsions
        ]
        self._add_steering(system)
        if bias is not None:
            force = bias[0].force(bias[1])
            force.setForceGroup(_BIAS_GROUP)
            system.addForce(force)
        self._integrator = langevin_integrator(physics, seed)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS)
        self._context = openmm.Context(system, self._integrator, *find_platform(physics))
        self._context.setPositions(positions)

    def _add_steering(self, system) -> None:
        import openmm

        self._steering = openmm.CustomTorsionForce("steering_k*(1-cos(theta-target))")
        self._steering.addGlobalParameter("steering_k", 0.0)
        self._steering.addPerTorsionParameter("target")
        for atoms in self.steered:
            self._steering.addTorsion(*atoms, [0.0])
        system.addForce(self._steering)
        self._steering.setForceGroup(_STEERING_GROUP)

    def start(self, equilibration_ps: float) -> None:
        """Minimise, draw velocities and run `equilibration_ps`."""
        import openmm

        openmm.LocalEnergyMinimizer.minimize(self._context, maxIterations=MINIMISATION_STEPS)
        self._context.setVelocitiesToTemperature(self._physics.temperature_K, self._seed)
        self._advance(equilibration_ps)

    def steer(self, targets: np.ndarray) -> None:
        """Pull the torsions of `steered` to targets (K,), radians, hold them in water, and release them."""
        for index, (atoms, target) in enumerate(zip(self.steered, targets, strict=True)):
            self._steering.setTorsionParameters(index, *atoms, [float(target)])
        self._steering.updateParametersInContext(self._context)
        self._integrator.setIntegrationForceGroups(_ORDINARY_GROUPS | {_STEERING_GROUP})
        for constant, duration_ps in STEERING_RAMP:
            self._context.setParameter("steering_k", constant)
            self._advance(duration_ps)
        # The pull acts on the solute alone: once water is used to the place, it is as in equilibrium.
        self._advance(self._physics.hold_ps)
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
        """Maxwell-Boltzmann velocities of everything, nm/ps, that obey the constraints at the present
        positions.
        """
        self._context.setVelocitiesToTemperature(self._physics.temperature_K, seed)
        return self.phase_point()[1]

    def phase_point(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions, nm, and velocities, nm/ps, float64, of everything, solvent included."""
        state = self._context.getState(getPositions=True, getVelocities=True)
        # Without units, for speed: they are OpenMM's own.
        return state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value

    def set_phase_point(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Inverse of `phase_point`."""
        self._context.setPositions(positions)
        self._context.setVelocities(velocities)

    def positions(self) -> np.ndarray:
        """The molecule's, copies one after the other, (copies N, 3) float32, nm, whole.

        Raises
        ------
        SamplingError
            If the dynamics have blown up.
        """
        from openmm import unit

        state = self._context.getState(getPositions=True)
        positions = (
            state.getPositions(asNumpy=True)[: self._kept].value_in_unit(unit.nanometer).astype(np.float32)
        )
        if not np.isfinite(positions).all():
            raise SamplingError(
                "simulate: a position is not finite, so the dynamics have blown up; check the structure, or"
                " use a shorter time step."
            )
        return positions

    def checkpoint(self) -> bytes:
        """Everything `restore` needs."""
        if self._physics.exact_restart:
            return self._context.createCheckpoint()
        return pack_state(*self.phase_point())

    def restore(self, checkpoint: bytes, seed: int) -> None:
        """Go on from a checkpoint, in this engine or a new one of the same molecule.

        Only the Reference platform keeps its random numbers in checkpoints. Elsewhere positions and
        velocities go on in a new context, with random numbers from `seed`.
        """
        import openmm

        try:
            if self._physics.exact_restart:
                self._context.loadCheckpoint(checkpoint)
                return
            self._integrator.setRandomNumberSeed(seed)
            self._context.reinitialize()
            self.set_phase_point(*unpack_state(checkpoint, (self._context.getSystem().getNumParticles(), 3)))
        except openmm.OpenMMException as error:
            raise _not_loaded(error) from None

    def _advance(self, duration_ps: float) -> None:
        self._integrator.step(round(duration_ps * 1000 / self._physics.timestep_fs))


def steered_torsions(molecule: Particles, rotamers: bool) -> tuple[int, list[tuple[int, ...]]]:
    """Number of residues with phi and psi, and the torsions that are steered: these, or with `rotamers` every
    rotatable one.
    """
    backbone = find_backbone_torsions(molecule)
    if rotamers:
        return len(backbone), [tuple(torsion) for torsion in rotatable_torsions(molecule).tolist()]
    return len(backbone), [torsion for pair in backbone for torsion in pair]


def pack_state(positions: np.ndarray, velocities: np.ndarray) -> bytes:
    """Bytes of positions, nm, and velocities, nm/ps, (..., 3) float64 each, exactly."""
    buffer = BytesIO()
    np.save(buffer, np.stack([positions, velocities]), allow_pickle=False)
    return buffer.getvalue()


def unpack_state(state: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Inverse of `pack_state`, (2, *shape).

    Raises
    ------
    SamplingError
        If the bytes are others.
    """
    try:
        found = np.load(BytesIO(state), allow_pickle=False)
    except ValueError as error:
        raise _not_loaded(error) from None
    if found.shape != (2, *shape):
        raise _not_loaded(f"expected {(2, *shape)}, found {found.shape}")
    return found


def _not_loaded(reason: object) -> SamplingError:
    return SamplingError(
        f"simulate: the stored checkpoint cannot be loaded ({reason}); go on with the OpenMM it was"
        " made with, or delete the output folder."
    )
