"""Plans of simulations in water that take seconds."""

from openmm_scoredyn.reference.physics import Physics
from openmm_scoredyn.reference.plan import SimulationPlan

# Far too small for physics; the same code.
TINY = Physics.in_solvent("tip3p", padding_nm=0.6, cutoff_nm=0.45, npt_ps=0.8)
FREE = SimulationPlan(1, 6, equilibration_ps=0.2, frame_spacing_ps=0.04, frames_per_chunk=2, physics=TINY)
