"""From a trained `torch.nn.Module` to a score program: one self-describing file that the integrator runs."""

from openmm_scoredyn.export.parity import ParityCheck, ParityReport
from openmm_scoredyn.export.program import export_program

__all__ = ["ParityCheck", "ParityReport", "export_program"]
