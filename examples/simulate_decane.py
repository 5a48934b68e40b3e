"""A nanosecond of decane, which the model never saw, in 1,000 steps; nothing is trained.

python examples/simulate_decane.py
"""

import sys

from openmm.app import DCDReporter, StateDataReporter

import openmm_scoredyn as sd
from openmm_scoredyn.molecule.building import build

decane = build(smiles="CCCCCCCCCC")
simulation = sd.prepare(decane.topology, "alkanes-tip3p", positions=decane.positions, seed=1)
simulation.reporters.append(DCDReporter("decane.dcd", 1))
simulation.reporters.append(StateDataReporter(sys.stdout, 100, time=True, speed=True))
simulation.step(1000)
print("rejected draws:", simulation.integrator.getNumRejectedDraws())
