"""A microsecond of a dipeptide that the model never saw, in 320 steps of 32 replicas; nothing is trained.

python examples/simulate_peptide.py
"""

import numpy as np

import openmm_scoredyn as sd
from openmm_scoredyn.molecule.building import build
from openmm_scoredyn.molecule.geometry import dihedral_angles, rotatable_torsions

built = build("ILE-SER")
model = sd.bind("peptides-obc2", built.topology, positions=built.positions)
start = np.repeat(np.asarray(built.positions, dtype=np.float32)[None], 32, axis=0)
frames = model.sample(start, 320, seed=1, lag_time_ps=100.0)
turning = rotatable_torsions(model.card.particles)
angles = dihedral_angles(frames[20:].reshape(-1, *start.shape[1:]), turning)
names = model.card.particles.atom_names
for atoms, column in zip(turning, np.degrees(angles).T):
    shares = np.histogram(column, bins=6, range=(-180, 180))[0] / len(column)
    print("-".join(names[k] for k in atoms), np.round(shares, 3))
print("rejected draws:", model.num_rejected_draws, "of", 320 * 32)
