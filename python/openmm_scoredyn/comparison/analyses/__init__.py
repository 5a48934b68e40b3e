"""What is compared beside the quantities of single observables: pairs of angles, slow processes, suites.

Every module here with a tuple `ANALYSES` adds to the registry (`registry`); so do entry points of other
distributions in the group `openmm_scoredyn.analyses`.
"""

from openmm_scoredyn.comparison.analyses.protocol import Analysis, Findings
from openmm_scoredyn.comparison.analyses.registry import chosen_analyses, registered, suite_names

__all__ = ["Analysis", "Findings", "chosen_analyses", "registered", "suite_names"]
