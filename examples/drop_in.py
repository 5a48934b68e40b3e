"""An ordinary OpenMM script, with ScoreDynamicsIntegrator where LangevinMiddleIntegrator was.

    python examples/drop_in.py

One nanosecond of alanine dipeptide in 1,000 steps; every step is one picosecond.
"""

import sys

from openmm import unit
from openmm.app import DCDReporter, ForceField, HBonds, NoCutoff, PDBFile, Simulation, StateDataReporter

import openmm_scoredyn as sd

model = sd.pretrained("alanine-dipeptide-obc2")
pdb = PDBFile(str(model.with_name("alanine-dipeptide.pdb")))
force_field = ForceField("amber99sbildn.xml", "amber99_obc.xml")
system = force_field.createSystem(
    pdb.topology, nonbondedMethod=NoCutoff, constraints=HBonds, hydrogenMass=3 * unit.amu
)

# before: integrator = LangevinMiddleIntegrator(300 * unit.kelvin, 10 / unit.picosecond, 0.004 *
# unit.picoseconds)
integrator = sd.ScoreDynamicsIntegrator(model)

simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.reporters.append(DCDReporter("alanine.dcd", 1))
simulation.reporters.append(StateDataReporter(sys.stdout, 100, time=True, potentialEnergy=True, speed=True))
simulation.step(1000)
print("rejected draws:", integrator.getNumRejectedDraws())
