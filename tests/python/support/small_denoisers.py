"""Denoisers that train in no time."""

from openmm_scoredyn.crystals.checkpoint import DenoiserTraining

SMALL = {"width": 8, "vector_width": 4, "edge_width": 8, "layers": 2}


def small(**values):
    return DenoiserTraining(
        **({"lattices": ("diamond",), "updates": 6, "warm_up": 2, "batch": 1} | SMALL | values)
    )
