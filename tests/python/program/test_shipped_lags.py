"""The shipped model of a range of lag times: what a reader of its report can check in seconds."""

import numpy as np
import pytest
from openmm import unit
from openmm.app import PDBFile

import openmm_scoredyn as sd
from openmm_scoredyn.molecule.geometry import backbone_torsions, dihedral_angles

NAME = "alanine-dipeptide-obc2-lags"
REPLICAS = 1000


@pytest.fixture(scope="module")
def model() -> sd.ScoreModel:
    return sd.ScoreModel(NAME)


@pytest.fixture(scope="module")
def start() -> np.ndarray:
    """The shipped structure, in beta, (REPLICAS, 22, 3), nm."""
    pdb = PDBFile(str(sd.pretrained(NAME).with_name("alanine-dipeptide.pdb")))
    positions = pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32)
    return np.repeat(positions[None], REPLICAS, axis=0)


def in_helix(model, frames: np.ndarray) -> float:
    """Share of frames (B, 22, 3) whose psi is that of alpha_R, among those of phi below zero."""
    phi, psi = (
        np.degrees(dihedral_angles(frames, np.array(atoms)))[:, 0]
        for atoms in zip(*backbone_torsions(model.card.particles))
    )
    return float(((-125 < psi) & (psi < 50))[phi < 0].mean())


def test_it_knows_every_lag_from_a_picosecond_to_a_nanosecond(model):
    can = model.card.capabilities
    assert can.lag_times_ps == (1.0, 1000.0) and can.lag_time_range and can.denoising_steps == 4


def test_steps_of_every_lag_lead_to_the_same_place(model, start):
    """After 20 ps from beta, before equilibrium: 20 x 1 ps, 2 x 10 ps and 1 x 20 ps."""
    shares = [
        in_helix(model, model.sample(start, round(20 / lag), seed=4, lag_time_ps=lag)[-1])
        for lag in (1.0, 10.0, 20.0)
    ]
    error = np.sqrt(2 * 0.25 / REPLICAS)
    assert np.ptp(shares) < 4 * error
    assert 0.05 < np.mean(shares) < 0.38  # on its way


def test_a_nanosecond_forgets_where_it_began(model, start):
    """MD: 0.41 of the frames at phi < 0 are in alpha_R, with an error of 0.013."""
    before = model.num_rejected_draws
    frames = model.sample(start, 3, seed=5, lag_time_ps=1000.0)
    shares = [in_helix(model, frame) for frame in frames]
    assert np.abs(np.array(shares) - 0.41).max() < 4 * np.sqrt(0.25 / REPLICAS + 0.013**2)
    assert model.num_rejected_draws - before < 0.02 * 3 * REPLICAS
