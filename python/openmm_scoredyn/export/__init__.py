"""From a trained network to a score program, one self-describing file that the integrator runs; binding."""

from openmm_scoredyn.export.binding import bind, bind_particles, open_model
from openmm_scoredyn.export.parity import ParityCheck, ParityReport
from openmm_scoredyn.export.program import export_program

__all__ = ["ParityCheck", "ParityReport", "bind", "bind_particles", "export_program", "open_model"]
