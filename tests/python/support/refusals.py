"""What a refusal is, and contexts that are refused."""

import re

import openmm
import pytest

from openmm_scoredyn import ScoreDynamicsIntegrator


def refusal(text):
    return pytest.raises(openmm.OpenMMException, match=re.escape(text))


def make_context(path, system, change=lambda integrator: None):
    integrator = ScoreDynamicsIntegrator(path)
    change(integrator)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference")), integrator
