"""What the guard rejects, counted in frames, and models that run without it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from alanine import alanine_molecule, alanine_positions, make_trajectory
from tiny_models import MOLECULE, StandardNormal, start, tiny_card

from openmm_scoredyn.data import Trajectory
from openmm_scoredyn.errors import MoleculeError, SamplingError
from openmm_scoredyn.export import export_program
from openmm_scoredyn.molecule.geometry import bond_lengths, handedness, stereocentres
from openmm_scoredyn.program.card import Card
from openmm_scoredyn.program.guard_counts import count_refused_frames, count_rejections
from openmm_scoredyn.program.model import ScoreModel
from openmm_scoredyn.program.native import scoredyn


def alanine_card() -> Card:
    molecule, positions = alanine_molecule(), alanine_positions()
    centre, a, b, d = stereocentres(molecule)[0]
    if handedness(positions[None], np.array([[centre, a, b, d]]))[0, 0] < 0:
        a, b = b, a
    return Card.of(
        molecule,
        name="guarded",
        lag_times_ps=(1.0,),
        temperatures_K=(300.0,),
        latent_size=1,
        bond_lengths_nm=tuple(bond_lengths(positions[None], np.array(molecule.bonds))[0]),
        stereocentres=((int(centre), int(a), int(b), int(d)),),
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
    none = dict.fromkeys(scoredyn.CAUSES, 0)
    assert counts == none | {"steps": 9, "bond": 1, "stereochemistry": 3, "displacement": 2}


def test_another_molecule_is_refused():
    with pytest.raises(MoleculeError, match="expected 5 particles, found 22"):
        count_rejections([make_trajectory(5)], tiny_card())


def test_without_its_guard_a_model_keeps_the_draws_that_it_would_reject(tmp_path):
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", tiny_card(max_displacement_nm=0.0033))
    guarded = ScoreModel(tmp_path / "m.pt")
    free = ScoreModel(tmp_path / "m.pt")
    kept = guarded.sample(start(50), 1, seed=1, max_resamples=50)[0]
    drawn = free.sample(start(50), 1, seed=1, max_resamples=0, guard=False)[0]
    assert 0 < guarded.num_rejected_steps < 50 and free.num_rejected_draws == 0
    # The same noise, so whatever the guard lets pass is the same, and what it rejects is counted alike in the
    # frames.
    moved = np.linalg.norm(drawn - start(50), axis=-1).max(axis=1)
    rejected = moved > 0.0033
    np.testing.assert_array_equal(kept[~rejected], drawn[~rejected])
    assert rejected.sum() == guarded.num_rejected_steps
    path = Trajectory(
        segments=tuple(np.stack(pair) for pair in zip(start(50), drawn, strict=True)),
        frame_spacing_ps=1.0,
        temperature_K=300.0,
        molecule=guarded.card.particles,
        steered=False,
        consecutive=False,
        source_sha256="0" * 64,
    )
    counts = count_rejections([path], guarded.card)
    assert counts["displacement"] == guarded.num_rejected_steps and counts["steps"] == 50


# One rule of a kind for CHFClBr, broken by the drawn step alone.
RULES = {
    "bond": {"bond_tolerance": 1e-3},
    "angle": {"angles": ((1, 0, 2),), "angle_limits_deg": ((5.0, 60.0),)},
    "stereochemistry": {"stereocentres": ((0, 2, 1, 3),)},
    "double_bond": {"double_bonds": ((1, 0, 3, 2),), "double_bonds_cis": (True,)},
    "displacement": {"max_displacement_nm": 1e-6},
}


@pytest.mark.parametrize("cause", RULES)
def test_every_rule_is_counted_by_its_name(tmp_path, cause):
    given = {"bond_tolerance": 0.9, "stereocentres": ()} | RULES[cause]
    card = tiny_card(**given)
    export_program(StandardNormal("edm", "edm"), tmp_path / "m.pt", card)
    model = ScoreModel(tmp_path / "m.pt")
    with pytest.raises(SamplingError, match="in 1 draws; the last was rejected"):
        model.sample(start(1), 1, seed=1, max_resamples=0)
    drawn = model.sample(start(1), 1, seed=1, guard=False)[0, 0]
    path = np.stack([start(1)[0], drawn])
    counts = count_rejections([make_trajectory(segments=(path,), molecule=card.particles)], card)
    assert counts == dict.fromkeys(scoredyn.CAUSES, 0) | {"steps": 1, cause: 1}


def test_contacts_are_counted_between_molecules():
    """Two pairs of atoms, which are bonded within but not with each other."""
    particles = replace(MOLECULE, bonds=((0, 1), (2, 3)))
    card = tiny_card(
        bond_lengths_nm=(0.12, 0.23),
        stereocentres=(),
        contact_classes=(0, 0, 1, 1, 2),
        contacts=((0, 1, 0.1),),
        golden=(),
        particles=particles,
    )
    far, near = start(2)
    near[2:4] = near[0] + [[0.05, 0, 0], [0.05, 0.2, 0]]
    counts = count_rejections(
        [make_trajectory(segments=(np.stack([far, near, far]),), molecule=particles)], card
    )
    assert counts == dict.fromkeys(scoredyn.CAUSES, 0) | {"steps": 2, "contact": 1}


def crossing_beads(box: np.ndarray) -> tuple[Trajectory, Card]:
    """Two beads 0.3 nm apart, first inside the box, then across its boundary."""
    particles = replace(
        MOLECULE.subset([0, 1]), bonds=(), types=("A", "A"), masses_amu=(50.0, 50.0), atom_names=("A", "A")
    )
    inside = [[0.5, 1, 1], [0.8, 1, 1]]
    across = [[0.1, 1, 1], [1.8, 1, 1]]
    card = tiny_card(
        particles=particles,
        bond_lengths_nm=(),
        stereocentres=(),
        contact_classes=(0, 0),
        contacts=((0, 0, 0.35),),
        max_displacement_nm=5.0,
        golden=(),
    )
    far = [[0.5, 1, 1], [1.3, 1, 1]]
    frames = np.array([far, inside, far, across, far])
    return make_trajectory(segments=(frames,), molecule=particles, box=box), card


@pytest.mark.parametrize("each_frame", [False, True])
def test_contacts_across_the_box_are_counted(each_frame):
    box = 2 * np.eye(3)
    periodic, card = crossing_beads(np.tile(box, (5, 1, 1)) if each_frame else box)
    assert count_rejections([periodic], card)["contact"] == 2
    assert count_refused_frames(card.guard, [periodic])["contact"] == 2
    alone = replace(periodic, box=None)
    assert count_rejections([alone], card)["contact"] == 1
    assert count_refused_frames(card.guard, [alone])["contact"] == 1
    if each_frame:  # in a larger box the beads of the fourth frame are apart
        wider = periodic.box.copy()
        wider[3] = 4 * np.eye(3)
        assert count_rejections([replace(periodic, box=wider)], card)["contact"] == 1


def test_boxes_of_another_number_are_refused():
    periodic, card = crossing_beads(2 * np.eye(3))
    guard = scoredyn.Guard(json.dumps(json.loads(card.to_json())["particles"]))
    frames = periodic.segments[0]
    with pytest.raises(scoredyn.OpenMMException, match="Guard: box has the wrong shape; expected"):
        guard.broken_rules(frames, np.tile(2 * np.eye(3), (4, 1, 1)))
    with pytest.raises(scoredyn.OpenMMException, match="Guard: box has the wrong shape; expected"):
        guard.check(frames, frames, np.ones((3, 2)))


def test_rules_are_judged_each_on_its_own():
    """A frame that breaks two rules counts for both; one that is no number for itself alone."""
    card, still = alanine_card(), alanine_positions()
    mirrored = still * np.array([-1.0, 1.0, 1.0])
    both = mirrored.copy()
    both[0] += 0.2
    counts = count_refused_frames(
        card.guard, [make_trajectory(segments=(np.array([still, mirrored, both]),))]
    )
    assert counts == {
        "frames": 3,
        "bond": 1,
        "angle": 0,
        "stereochemistry": 2,
        "double_bond": 0,
        "contact": 0,
    }
    guard = scoredyn.Guard(json.dumps(json.loads(card.to_json())["particles"]))
    both[3] = np.nan
    (broken,) = guard.broken_rules(both[None])
    assert [cause for cause, found in zip(scoredyn.CAUSES, broken) if found] == ["not_finite"]
