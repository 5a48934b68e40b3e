"""A hot Lennard-Jones crystal with a vacancy in OpenMM, denoised while it runs.

    python examples/denoise_argon.py [--steps 2000]

Writes argon.extxyz, the frames without thermal noise, argon.csv, the structures before and after (where
OVITO's Python package is installed), and argon_hot.extxyz, the last frame as it was: `scoredyn denoise
argon_hot.extxyz -o clean.extxyz
--classify cna` makes a picture of it.
"""

import argparse
import importlib.util

import numpy as np
import openmm
from ase.build import bulk
from openmm import unit
from openmm.app import Element, Simulation, Topology

import openmm_scoredyn as sd

ARGON = {"mass": 39.948, "sigma_nm": 0.34, "epsilon_kJ_mol": 0.9977}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--temperature", type=float, default=75.0, help="K; argon melts at 84 K")
arguments = parser.parse_args()

crystal = bulk("Ar", "fcc", a=5.40, cubic=True).repeat(6)
del crystal[400]
box = np.array(crystal.cell[:]) / 10

topology, system = Topology(), openmm.System()
topology.setPeriodicBoxVectors(box * unit.nanometer)
system.setDefaultPeriodicBoxVectors(*box)
force = openmm.NonbondedForce()
force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
force.setCutoffDistance(1.0)
residue = topology.addResidue("AR", topology.addChain())
for _ in crystal:
    topology.addAtom("Ar", Element.getBySymbol("Ar"), residue)
    system.addParticle(ARGON["mass"])
    force.addParticle(0.0, ARGON["sigma_nm"], ARGON["epsilon_kJ_mol"])
system.addForce(force)

integrator = openmm.LangevinMiddleIntegrator(arguments.temperature, 1.0, 0.01)
simulation = Simulation(topology, system, integrator)
simulation.context.setPositions(crystal.positions / 10)
simulation.context.setVelocitiesToTemperature(2 * arguments.temperature)
classify = "cna" if importlib.util.find_spec("ovito") else None
reporter = sd.DenoisingReporter("argon.extxyz", max(1, arguments.steps // 2), "metals", classify=classify)
simulation.reporters.append(reporter)
simulation.step(arguments.steps)
state = simulation.context.getState(positions=True, enforcePeriodicBox=True)
crystal.positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
crystal.write("argon_hot.extxyz")
for entry in reporter.counts:
    print(entry)
