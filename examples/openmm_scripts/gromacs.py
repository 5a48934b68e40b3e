"""An ordinary OpenMM script: alanine dipeptide in water from GROMACS files.

python examples/openmm_scripts/gromacs.py
"""

import sys
from pathlib import Path

from openmm import LangevinMiddleIntegrator
from openmm.app import (
    PME,
    DCDReporter,
    GromacsGroFile,
    GromacsTopFile,
    HBonds,
    Simulation,
    StateDataReporter,
)
from openmm.unit import kelvin, nanometer, picosecond, picoseconds

inputs = Path(__file__).parents[1] / "inputs"
gro = GromacsGroFile(str(inputs / "alanine.gro"))
top = GromacsTopFile(str(inputs / "alanine.top"), periodicBoxVectors=gro.getPeriodicBoxVectors())
system = top.createSystem(nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds)
integrator = LangevinMiddleIntegrator(300 * kelvin, 1 / picosecond, 0.002 * picoseconds)
simulation = Simulation(top.topology, system, integrator)
simulation.context.setPositions(gro.positions)
simulation.minimizeEnergy()
simulation.reporters.append(DCDReporter("gromacs.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
