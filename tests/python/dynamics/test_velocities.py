"""The temperature that OpenMM's own reporter shows, with and without a CMMotionRemover."""

import io

import numpy as np
import openmm
import pytest
from openmm import app
from platforms import platforms_here
from programs import BOND_LENGTHS, MASSES, POSITIONS, Drift

from openmm_scoredyn import ScoreDynamicsIntegrator

PLATFORMS = [("Reference", None)] + [
    (name, precision)
    for name in platforms_here(("OpenCL", "CUDA", "HIP"))
    for precision in ("single", "mixed", "double")
]


def topology_of_five_atoms():
    topology = app.Topology()
    residue = topology.addResidue("MOL", topology.addChain())
    for symbol in ("C", "H", "F", "Cl", "Br"):
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
    return topology


@pytest.mark.parametrize("precise", PLATFORMS, ids=lambda pair: "-".join(filter(None, pair)))
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("removes_motion", [False, True])
def test_reported_temperature(make_program, precise, constrained, removes_motion):
    name, precision = precise
    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    if removes_motion:
        system.addForce(openmm.CMMotionRemover())
    if constrained:
        system.addConstraint(0, 1, BOND_LENGTHS[0])
    integrator = ScoreDynamicsIntegrator(make_program(Drift()))
    integrator.setRandomNumberSeed(6)
    simulation = app.Simulation(
        topology_of_five_atoms(),
        system,
        integrator,
        openmm.Platform.getPlatformByName(name),
        {"Precision": precision} if precision else {},
    )
    simulation.context.setPositions(POSITIONS)
    text = io.StringIO()
    simulation.reporters.append(app.StateDataReporter(text, 1, temperature=True))
    n = 1500
    simulation.step(n)
    temperatures = np.array([float(row) for row in text.getvalue().splitlines()[1:]])
    # Chi-square of f degrees of freedom: mean f, variance 2 f, fourth central moment 12 f (f + 4).
    f = 15 - constrained - 3 * removes_motion
    chi = f * temperatures / 300
    assert abs(chi.mean() - f) < 4 * np.sqrt(2 * f / n)
    assert abs(chi.var() - 2 * f) < 4 * np.sqrt((12 * f * (f + 4) - 4 * f * f) / n)
