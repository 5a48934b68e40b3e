"""The shipped models draw what they drew in release 0.6.0, from the same starts with the same noise."""

from pathlib import Path

import numpy as np
import pytest

from openmm_scoredyn import ScoreModel, pretrained

STORED = Path(__file__).parents[1] / "support" / "draws_of_0_6_0.npz"
FIRST_REPLICA = 80_000


@pytest.mark.parametrize("solvent", ["obc2", "tip3p"])
def test_draws_are_those_of_release_0_6_0(solvent):
    with np.load(STORED) as stored:
        starts, draws = stored[f"{solvent}_starts"], stored[f"{solvent}_draws"]
    model = ScoreModel(pretrained(f"alanine-dipeptide-{solvent}"))
    found = model.sample(starts, 1, seed=11, first_replica=FIRST_REPLICA)[0]
    assert np.abs(found - draws).max() < 1e-5
    other = model.sample(starts, 1, seed=12, first_replica=FIRST_REPLICA)[0]
    assert np.abs(other - draws).max() > 1e-2, "another seed would draw the same"
