"""Contexts of the molecule of `programs`, and what is read from them."""

import numpy as np
import openmm
from openmm import unit
from programs import LAG, POSITIONS, TEMPERATURE

from openmm_scoredyn import ScoreDynamicsIntegrator

KT = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin) * TEMPERATURE


def make_context(path, system, platform=None, positions=POSITIONS, seed=3):
    integrator = ScoreDynamicsIntegrator(path)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, platform or openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context, integrator


def draw(model, history, n_steps, box=None, **options):
    """Frames (n_steps / save_every, B, N, 3) of a core program, histories (B, H, N, 3), nm."""
    return draw_counted(model, history, n_steps, box, **options)[0]


def draw_counted(model, history, n_steps, box=None, **options):
    """The same, and the counts."""
    options = {
        "lag_time_ps": LAG,
        "temperature_K": TEMPERATURE,
        "save_every": 1,
        "seed": 3,
        "first_step": 0,
        "first_replica": 0,
        "solver": "dpmpp_2m",
        "denoising_steps": 5,
    } | options
    box = np.zeros((len(history), 3, 3), np.float32) if box is None else box
    return model.sample(history, box, n_steps=n_steps, **options)


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
