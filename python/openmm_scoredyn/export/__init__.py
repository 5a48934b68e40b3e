"""From a trained network to a score program, one self-describing file that the integrator runs; binding."""

from openmm_scoredyn.export.binding import bind
from openmm_scoredyn.export.parity import ParityCheck, ParityReport
from openmm_scoredyn.export.program import export_program

__all__ = ["ParityCheck", "ParityReport", "bind", "export_program"]
