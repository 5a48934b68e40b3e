"""A chain of beads of any sequence, in steps of 25 tau: nothing is trained, no force is computed.

python examples/simulate_chain.py
"""

import sys
from pathlib import Path

import numpy as np
from openmm import app

import openmm_scoredyn as sd
from openmm_scoredyn.coarse import Mapping

sys.path.append(str(Path(__file__).parent / "bead_chains"))
from chains import TYPES, chain, grown, sequence

rng = np.random.default_rng(7)
fine = chain(sequence(100, rng))  # a backbone with side chains, units at random
topology = app.Topology()
residue = topology.addResidue("BEA", topology.addChain())
beads = [topology.addAtom(TYPES[kind], None, residue) for kind in fine.types]
for i, j in fine.bonds:
    topology.addBond(beads[i], beads[j])

mapping = Mapping.equal_groups(topology, 10, masses_amu=dict.fromkeys(TYPES, 100.0))
model = sd.bind("bead-chains", mapping.topology)
simulation = app.Simulation(mapping.topology, mapping.system(), sd.ScoreDynamicsIntegrator(model))
simulation.context.setPositions(mapping.positions(0.5 * grown(fine, rng)))  # sigma is 0.5 nm
simulation.reporters.append(app.DCDReporter("chain.dcd", 1))
simulation.step(100)
rejected = simulation.integrator.getNumRejectedDraws()
print(f"100 steps of {model.card.lag_time_ps:.1f} ps, {rejected} rejected draws")
