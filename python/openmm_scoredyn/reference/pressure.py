"""The box of a simulation in water: its size from a run at constant pressure, and water that fits it."""

import logging

import numpy as np

from openmm_scoredyn.errors import SamplingError
from openmm_scoredyn.reference.copies import repulsion
from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.solvation import SolvatedBox, solvate
from openmm_scoredyn.reference.system import build_reference_system, find_platform, langevin_integrator

_LOGGER = logging.getLogger(__name__)
_BAROSTAT_EVERY_STEPS = 25
_SAMPLE_EVERY_PS = 0.2
_REPORTS = 5
_MINIMISATION_STEPS = 200


def make_box(solute, positions: np.ndarray, physics: Physics, copies: int, seed: int) -> SolvatedBox:
    """Solvate, run at constant pressure and scale to the mean volume of the second half of that run.

    Parameters
    ----------
    solute : openmm.app.Topology of one solute
    positions : (N, 3), nm
    seed : int, 1 .. 2^31 - 1

    Raises
    ------
    SamplingError
        If the dynamics have blown up.
    """
    import openmm
    from openmm import unit

    box = solvate(solute, positions, physics, copies, seed)
    system = build_box_system(solute, box, physics)
    barostat = openmm.MonteCarloBarostat(
        physics.pressure_bar * unit.bar, physics.temperature_K, _BAROSTAT_EVERY_STEPS
    )
    barostat.setRandomNumberSeed(seed)
    system.addForce(barostat)
    integrator = langevin_integrator(physics, seed)
    context = openmm.Context(system, integrator, *find_platform(physics))
    context.setPositions(box.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=_MINIMISATION_STEPS)
    context.setVelocitiesToTemperature(physics.temperature_K, seed)
    steps = max(1, round(_SAMPLE_EVERY_PS * 1000 / physics.timestep_fs))
    samples = max(2, round(physics.npt_ps / _SAMPLE_EVERY_PS))
    volumes = []
    for sample in range(1, samples + 1):
        integrator.step(steps)
        volumes.append(float(np.linalg.det(_vectors(context.getState()))))
        if sample * _REPORTS // samples > (sample - 1) * _REPORTS // samples:
            done_ps = sample * physics.npt_ps / samples
            _LOGGER.info("The box: %.0f of %.0f ps, %.2f nm^3.", done_ps, physics.npt_ps, volumes[-1])
    state = context.getState(getPositions=True)
    final = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    if not (np.isfinite(final).all() and np.isfinite(volumes).all()):
        raise SamplingError(
            "simulate: a position is not finite, so the dynamics that set the box have blown up; check the"
            " structure, or use a shorter time step."
        )
    scale = float((np.mean(volumes[samples // 2 :]) / volumes[-1]) ** (1 / 3))
    molecules = [list(molecule) for molecule in context.getMolecules()]
    return SolvatedBox(
        _scaled(final, molecules, scale), scale * _vectors(state), box.residues, copies, box.contact_nm
    )


def build_box_system(solute, box: SolvatedBox, physics: Physics):
    """The System of a box, copies of the solute held apart."""
    system = build_reference_system(box.topology(solute), physics)
    if box.copies > 1:
        system.addForce(repulsion(box.copies, solute.getNumAtoms(), box.contact_nm))
    return system


def _scaled(positions: np.ndarray, molecules: list[list[int]], scale: float) -> np.ndarray:
    """Positions with the centre of every molecule scaled, as the barostat does."""
    scaled = np.array(positions)
    for atoms in molecules:
        scaled[atoms] += (scale - 1) * scaled[atoms].mean(0)
    return scaled


def _vectors(state) -> np.ndarray:
    from openmm import unit

    return np.array(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
