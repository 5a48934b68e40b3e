"""An ordinary OpenMM script: alanine dipeptide in water from a PDB file.

python examples/openmm_scripts/pdb.py
"""

import sys
from pathlib import Path

from openmm import LangevinMiddleIntegrator
from openmm.app import PME, DCDReporter, ForceField, HBonds, PDBFile, Simulation, StateDataReporter
from openmm.unit import kelvin, nanometer, picosecond, picoseconds

inputs = Path(__file__).parents[1] / "inputs"
pdb = PDBFile(str(inputs / "alanine.pdb"))
forcefield = ForceField("amber99sbildn.xml", "tip3p.xml")
system = forcefield.createSystem(
    pdb.topology, nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds
)
integrator = LangevinMiddleIntegrator(300 * kelvin, 1 / picosecond, 0.002 * picoseconds)
simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.minimizeEnergy()
simulation.reporters.append(DCDReporter("pdb.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
