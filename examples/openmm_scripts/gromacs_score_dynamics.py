"""The script of the same name, with a score model in the place of Langevin dynamics.

python examples/openmm_scripts/gromacs_score_dynamics.py
"""

import sys
from pathlib import Path

from openmm.app import (
    PME,
    DCDReporter,
    GromacsGroFile,
    GromacsTopFile,
    HBonds,
    StateDataReporter,
)
from openmm.unit import nanometer

import openmm_scoredyn as sd

inputs = Path(__file__).parents[1] / "inputs"
gro = GromacsGroFile(str(inputs / "alanine.gro"))
top = GromacsTopFile(str(inputs / "alanine.top"), periodicBoxVectors=gro.getPeriodicBoxVectors())
system = top.createSystem(nonbondedMethod=PME, nonbondedCutoff=0.8 * nanometer, constraints=HBonds)
simulation = sd.prepare(top, "alanine-dipeptide-tip3p", positions=gro.positions, system=system, strip=True)
simulation.reporters.append(DCDReporter("gromacs_score_dynamics.dcd", 10))
simulation.reporters.append(StateDataReporter(sys.stdout, 10, time=True, potentialEnergy=True))
simulation.step(100)
