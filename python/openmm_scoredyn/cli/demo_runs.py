"""The simulations of the demo: the same molecule with score dynamics, in water, and in implicit solvent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from openmm import LangevinMiddleIntegrator, LocalEnergyMinimizer, Platform, unit
from openmm.app import (
    PME,
    DCDReporter,
    ForceField,
    HBonds,
    Modeller,
    NoCutoff,
    PDBFile,
    Simulation,
    StateDataReporter,
)

from openmm_scoredyn.dynamics.integrator import ScoreDynamicsIntegrator

FORCE_FIELD = "amber99sbildn.xml"
IMPLICIT_SOLVENT = "amber99_obc.xml"
TEMPERATURE_K = 300.0
MD_STEP_PS = 0.004
MD_STEPS_PER_PS = 250
HYDROGEN_MASS_AMU = 3.0
# The smallest box of water in which the molecule does not see its own image: a larger one would only slow MD
# down.
WATER_PADDING_NM = 1.0
CUTOFF_NM = 0.8
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
    system = _implicit_system(pdb.topology)
    integrator = ScoreDynamicsIntegrator(str(model))
    integrator.setRandomNumberSeed(seed)
    simulation = Simulation(pdb.topology, system, integrator, _platform("CPU"), {"Threads": "1"})
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE_K, seed)
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
    modeller, system = _water_box(pdb) if water else (pdb, _implicit_system(pdb.topology))
    friction = 1.0 if water else 10.0
    integrator = LangevinMiddleIntegrator(TEMPERATURE_K, friction, MD_STEP_PS)
    integrator.setRandomNumberSeed(seed)
    # OpenMM is fastest for the small system on Reference, for the large one on CPU.
    platform = ("CPU", {"Threads": "1"}) if water else ("Reference", {})
    simulation = Simulation(modeller.topology, system, integrator, _platform(platform[0]), platform[1])
    simulation.context.setPositions(modeller.positions)
    LocalEnergyMinimizer.minimize(simulation.context, maxIterations=100)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE_K, seed)
    simulation.step(EQUILIBRATION_PS * MD_STEPS_PER_PS)
    frames = _FrameReporter(simulation, n_atoms, every=MD_STEPS_PER_PS)
    simulation.reporters.append(frames)
    started = time.perf_counter()
    elapsed = 0.0
    while elapsed < seconds:
        simulation.step(MD_STEPS_PER_PS)
        elapsed = time.perf_counter() - started
        done = simulation.currentStep / MD_STEPS_PER_PS - EQUILIBRATION_PS
        progress(done, max(done, done * seconds / elapsed))
    return frames.finish(elapsed)


def _platform(name: str) -> Platform:
    return Platform.getPlatformByName(name)


def _implicit_system(topology):
    """The System of the model's training data."""
    return ForceField(FORCE_FIELD, IMPLICIT_SOLVENT).createSystem(
        topology,
        nonbondedMethod=NoCutoff,
        constraints=HBonds,
        hydrogenMass=HYDROGEN_MASS_AMU,
        removeCMMotion=False,
    )


def _water_box(pdb: PDBFile):
    force_field = ForceField(FORCE_FIELD, "tip3p.xml")
    modeller = Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(force_field, model="tip3p", boxShape="octahedron", padding=WATER_PADDING_NM)
    system = force_field.createSystem(
        modeller.topology,
        nonbondedMethod=PME,
        nonbondedCutoff=CUTOFF_NM,
        constraints=HBonds,
        hydrogenMass=HYDROGEN_MASS_AMU,
    )
    return modeller, system


class _FrameReporter:
    """Keeps the molecule's positions in memory, the starting frame included."""

    def __init__(self, simulation: Simulation, n_atoms: int, every: int):
        self._n_atoms, self._every = n_atoms, every
        self._num_particles = simulation.system.getNumParticles()
        self._frames = []
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
