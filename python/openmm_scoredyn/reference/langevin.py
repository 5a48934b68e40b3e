"""The Langevin side of a comparison: ordinary molecular dynamics for a given length or wall time."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmm_scoredyn.data.trajectory import Trajectory
from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.molecule.particles import Particles
from openmm_scoredyn.molecule.structure import read_structure
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.start import make_start, physics_of
from openmm_scoredyn.reference.system import INTEGRATORS, build_reference_system, langevin_simulation

EQUILIBRATION_PS = 10.0


@dataclass(frozen=True)
class LangevinRun:
    """What to run.

    Attributes
    ----------
    structure : Path of the whole System, the molecule of interest first, in any format of `read_structure`
    system : Path of a System in OpenMM's XML, or None for the parameters in the files of the structure, or
        else the default implicit solvent (`reference.physics.Physics`)
    integrator : "LangevinMiddleIntegrator" or "LangevinIntegrator"
    atoms : number of leading atoms to keep, all if None
    """

    structure: Path
    system: Path | None = None
    integrator: str = "LangevinMiddleIntegrator"
    temperature_K: float = 300.0
    friction_per_ps: float = 10.0
    timestep_fs: float = 4.0
    frame_spacing_ps: float = 1.0
    platform: str | None = None
    atoms: int | None = None
    seed: int = 1

    def __post_init__(self):
        if self.integrator not in INTEGRATORS:
            raise SamplingError(
                f"compare: unknown integrator; expected {' or '.join(INTEGRATORS)}, found"
                f" {self.integrator!r}; choose one."
            )
        steps = 1000 * self.frame_spacing_ps / self.timestep_fs
        if abs(steps - round(steps)) > 1e-6 or steps < 1:
            raise SamplingError(
                "compare: the frame spacing must be a multiple of the time step; expected a multiple of "
                f"{self.timestep_fs:g} fs, found {self.frame_spacing_ps:g} ps; change one of them."
            )


def require_one_limit(length, wall_time) -> None:
    """Raise `SamplingError` unless exactly one of the two is not None."""
    if (length is None) == (wall_time is None):
        raise SamplingError(
            "compare: expected either a length or a wall time for the Langevin side, found "
            f"{'neither' if length is None else 'both'}; give one of them."
        )


def run_langevin(
    run: LangevinRun,
    *,
    length_ps: float | None = None,
    wall_s: float | None = None,
    progress: Callable[[float, float], None] = lambda done, total: None,
) -> tuple[Trajectory, float]:
    """Molecular dynamics until `length_ps` or `wall_s` is reached, after 10 ps of equilibration.

    Returns
    -------
    trajectory : Trajectory of the kept atoms
    speed : ps per second of wall clock, frames included

    Raises
    ------
    SamplingError
        If neither or both limits are given, or a file cannot be used.
    """
    require_one_limit(length_ps, wall_s)
    until_ps, until_s = (math.inf if limit is None else limit for limit in (length_ps, wall_s))
    simulation = _simulation(run)
    kept = run.atoms or simulation.topology.getNumAtoms()
    steps = round(1000 * run.frame_spacing_ps / run.timestep_fs)
    simulation.step(max(1, round(EQUILIBRATION_PS / run.frame_spacing_ps)) * steps)
    frames, started, elapsed = [_positions(simulation, kept)], time.perf_counter(), 0.0
    done = 0.0
    while len(frames) < 2 or (elapsed < until_s and done < until_ps):
        simulation.step(steps)
        frames.append(_positions(simulation, kept))
        elapsed = time.perf_counter() - started
        done = (len(frames) - 1) * run.frame_spacing_ps
        progress(done, min(until_ps, max(done, done * until_s / elapsed)))
    positions = np.stack(frames)
    trajectory = Trajectory(
        segments=(positions,),
        frame_spacing_ps=run.frame_spacing_ps,
        temperature_K=run.temperature_K,
        molecule=Particles.from_topology(simulation.topology, simulation.system).subset(range(kept)),
        steered=False,
        consecutive=True,
        source_sha256=hashlib.sha256(positions.tobytes()).hexdigest(),
    )
    return trajectory, (len(frames) - 1) * run.frame_spacing_ps / elapsed


def _simulation(run: LangevinRun):
    """A minimised Simulation with velocities."""
    structure = read_structure(run.structure, system=run.system)
    system = structure.system
    if system is None and structure.holds_parameters:
        system = make_start(structure, physics_of(structure, None, timestep_fs=run.timestep_fs)).system
    if system is None:
        system = build_reference_system(structure.topology, Physics())
    physics = Physics(
        temperature_K=run.temperature_K,
        friction_per_ps=run.friction_per_ps,
        timestep_fs=run.timestep_fs,
        # Fastest without a GPU.
        platform=run.platform or ("Reference" if system.getNumParticles() < 100 else "CPU"),
    )
    return langevin_simulation(
        structure.topology, structure.positions, system, physics, run.seed, run.integrator
    )


def _positions(simulation, kept: int) -> np.ndarray:
    """Positions of the leading atoms, (kept, 3) float32, nm, molecules whole."""
    from openmm import unit

    state = simulation.context.getState(positions=True)
    return state.getPositions(asNumpy=True)[:kept].value_in_unit(unit.nanometer).astype(np.float32)
