"""From a structure to a model and a verdict within a budget of wall time: reference MD, training, export,
replicas, comparison with MD that the model never saw.
"""

from openmm_scoredyn.fitting.each import Fitted, fit_each
from openmm_scoredyn.fitting.fit import fit
from openmm_scoredyn.fitting.request import FitRequest
from openmm_scoredyn.fitting.verdict import Verdict

__all__ = ["FitRequest", "Fitted", "Verdict", "fit", "fit_each"]
