"""The reference molecular dynamics of many copies at once, in vacuum or implicit solvent."""

import numpy as np

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.reference.engine import (
    MINIMISATION_STEPS,
    STEERING_RAMP,
    pack_state,
    steered_torsions,
    unpack_state,
)
from openmm_scoredyn.reference.lanes import Lanes, Pull, copies_at_once
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.start import Start, solute_size
from openmm_scoredyn.reference.system import build_reference_system
from openmm_scoredyn.version import __version__

# The copies are brought back to the origin as often as this: steps are made in single precision.
_CENTRED_EVERY_PS = 10.0


def copies_side_by_side(start: Start, physics: Physics) -> int:
    """Number of copies that take about as long as one with OpenMM: 16 or 8, by the processor; 1 where the
    System has what `Lanes` does not know, or the processor no such vectors.
    """
    if physics.in_water or physics.platform != "Reference" or not copies_at_once():
        return 1
    try:
        Lanes(build_reference_system(start.topology, physics, start.system))
    except SamplingError:
        return 1
    return copies_at_once()


class LanesEngine:
    """Dynamics of copies of a molecule, as `ReferenceEngine` has those of one.

    Positions are kept in double precision; steps are made in single precision, about the centre of each copy.

    Parameters
    ----------
    topology, positions : openmm.app.Topology and positions (N, 3), nm, of one molecule
    physics : Physics, in vacuum or implicit solvent
    seed : int, 1 .. 2^31 - 1
    copies : number of copies
    own : System that came with the topology, the molecule first in both, or None
    rotamers : steer every rotatable torsion instead of phi and psi

    Attributes
    ----------
    residues, steered : as of `ReferenceEngine`
    exact_restart : False: random numbers are no part of a checkpoint
    record : what made the frames, for the header of a store

    Raises
    ------
    MoleculeError
        If the force field has no parameters for the molecule.
    SamplingError
        If the System or the processor is none that `Lanes` knows.
    """

    exact_restart = False

    def __init__(
        self, topology, positions, physics: Physics, seed: int, copies: int, own=None, rotamers: bool = False
    ):
        self._physics, self._seed, self._calls, self._copies = physics, seed, 0, copies
        self._system = build_reference_system(topology, physics, own)
        self._lanes = Lanes(self._system)
        self.molecule = Particles.from_topology(topology, self._system)
        if own is not None:
            self.molecule = self.molecule.subset(list(range(solute_size(topology))))
        self.residues, self._torsions = steered_torsions(self.molecule, rotamers)
        atoms = len(self.molecule)
        self.steered = [
            tuple(copy * atoms + atom for atom in four) for copy in range(copies) for four in self._torsions
        ]
        self.record = {"engine": f"openmm-scoredyn {__version__}, side by side", "copies": copies}
        one = np.asarray(getattr(positions, "_value", positions), float)
        self._positions = np.repeat(one[None], copies, 0)
        self._velocities = np.zeros_like(self._positions)

    def start(self, equilibration_ps: float) -> None:
        """Minimise the molecule, draw velocities of each copy and run `equilibration_ps`."""
        import openmm

        context = openmm.Context(
            self._system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
        )
        context.setPositions(self._positions[0])
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=MINIMISATION_STEPS)
        found = context.getState(getPositions=True).getPositions(asNumpy=True)._value
        self.set_phase_point(np.repeat(found[None], self._copies, 0), self.draw_velocities(self._seed))
        self._advance(equilibration_ps)

    def steer(self, targets: np.ndarray) -> None:
        """Pull the torsions of `steered` to targets (K,), radians, and release them."""
        atoms = np.array(self._torsions)
        for constant, duration_ps in STEERING_RAMP:
            pull = Pull(atoms, np.reshape(targets, (self._copies, len(atoms))), constant)
            self._advance(duration_ps, pull)

    def step(self, n_steps: int, pull: Pull | None = None) -> None:
        """Run the dynamics."""
        physics = self._physics
        most = max(1, round(_CENTRED_EVERY_PS * 1000 / physics.timestep_fs))
        while n_steps > 0:
            centre = self._positions.mean(axis=1, keepdims=True)
            self._calls += 1
            positions, velocities = self._lanes.advance(
                self._positions - centre,
                self._velocities,
                min(n_steps, most),
                timestep_ps=physics.timestep_fs / 1000,
                friction_per_ps=physics.friction_per_ps,
                temperature_K=physics.temperature_K,
                seed=int(np.random.SeedSequence([self._seed, self._calls]).generate_state(1, np.uint64)[0]),
                pull=pull,
            )
            self.set_phase_point(centre + positions, velocities)
            n_steps -= most

    def draw_velocities(self, seed: int) -> np.ndarray:
        """Maxwell-Boltzmann velocities of all copies, (C, N, 3), nm/ps; the first step takes out what
        constraints forbid.
        """
        return self._lanes.velocities(self._copies, self._physics.temperature_K, seed)

    def phase_point(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions, nm, and velocities, nm/ps, (C, N, 3) float64."""
        return self._positions, self._velocities

    def set_phase_point(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Inverse of `phase_point`."""
        self._positions, self._velocities = np.asarray(positions, float), np.asarray(velocities, float)

    def positions(self) -> np.ndarray:
        """The molecule's, copies one after the other, (copies N, 3) float32, nm."""
        return self._positions[:, : len(self.molecule)].reshape(-1, 3).astype(np.float32)

    def checkpoint(self) -> bytes:
        """Everything `restore` needs."""
        return pack_state(*self.phase_point())

    def restore(self, checkpoint: bytes, seed: int) -> None:
        """Go on from a checkpoint, in this engine or a new one of the same molecule, with random numbers from
        `seed`.
        """
        positions, velocities = unpack_state(checkpoint, self._positions.shape)
        self._seed, self._calls = seed, 0
        self.set_phase_point(positions, velocities)

    def _advance(self, duration_ps: float, pull: Pull | None = None) -> None:
        self.step(round(duration_ps * 1000 / self._physics.timestep_fs), pull)
