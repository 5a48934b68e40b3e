"""An ordinary OpenMM script: alanine dipeptide in water from Amber files.

python examples/openmm_scripts/amber.py
"""

import sys
from pathlib import Path

from openmm import LangevinMiddleIntegrator
from openmm.app import (
    PME,
    AmberInpcrdFile,
    AmberPrmtopFile,
    DCDReporter,
    HBonds,
    Simulation,
    StateDataReporter,
)
from openmm.unit import kelvin, nanometer, picosecond, picoseconds

inputs = Path(__file__).parents[1] / "inputs"
inpcrd = AmberInpcrdFile(str(inputs / "alanine.inpcrd"))
prmtop = AmberPrmtopFile(str(inputs / "alanine.prmtop"), periodicBoxVectors=inpcrd.boxVectors)
system = prmtop.createSystem(nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds)
integrator = LangevinMiddleIntegrator(300 * kelvin, 1 / picosecond, 0.002 * picoseconds)
simulation = Simulation(prmtop.topology, system, integrator)
simulation.context.setPositions(inpcrd.positions)
simulation.minimizeEnergy()
simulation.reporters.append(DCDReporter("amber.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
