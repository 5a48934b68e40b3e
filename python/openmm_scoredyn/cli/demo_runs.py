"""The simulations of the demo: the same molecule with score dynamics, in water, and in implicit solvent."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from openmm import Platform, unit
from openmm.app import DCDReporter, Modeller, PDBFile, Simulation, StateDataReporter

from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.system import add_solvent, build_reference_system, langevin_simulation

IMPLICIT = Physics()
# The smallest box of water in which the molecule does not see its own image: a larger one would only slow MD
# down.
IN_WATER = Physics.in_solvent("tip3p", padding_nm=1.0, cutoff_nm=0.75)
EQUILIBRATION_PS = 2

# Called with the picoseconds done, and those expected in all.
Progress = Callable[[float, float], None]


@dataclass(frozen=True, eq=False)
class TimedRun:
    """A simulation and how long it took.

    Attributes
    ----------
    positions_nm : (T, N, 3) float32, the molecule without its water, one frame per ps
    wall_s : float, seconds spent stepping and reporting
    num_particles : int, water included
    """

    positions_nm: np.ndarray
    wall_s: float
    num_particles: int

    @property
    def length_ps(self) -> float:
        return len(self.positions_nm) - 1.0

    @property
    def ps_per_s(self) -> float:
        return self.length_ps / self.wall_s


def score_dynamics(
    structure: Path, model: Path, n_steps: int, seed: int, folder: Path, progress: Progress
) -> TimedRun:
    """An ordinary OpenMM script with `ScoreDynamicsIntegrator` in it; leaves a DCD file and a log in
    `folder`.
    """
    pdb = PDBFile(str(structure))
    system = build_reference_system(pdb.topology, IMPLICIT)
    integrator = ScoreDynamicsIntegrator(str(model))
    integrator.setRandomNumberSeed(seed)
    simulation = Simulation(
        pdb.topology, system, integrator, Platform.getPlatformByName("CPU"), {"Threads": "1"}
    )
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(IMPLICIT.temperature_K, seed)
    frames = _FrameReporter(simulation, len(list(pdb.topology.atoms())), every=1)
    simulation.reporters.append(DCDReporter(str(folder / "alanine-dipeptide.dcd"), 1))
    simulation.reporters.append(
        StateDataReporter(str(folder / "log.csv"), 10, step=True, time=True, potentialEnergy=True, speed=True)
    )
    simulation.reporters.append(frames)
    started = time.perf_counter()
    for done in range(0, n_steps, 100):
        simulation.step(min(100, n_steps - done))
        progress(min(done + 100, n_steps), n_steps)
    return frames.finish(time.perf_counter() - started)


def molecular_dynamics(
    structure: Path, water: bool, seconds: float, seed: int, progress: Progress
) -> TimedRun:
    """Langevin dynamics for as long as `seconds` of wall time allow, in a box of TIP3P water or in implicit
    solvent.
    """
    pdb = PDBFile(str(structure))
    n_atoms = len(list(pdb.topology.atoms()))
    simulation = water_simulation(pdb, seed) if water else implicit_simulation(pdb, seed)
    steps = round(1000 / IN_WATER.timestep_fs)
    simulation.step(EQUILIBRATION_PS * steps)
    frames = _FrameReporter(simulation, n_atoms, every=steps)
    simulation.reporters.append(frames)
    started = time.perf_counter()
    elapsed = 0.0
    while elapsed < seconds:
        simulation.step(steps)
        elapsed = time.perf_counter() - started
        done = simulation.currentStep / steps - EQUILIBRATION_PS
        progress(done, max(done, done * seconds / elapsed))
    return frames.finish(elapsed)


def implicit_simulation(pdb: PDBFile, seed: int) -> Simulation:
    """The molecule in the implicit solvent of the model's training data, minimised, with velocities."""
    system = build_reference_system(pdb.topology, IMPLICIT)
    return langevin_simulation(pdb.topology, pdb.positions, system, IMPLICIT, seed)


def water_simulation(pdb: PDBFile, seed: int, platform: str = "CPU") -> Simulation:
    """The molecule in a box of water, minimised, with velocities."""
    physics = replace(IN_WATER, platform=platform)
    modeller = Modeller(pdb.topology, pdb.positions)
    add_solvent(modeller, physics, boxShape="octahedron", padding=physics.padding_nm * unit.nanometer)
    system = build_reference_system(modeller.topology, physics)
    return langevin_simulation(modeller.topology, modeller.positions, system, physics, seed)


class _FrameReporter:
    """Keeps the molecule's positions in memory, the starting frame included."""

    def __init__(self, simulation: Simulation, n_atoms: int, every: int):
        self._n_atoms, self._every = n_atoms, every
        self._num_particles = simulation.system.getNumParticles()
        self._frames: list[np.ndarray] = []
        # Without enforced periodic images: molecules stay whole.
        self.report(simulation, simulation.context.getState(positions=True))

    def describeNextReport(self, simulation: Simulation) -> dict:
        steps = self._every - simulation.currentStep % self._every
        return {"steps": steps, "periodic": False, "include": ["positions"]}

    def report(self, simulation: Simulation, state) -> None:
        positions = state.getPositions(asNumpy=True)[: self._n_atoms].value_in_unit(unit.nanometer)
        self._frames.append(positions.astype(np.float32))

    def finish(self, wall_s: float) -> TimedRun:
        return TimedRun(np.stack(self._frames), wall_s, self._num_particles)
