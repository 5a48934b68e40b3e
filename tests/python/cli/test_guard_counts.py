"""What the guard refuses, counted in frames, and models that run without it."""

import numpy as np
import pytest
from alanine import alanine_molecule, alanine_positions, make_trajectory
from tiny_models import StandardNormal, start, tiny_card

from openmm_scoredyn.cli.guard_counts import count_rejections
from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.dynamics import unguarded
from openmm_scoredyn.errors import MoleculeError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.molecule.geometry import bond_lengths, handedness, stereocentres
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.model import ScoreModel


def alanine_card() -> Card:
    molecule, positions = alanine_molecule(), alanine_positions()
    centre, a, b, d = stereocentres(molecule)[0]
    if handedness(positions[None], np.array([[centre, a, b, d]]))[0, 0] < 0:
        a, b = b, a
    return Card.for_molecule(
        molecule,
        name="guarded",
        lag_time_ps=1.0,
        temperature_K=300.0,
        latent_size=1,
        bond_lengths_nm=tuple(bond_lengths(positions[None], np.array(molecule.bonds))[0]),
        chiral_centres=((int(centre), int(a), int(b), int(d)),),
        max_displacement_nm=0.5,
    )


def test_each_cause_is_counted_once_and_the_first_counts():
    card, still = alanine_card(), alanine_positions()
    mirrored = still * np.array([-1.0, 1.0, 1.0])
    stretched = still.copy()
    stretched[0] += 0.2
    frames = [
        still,
        still,
        stretched,
        still,
        mirrored,
        mirrored,
        mirrored + 1.0,
        still + 1.0,
        still + 1.0,
        still,
    ]
    counts = count_rejections([make_trajectory(segments=(np.array(frames),))], card)
    assert counts == {"steps": 9, "not_finite": 0, "bond": 1, "chirality": 3, "displacement": 2}


def test_another_molecule_is_refused():
    with pytest.raises(MoleculeError, match="expected 5 atoms, found 22"):
        count_rejections([make_trajectory(5)], tiny_card())


def test_without_its_guard_a_model_keeps_the_draws_that_it_would_refuse(tmp_path):
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=0.0033))
    guarded = ScoreModel(tmp_path / "m.pt")
    free = unguarded(guarded)
    kept = guarded.sample(start(50), 1, seed=1, max_redraws=50)[0]
    drawn = free.sample(start(50), 1, seed=1, max_redraws=0)[0]
    assert 0 < guarded.num_rejected_steps < 50 and free.num_redraws == 0
    # The same noise, so whatever the guard lets pass is the same, and what it refuses is counted alike in the
    # frames.
    moved = np.linalg.norm(drawn - start(50), axis=-1).max(axis=1)
    refused = moved > 0.0033
    np.testing.assert_array_equal(kept[~refused], drawn[~refused])
    assert refused.sum() == guarded.num_rejected_steps
    assert free.card.golden == guarded.card.golden and free.card.name.endswith("-unguarded")
    path = Trajectory(
        segments=tuple(np.stack(pair) for pair in zip(start(50), drawn, strict=True)),
        frame_spacing_ps=1.0,
        temperature_K=300.0,
        molecule=guarded.card.molecule,
        steered=False,
        consecutive=False,
        source_sha256="0" * 64,
    )
    counts = count_rejections([path], guarded.card)
    assert counts["displacement"] == guarded.num_rejected_steps and counts["steps"] == 50
