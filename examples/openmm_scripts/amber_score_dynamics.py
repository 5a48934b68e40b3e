"""The script of the same name, with a score model in the place of Langevin dynamics.

python examples/openmm_scripts/amber_score_dynamics.py
"""

import sys
from pathlib import Path

from openmm.app import (
    PME,
    AmberInpcrdFile,
    AmberPrmtopFile,
    DCDReporter,
    HBonds,
    StateDataReporter,
)
from openmm.unit import nanometer

import openmm_scoredyn as sd

inputs = Path(__file__).parents[1] / "inputs"
inpcrd = AmberInpcrdFile(str(inputs / "alanine.inpcrd"))
prmtop = AmberPrmtopFile(str(inputs / "alanine.prmtop"), periodicBoxVectors=inpcrd.boxVectors)
system = prmtop.createSystem(nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds)
simulation = sd.prepare(
    prmtop, "alanine-dipeptide-tip3p", positions=inpcrd.positions, system=system, strip=True
)
simulation.reporters.append(DCDReporter("amber_score_dynamics.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
