"""Contexts of the molecule of `programs`, and what is read from them."""

import numpy as np
import openmm
from openmm import unit
from programs import POSITIONS, TEMPERATURE

from openmm_scoredyn import ScoreDynamicsIntegrator

KT = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin) * TEMPERATURE
NO_BOX = np.zeros((3, 3), np.float32)


def make_context(path, system, platform=None, positions=POSITIONS, seed=3):
    integrator = ScoreDynamicsIntegrator(path)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, platform or openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context, integrator


def positions_of(context):
    return context.getState(positions=True).getPositions(asNumpy=True)._value


def velocities_of(context):
    return context.getState(velocities=True).getVelocities(asNumpy=True)._value


def trajectory(context, integrator, n_steps):
    frames = []
    for _ in range(n_steps):
        integrator.step(1)
        frames.append(positions_of(context))
    return np.array(frames)
