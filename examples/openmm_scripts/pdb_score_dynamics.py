"""The script of the same name, with a score model in the place of Langevin dynamics.

python examples/openmm_scripts/pdb_score_dynamics.py
"""

import sys
from pathlib import Path

from openmm.app import PME, DCDReporter, ForceField, HBonds, PDBFile, StateDataReporter
from openmm.unit import nanometer

import openmm_scoredyn as sd

inputs = Path(__file__).parents[1] / "inputs"
pdb = PDBFile(str(inputs / "alanine.pdb"))
forcefield = ForceField("amber99sbildn.xml", "tip3p.xml")
system = forcefield.createSystem(
    pdb.topology, nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds
)
simulation = sd.prepare(pdb, "alanine-dipeptide-tip3p", positions=pdb.positions, system=system, strip=True)
simulation.reporters.append(DCDReporter("pdb_score_dynamics.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
